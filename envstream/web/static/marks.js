/** Marks: the kept episodes on the chart: a dot each, a triangle for the best and the worst. */

import { markPath } from './ink.js';

const RADIUS = 4;
const SMALL = 2.25;
const REACH = { mouse: 8, touch: 18 }; // How near a pointer has to be, in CSS pixels.

export class Marks {
  /** The clip that is replayed, or null. */
  current = null;

  #clips = [];
  #placed = []; // [{clip, x, y}, …] that are on the chart, from left to right

  /** `clips` = [CLIP, …] */
  set clips(clips) {
    this.#clips = clips;
  }

  /** The clip of an episode, or undefined. */
  of(episode) {
    return this.#clips.find((clip) => clip.episode === episode);
  }

  /** How many are on the chart. */
  get count() {
    return this.#placed.length;
  }

  /** The clip near a place on the chart, or undefined. */
  near(x, y, pointer) {
    const reach = REACH[pointer] ?? REACH.mouse;
    let best;
    for (const place of this.#placed) {
      const far = Math.hypot(place.x - x, (place.y - y) / 3); // Above and below it is meant as well.
      if (far <= reach && !(best?.far <= far)) best = { far, clip: place.clip };
    }
    return best?.clip;
  }

  /** The next clip beyond an episode, `step` 1 to the right, −1 to the left; undefined where there is none. */
  beside(episode, step) {
    const numbers = this.#placed.map(({ clip }) => clip.episode);
    if (episode === null) return this.#placed.at(step > 0 ? 0 : -1)?.clip;
    const at = step > 0 ? numbers.findIndex((one) => one > episode) : numbers.findLastIndex((one) => one < episode);
    return this.#placed[at]?.clip;
  }

  /** Draw them; `plot` = {x, y, first, final, bottom}, in one colour with a rim of another. */
  draw(pen, plot, colour, rim) {
    const inside = this.#clips.filter(({ episode }) => episode >= plot.first && episode <= plot.final);
    inside.sort((a, b) => a.episode - b.episode);
    this.#placed = inside.map((clip) => {
      const y = plot.y(clip.return ?? NaN);
      return { clip, x: plot.x(clip.episode), y: Number.isFinite(y) ? Math.min(plot.bottom, Math.max(plot.top, y)) : plot.bottom };
    });
    // Many of them are small, or they would be a band; those that stand out lie on top.
    const room = (plot.right - plot.left) / Math.max(1, this.#placed.length);
    const radius = Math.min(RADIUS, Math.max(SMALL, room / 2));
    const rank = ({ clip }) => Number(clip.best || clip.worst);
    pen.fillStyle = colour;
    pen.strokeStyle = rim;
    pen.lineWidth = radius < RADIUS ? 0.75 : 1.5;
    for (const place of [...this.#placed].sort((a, b) => rank(a) - rank(b))) {
      const { clip, x, y } = place;
      markPath(pen, x, y, rank(place) ? RADIUS + 1 : radius, clip.best ? 1 : clip.worst ? -1 : 0);
      pen.stroke();
      pen.fill();
      if (clip.id === this.current) this.ring(pen, x, y, colour);
    }
  }

  /** A ring around the one that is looked at, or replayed. */
  ring(pen, x, y, colour) {
    if (!Number.isFinite(y)) return;
    pen.save();
    pen.strokeStyle = colour;
    pen.lineWidth = 1.5;
    pen.beginPath();
    pen.arc(x, y, RADIUS + 5, 0, 2 * Math.PI);
    pen.stroke();
    pen.restore();
  }

  clear() {
    this.#placed = [];
  }
}
