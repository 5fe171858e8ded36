/** Clips: the kept episodes of the stream that is looked at, and the ways to one of them beside the chart. */

import { keptEpisodes } from './archive.js';
import { clipName } from './screening.js';
import { count, score } from './words.js';

const APART_MS = 1000; // At most one request in that time.

export class Clips {
  /** [CLIP, …] oldest first */
  list = [];

  #box;
  #select;
  #on;
  #stream = null; // whose they are
  #serial = null; // the number of the list that is here, as in the status
  #asked = -Infinity;
  #asking = false;
  #turn = 0;

  /** `box` holds two buttons [data-kept] and a list; `on` = {choose(clip), change()} */
  constructor(box, on) {
    this.#box = box;
    this.#select = box.querySelector('select');
    this.#on = on;
    for (const button of box.querySelectorAll('[data-kept]')) {
      button.addEventListener('click', () => on.choose(this.#extreme(button.dataset.kept)));
    }
    this.#select.addEventListener('change', () => on.choose(this.get(this.#select.value)));
  }

  get(id) {
    return this.list.find((clip) => clip.id === id);
  }

  clear() {
    this.#turn += 1;
    this.#serial = null;
    this.#asking = false;
    this.#take([]);
  }

  /** Ask again where the list has changed, as the status says; `seen`: somebody may be looking. */
  update(status, seen, now) {
    const hidden = status?.clips === undefined;
    if (this.#box.hidden !== hidden) this.#box.hidden = hidden;
    if (hidden) return;
    if (status.name !== this.#stream) {
      this.#stream = status.name;
      this.#asked = -Infinity;
      this.clear();
    }
    if (!seen || this.#asking || status.clips === this.#serial || now - this.#asked < APART_MS) return;
    this.#asked = now;
    this.#ask(status.name, status.clips);
  }

  async #ask(stream, serial) {
    const turn = (this.#turn += 1);
    this.#asking = true;
    try {
      const list = await keptEpisodes(stream);
      if (turn === this.#turn) this.#take(list);
    } catch {
      // What was known stays; it is asked again with the next change.
    }
    if (turn !== this.#turn) return;
    this.#asking = false;
    this.#serial = serial;
  }

  #extreme(kind) {
    return this.list.find((clip) => clip[kind]);
  }

  #take(list) {
    this.list = list;
    for (const button of this.#box.querySelectorAll('[data-kept]')) this.#describe(button);
    this.#box.querySelector('[data-part=count]').textContent = list.length > 0 ? count(list.length) : '–';
    const first = new Option('', '', true, true);
    first.hidden = true;
    this.#select.replaceChildren(first, ...list.map((clip) => new Option(clipName(clip), clip.id)).reverse());
    this.#select.disabled = list.length === 0;
    this.#on.change();
  }

  #describe(button) {
    const clip = this.#extreme(button.dataset.kept);
    const [value, episode] = clip ? [score(clip.return), `episode ${count(clip.episode)}`] : ['–', '\u00a0'];
    button.disabled = !clip;
    button.querySelector('[data-part=value]').textContent = value;
    button.querySelector('[data-part=episode]').textContent = episode;
    const name = `Replay the ${button.dataset.kept} episode that is kept`;
    button.setAttribute('aria-label', clip ? `${name}: ${clipName(clip)}` : name);
    button.title = clip ? `${name}: ${clipName(clip)}` : name;
  }

  /** Mark the one that is replayed in the list; null for none. */
  mark(id) {
    const value = this.get(id) ? id : '';
    if (this.#select.value !== value) this.#select.value = value;
  }
}
