/** Board: the leaderboard: the streams by their mean return, beside the picture or, where that is small, over it. */

import { inHand } from './hand.js';
import { Order } from './order.js';
import { ranked, row, spans } from './ranking.js';
import { within } from './shelf.js';
import { count } from './words.js';

const ROW = 3.4; // rem
const EXTRA = 3; // Rows beyond each edge of what is in sight.
const beside = matchMedia('(min-width: 960px) and (min-height: 520px)');

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  element.className = className;
  element.append(...children);
  return element;
}

class Row {
  #parts = {};
  #shown = '';

  constructor(onChoose) {
    for (const name of ['place', 'name', 'facts', 'mean', 'best']) this.#parts[name] = make('span', `rank-${name}`);
    this.button = make('button', 'rank', ...Object.values(this.#parts), make('span', 'rank-bar'));
    this.button.type = 'button';
    this.button.addEventListener('click', onChoose);
    this.element = make('li', 'rank-line', this.button);
  }

  /** The DOM is touched only when something has changed. */
  describe(said, chosen, size) {
    const shown = JSON.stringify([said, chosen, size]);
    if (shown === this.#shown) return;
    this.#shown = shown;
    for (const [name, part] of Object.entries(this.#parts)) if (part.textContent !== said[name]) part.textContent = said[name];
    this.button.dataset.state = said.state;
    this.button.style.setProperty('--share', said.bar.toFixed(3));
    this.button.setAttribute('aria-label', said.spoken);
    this.button.title = said.spoken;
    if (chosen) this.button.setAttribute('aria-current', 'true');
    else this.button.removeAttribute('aria-current');
    this.element.setAttribute('aria-posinset', said.place);
    this.element.setAttribute('aria-setsize', size);
  }
}

export class Board {
  #dialog;
  #button;
  #box;
  #list;
  #extent;
  #listing;
  #on;
  #order = new Order('return');
  #streams = []; // as they stand
  #limits = new Map(); // see `spans`
  #chosen = null;
  #rows = new Map(); // name → Row, of those near sight
  #scheduled = false;
  // Measured when they change only: to ask for them after something was written costs a layout.
  #pitch = 1;
  #height = 0;
  #offset = 0;

  /**
   * `button` opens it; `on` = {choose(name, stays), close()}: a person has chosen a stream (`stays`: it is seen beside
   * the board), or has seen enough
   */
  constructor(dialog, button, listing, on) {
    this.#dialog = dialog;
    this.#button = button;
    this.#listing = listing;
    this.#on = on;
    this.#box = dialog.querySelector('.board-box');
    this.#list = dialog.querySelector('ol');
    this.#extent = dialog.querySelector('.board-extent');
    dialog.querySelector('.board-close').addEventListener('click', () => on.close());
    dialog.addEventListener('cancel', (event) => this.#leave(event));
    dialog.addEventListener('keydown', (event) => this.#key(event));
    this.#box.addEventListener('scroll', () => this.#soon(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(this.#box);
    beside.addEventListener('change', () => this.open && this.#open());
  }

  get open() {
    return this.#dialog.open;
  }

  /** Whether there are streams to compare. */
  get possible() {
    return ranked(this.#listing.all).length > 1;
  }

  /** Open or close it; `byKey`: the keyboard goes along. */
  show(on, byKey = false) {
    if (on === this.open) return;
    if (on) this.#open(byKey);
    else this.#dialog.close();
    document.body.dataset.board = on ? 'open' : 'closed';
    this.#button.setAttribute('aria-pressed', String(on));
  }

  /** Bring it in line with the streams. */
  update(chosen) {
    const hidden = !this.possible;
    if (this.#button.hidden !== hidden) this.#button.hidden = hidden;
    if (!this.open) return;
    this.#chosen = chosen;
    const found = ranked(this.#listing.found);
    this.#order.renew(found, performance.now(), inHand(this.#box));
    this.#streams = this.#order.arrange(found);
    this.#limits = spans(found);
    const [some, all] = [found.length, this.#listing.size];
    const extent = some < all ? `${count(some)} of ${count(all)} streams` : `${count(all)} streams`;
    if (this.#extent.textContent !== extent) this.#extent.textContent = extent;
    this.#place();
  }

  /** On a small screen nothing else can be reached meanwhile. */
  #open(byKey = false) {
    const { activeElement } = document;
    if (this.open) this.#dialog.close();
    if (!beside.matches) this.#dialog.showModal();
    else {
      this.#dialog.show(); // It takes the keyboard, whoever opens it.
      if (!byKey) activeElement?.focus({ preventScroll: true });
    }
    this.#measure();
  }

  #leave(event) {
    event.preventDefault();
    this.#on.close();
  }

  #key(event) {
    const step = { ArrowUp: -1, ArrowDown: 1, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === 'Escape') this.#leave(event);
    else if (step !== undefined) {
      event.preventDefault();
      this.#walk(step);
    }
  }

  /** Move the focus over the rows. */
  #walk(step) {
    const at = this.#streams.findIndex(({ name }) => this.#rows.get(name)?.button === document.activeElement);
    const to = Math.max(0, Math.min(this.#streams.length - 1, at < 0 && step > 0 && step < Infinity ? 0 : at + step));
    const [top, bottom] = [to * this.#pitch, (to + 1) * this.#pitch];
    this.#box.scrollTop = Math.min(top, Math.max(this.#box.scrollTop, bottom - this.#height));
    this.#scrolled();
    this.#rows.get(this.#streams[to]?.name)?.button.focus({ preventScroll: true });
  }

  #measure() {
    this.#pitch = Math.round(ROW * parseFloat(getComputedStyle(document.documentElement).fontSize));
    this.#height = this.#box.clientHeight;
    this.#scrolled();
  }

  #soon() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    requestAnimationFrame(() => this.#scrolled());
  }

  #scrolled() {
    this.#scheduled = false;
    this.#offset = this.#box.scrollTop;
    this.#place();
  }

  /** Rows that are near sight, and no others. */
  #place() {
    if (!this.open) return;
    const measures = { count: this.#streams.length, lanes: 1, pitch: this.#pitch };
    this.#list.style.height = `${measures.count * this.#pitch}px`;
    this.#list.style.setProperty('--row', `${this.#pitch}px`);
    const [first, end] = within(measures, this.#offset, this.#height, EXTRA);
    const near = this.#streams.slice(first, end);
    const names = new Set(near.map(({ name }) => name));
    for (const [name, { element }] of this.#rows) {
      if (names.has(name)) continue;
      element.remove();
      this.#rows.delete(name);
    }
    near.forEach((status, index) => this.#put(status, first + index, this.#list.children[index]));
  }

  #put(status, place, there) {
    const { name } = status;
    if (!this.#rows.has(name)) this.#rows.set(name, new Row(() => this.#on.choose(name, beside.matches)));
    const one = this.#rows.get(name);
    // Only what stands elsewhere is moved: what is moved loses the keyboard.
    if (one.element !== there) this.#list.insertBefore(one.element, there ?? null);
    one.element.style.transform = `translateY(${place * this.#pitch}px)`;
    one.describe(row(status, place + 1, this.#limits), name === this.#chosen, this.#streams.length);
  }
}
