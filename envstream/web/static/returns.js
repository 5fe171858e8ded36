/** Returns: what the episodes of each stream have brought, and the chart of the chosen one's. */

import { Chart } from './chart.js';
import { streamOf } from './companion.js';
import { showReturns } from './face.js';

const CHART_MS = 500;
const KEPT_EPISODES = 1000;

export class Returns {
  #histories = new Map(); // name → [[episode, steps, return], …]
  #chart;
  #shown = null; // whose they are
  #drawn = -Infinity;
  #stale = true;

  /** `onReplay(clip)` for a kept episode on the chart. */
  constructor(figure, onReplay) {
    this.#chart = new Chart(figure, onReplay);
  }

  /** The kept episodes of the chosen stream, and the id of the one that is replayed. */
  mark(clips, current) {
    this.#chart.mark(clips, current);
  }

  /** An `episodes` message. */
  take({ stream: name, reset, episodes }) {
    const stream = streamOf(name);
    const old = reset ? [] : (this.#histories.get(stream) ?? []);
    this.#histories.set(stream, old.concat(episodes).slice(-KEPT_EPISODES));
    if (stream === this.#shown) this.#stale = true;
  }

  /** Let go of streams that are gone. */
  tidy(exists) {
    for (const name of this.#histories.keys()) if (!exists(name)) this.#histories.delete(name);
  }

  clear() {
    this.#histories.clear();
    this.#stale = true;
  }

  /** Draw those of a stream: at once where it is another one, otherwise not too often. */
  show(name, now) {
    const other = name !== this.#shown;
    if (!other && (!this.#stale || now - this.#drawn <= CHART_MS)) return;
    this.#shown = name;
    const episodes = this.#histories.get(name) ?? [];
    showReturns(episodes);
    this.#chart.update(episodes);
    this.#drawn = now;
    this.#stale = false;
  }
}
