/** Shelf: a scroll box of equal tiles of which only those near sight exist: a thousand cost what thirty do. */

import { inHand } from './hand.js';
import { MOST_WATCHED } from './watching.js';

const TOUCHED_MS = 3000; // So long after it was scrolled somebody is still looking for something.

/**
 * Which of `count` tiles, `lanes` side by side and `pitch` pixels apart along the way that is scrolled, lie within
 * `length` pixels from `offset`, and `extra` lines around: [first, end). Pure.
 */
export function within({ count, lanes, pitch }, offset, length, extra = 0) {
  const first = Math.max(0, Math.floor(offset / pitch) - extra);
  const end = Math.max(first, Math.ceil((offset + length) / pitch) + extra);
  return [Math.min(count, first * lanes), Math.min(count, end * lanes)];
}

export class Shelf {
  /** Names of the tiles in sight, the nearest to the middle first. */
  sight = [];
  /** How tiles lie: {lanes, width, height, picture (its height), gap}; null before there is room. */
  plan = null;

  #box;
  #inner;
  #tiles;
  #planner;
  #onSight;
  #sideways;
  #list = [];
  #chosen = null;
  #places = new Map(); // name → its place, of the tiles on the shelf
  #inView = false;
  #scheduled = false;
  #scrolled = -TOUCHED_MS;

  /**
   * @param {Element} box scrolls
   * @param {Tiles} tiles where tiles come from
   * @param {object} how `sideways` (scrolls to the side), `planner(size, list)` → plan, `onSight()` when other
   *   tiles than before are in sight
   */
  constructor(box, tiles, { sideways, planner, onSight }) {
    this.#box = box;
    this.#tiles = tiles;
    this.#sideways = sideways;
    this.#planner = planner;
    this.#onSight = onSight;
    this.#inner = document.createElement('div');
    this.#inner.className = 'shelf';
    box.append(this.#inner);
    box.addEventListener('scroll', () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#arrange()).observe(box);
    new IntersectionObserver((entries) => {
      this.#inView = entries.at(-1).isIntersecting; // Of several at once, on a busy machine, the newest.
      this.#place();
    }).observe(box);
  }

  /** Whether a person is at it: with the pointer, the keyboard, or a finger just now. */
  get held() {
    return inHand(this.#box) || performance.now() - this.#scrolled < TOUCHED_MS;
  }

  /** Show these streams (a list of STATUS) and mark the chosen one. */
  update(list, chosen) {
    const other = list.length !== this.#list.length || list.some((one, at) => one.name !== this.#list[at].name);
    this.#list = list;
    this.#chosen = chosen;
    if (other || this.plan === null) this.#arrange();
    else this.describe();
  }

  /** Bring the words on the tiles up to date. */
  describe() {
    for (const [name, place] of this.#places) {
      const status = this.#list[place];
      if (status) this.#tiles.get(name)?.describe(status, name === this.#chosen);
    }
  }

  /** Scroll the shelf, and not the page, until the tile is in sight; its element, or undefined. */
  reveal(name) {
    const place = this.#list.findIndex((status) => status.name === name);
    if (place < 0 || this.plan === null) return undefined;
    const { pitch, lanes, gap } = this.#measures();
    const [start, length] = [Math.floor(place / lanes) * pitch, this.#length];
    const size = pitch - gap;
    const at = this.#offset;
    // With half of the next one, so that it is seen that there is more.
    if (start < at) this.#scrollTo(start - size / 2);
    else if (start + size > at + length) this.#scrollTo(start + size * 1.5 - length);
    this.#place();
    return this.#places.has(name) ? this.#tiles.get(name)?.element : undefined;
  }

  /** The name `along` places and `across` lines from the tile that has the focus, or from the chosen one. */
  beside(along, across) {
    const focused = [...this.#places].find(([name]) => this.#tiles.get(name)?.element === document.activeElement);
    const from = focused ? focused[1] : -1;
    if (from < 0) return (this.#list.find((one) => one.name === this.#chosen) ?? this.#list[0])?.name;
    return this.#list[from + along + across * (this.plan?.lanes ?? 1)]?.name;
  }

  get #offset() {
    return this.#sideways ? this.#box.scrollLeft : this.#box.scrollTop;
  }

  get #length() {
    return this.#sideways ? this.#box.clientWidth : this.#box.clientHeight;
  }

  #scrollTo(offset) {
    if (this.#sideways) this.#box.scrollLeft = offset;
    else this.#box.scrollTop = offset;
  }

  #measures() {
    const { lanes, width, height, gap } = this.plan;
    return { count: this.#list.length, lanes, gap, pitch: (this.#sideways ? width : height) + gap };
  }

  #soon() {
    this.#scrolled = performance.now();
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#place());
  }

  /** The room or the streams have changed: plan anew. */
  #arrange() {
    const size = { width: this.#box.clientWidth, height: this.#box.clientHeight };
    this.plan = this.#list.length > 0 && size.width > 0 ? this.#planner(size, this.#list) : null;
    const { style } = this.#inner;
    if (this.plan) {
      const { lanes, pitch, gap } = this.#measures();
      const along = Math.max(0, Math.ceil(this.#list.length / lanes) * pitch - gap);
      const across = lanes * ((this.#sideways ? this.plan.height : this.plan.width) + gap) - gap;
      style.width = `${this.#sideways ? along : across}px`;
      style.height = `${this.#sideways ? across : along}px`;
      style.setProperty('--tile-width', `${this.plan.width}px`);
      style.setProperty('--tile-height', `${this.plan.height}px`);
      style.setProperty('--tile-picture', `${this.plan.picture}px`);
    }
    this.#places.clear();
    this.#place();
  }

  /** Put the tiles near sight where they belong, and take the others off. */
  #place() {
    this.#scheduled = false;
    const [first, end] = this.plan ? within(this.#measures(), this.#offset, this.#length, 1) : [0, 0];
    const near = this.#list.slice(first, end);
    const names = new Set(near.map((status) => status.name));
    for (const element of [...this.#inner.children]) if (!names.has(element.dataset.stream)) element.remove();
    for (const name of this.#places.keys()) if (!names.has(name)) this.#places.delete(name);
    let next = this.#inner.firstElementChild;
    near.forEach((status, index) => {
      const tile = this.#tiles.get(status.name) ?? this.#tiles.take(status.name);
      if (tile.element === next) next = next.nextElementSibling;
      else this.#inner.insertBefore(tile.element, next);
      this.#put(tile, status, first + index);
    });
    this.#look();
  }

  #put(tile, status, place) {
    if (this.#places.get(status.name) !== place) {
      this.#places.set(status.name, place);
      const { lanes, width, height, gap } = this.plan;
      const [line, lane] = [Math.floor(place / lanes), place % lanes];
      const [column, row] = this.#sideways ? [line, lane] : [lane, line];
      tile.element.dataset.stream = status.name;
      tile.element.style.transform = `translate(${column * (width + gap)}px, ${row * (height + gap)}px)`;
    }
    tile.describe(status, status.name === this.#chosen);
  }

  /** Find out which tiles are in sight. */
  #look() {
    let sight = [];
    if (this.plan && this.#inView) {
      const measures = this.#measures();
      const [first, end] = within(measures, this.#offset, this.#length);
      const middle = (this.#offset + this.#length / 2) / measures.pitch - 0.5;
      const distance = (place) => Math.abs(Math.floor(place / measures.lanes) - middle);
      const places = Array.from({ length: end - first }, (_, index) => first + index);
      places.sort((a, b) => distance(a) - distance(b) || a - b);
      sight = places.slice(0, MOST_WATCHED).map((place) => this.#list[place].name);
    }
    const same = sight.length === this.sight.length && sight.every((name, at) => name === this.sight[at]);
    this.sight = sight;
    if (!same) this.#onSight();
  }
}
