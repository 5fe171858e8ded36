/** Find: a field to reach some of many streams by what they and their processes are called; see query.js. */

import { count } from './words.js';

export class Find {
  #box;
  #input;
  #result;
  #listing;

  /** `on` = {search(), go()}: the words have changed; Enter was pressed. */
  constructor(box, listing, on) {
    this.#box = box;
    this.#input = box.querySelector('input');
    this.#result = box.querySelector('output');
    this.#listing = listing;
    this.#input.addEventListener('input', () => {
      listing.sift = { find: this.#input.value };
      this.update();
      on.search();
    });
    this.#input.addEventListener('keydown', (event) => {
      if (event.key === 'Escape') {
        event.preventDefault();
        this.clear();
        this.#input.blur();
        on.search();
      } else if (event.key === 'Enter' && listing.query.trim() && listing.count > 0) {
        event.preventDefault();
        on.go();
      }
    });
  }

  focus() {
    this.#input.focus();
    this.#input.select();
  }

  blur() {
    this.#input.blur();
  }

  clear() {
    this.#listing.sift = { find: '' };
    this.update();
  }

  /** Say what is found; gone where there are few streams and nobody has searched. */
  update() {
    const listing = this.#listing;
    const hidden = !listing.many && !listing.query;
    if (this.#box.hidden !== hidden) this.#box.hidden = hidden;
    if (this.#input.value !== listing.query) this.#input.value = listing.query;
    const { last } = listing.numbers;
    const hint = last === null ? 'name' : `0–${last}`;
    if (this.#input.placeholder !== hint) this.#input.placeholder = hint;
    const said = !listing.query.trim() ? '' : listing.count === 0 ? 'none' : count(listing.count);
    if (this.#result.textContent !== said) this.#result.textContent = said;
    this.#input.setAttribute('aria-invalid', String(said === 'none'));
  }
}
