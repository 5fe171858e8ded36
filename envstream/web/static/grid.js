/** Grid: several streams at the same size, as large as fits. */

import { Shelf } from './shelf.js';
import { MOST_WATCHED } from './watching.js';

const GAP = 0.6; // All sizes in rem.
const NARROWEST = 6.6;
const CAPTIONS = [
  { size: 'wide', from: 15, height: 2.2 }, // One line.
  { size: 'medium', from: 9, height: 3.25 },
  { size: 'small', from: 0, height: 2.6 },
];
const BORDERS = 2; // Pixels to the left and right of a tile's picture.

/** The largest tile in a cell: words take less room where a tile is small. */
function tileIn(cell, aspect, rem, captions) {
  for (const { size, from, height } of captions) {
    const width = Math.min(cell.width, (cell.height - height * rem) * aspect + BORDERS);
    if (width >= from * rem || from === 0) return { width, caption: height * rem, size };
  }
  return null;
}

function planned(lanes, { width, caption, size }, aspect, gap) {
  const floor = Math.floor(width);
  const picture = Math.floor((floor - BORDERS) / aspect);
  return { lanes, width: floor, height: Math.floor(picture + caption), picture, gap, size };
}

/**
 * How `count` tiles with pictures of `aspect` (width / height) fill a box: {lanes, width, height, picture (its
 * height), gap, size (of the words)}. All in sight where they are not too small then; otherwise the box scrolls, and
 * no more are in sight than can be watched. `wordy`: there is too much to say for one line. Pure.
 */
export function pack(box, count, aspect, rem, wordy = false) {
  const captions = wordy ? CAPTIONS.slice(1) : CAPTIONS;
  const gap = Math.round(GAP * rem);
  const cellWidth = (columns) => (box.width - gap * (columns - 1)) / columns;
  const most = Math.max(1, Math.min(count, Math.floor((box.width + gap) / (NARROWEST * rem + gap))));
  let best = null;
  for (let columns = 1; columns <= most && count <= MOST_WATCHED; columns += 1) {
    const lines = Math.ceil(count / columns);
    const cell = { width: cellWidth(columns), height: (box.height - gap * (lines - 1)) / lines };
    const tile = tileIn(cell, aspect, rem, captions);
    if (best === null || tile.width > best.tile.width) best = { columns, tile };
  }
  if (best && best.tile.width >= NARROWEST * rem) return planned(best.columns, best.tile, aspect, gap);
  for (let columns = most; ; columns -= 1) {
    const cell = { width: cellWidth(columns), height: Infinity };
    const plan = planned(columns, tileIn(cell, aspect, rem, captions), aspect, gap);
    const lines = Math.ceil(box.height / (plan.height + gap)) + 1;
    if (columns === 1 || lines * columns <= MOST_WATCHED) return plan;
  }
}

/** The shape most of the pictures have; 3 : 2 while there are none. */
function commonAspect(list) {
  const counts = new Map();
  for (const { width, height } of list) {
    const aspect = width && height ? width / height : 0;
    if (aspect) counts.set(aspect, (counts.get(aspect) ?? 0) + 1);
  }
  const [aspect] = [...counts].reduce((best, one) => (one[1] > best[1] ? one : best), [1.5, 0]);
  return Math.min(2.4, Math.max(0.6, aspect));
}

export class Grid {
  #box;
  #shelf;
  #aspect = 0;

  constructor(box, tiles, onSight) {
    this.#box = box;
    const planner = (size, list) => {
      const rem = parseFloat(getComputedStyle(document.documentElement).fontSize);
      const style = getComputedStyle(box);
      const room = (a, b) => parseFloat(style[a]) + parseFloat(style[b]);
      const width = size.width - room('paddingLeft', 'paddingRight');
      const height = size.height - room('paddingTop', 'paddingBottom');
      const wordy = list.some(({ briefRun }) => Boolean(briefRun));
      const plan = pack({ width, height }, list.length, this.#aspect, rem, wordy);
      box.dataset.size = plan.size;
      return plan;
    };
    this.#shelf = new Shelf(box, tiles, { sideways: false, planner, onSight });
  }

  get sight() {
    return this.#shelf.sight;
  }

  /** Width of a tile in CSS pixels. */
  get tileWidth() {
    return this.#shelf.plan?.width ?? 0;
  }

  /** Show these streams; none = the grid is closed. */
  update(list, chosen) {
    const aspect = list.length > 0 ? commonAspect(list) : this.#aspect;
    if (aspect !== this.#aspect) {
      this.#aspect = aspect;
      this.#shelf.update([], null); // The first pictures tell the shape: lay out anew.
    }
    this.#box.hidden = list.length === 0;
    this.#shelf.update(list, chosen);
  }

  describe() {
    this.#shelf.describe();
  }

  reveal(name) {
    this.#shelf.reveal(name);
  }

  /** Whether a person is at it. */
  get held() {
    return this.#shelf.held;
  }

  /** Whether the person is at the keyboard, in here. */
  get focused() {
    return this.#box.contains(document.activeElement);
  }

  /** Move the focus; from outside it goes to the chosen tile. */
  move(along, across) {
    const name = this.#shelf.beside(along, across);
    if (name !== undefined) this.#shelf.reveal(name)?.focus({ preventScroll: true });
  }
}
