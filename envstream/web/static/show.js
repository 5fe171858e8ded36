/** Show: the switch between the picture as it goes on and whole episodes. */

import { pinnedShow, pinShow } from './address.js';

const MODES = ['live', 'episodes'];

export class Show {
  #box;
  #buttons;
  #chosen = pinnedShow(); // by the person; null = as the stream says
  #offered = null; // what fits, as the stream says; null where there are no episodes to see
  #whole = true; // whether the stream has whole episodes

  /** `onChange()` when the person has chosen. */
  constructor(box, onChange) {
    this.#box = box;
    this.#buttons = [...box.querySelectorAll('button')];
    for (const button of this.#buttons) {
      button.addEventListener('click', (event) => {
        if (this.choose(button.value)) onChange();
        if (event.detail > 0) button.blur();
      });
    }
    addEventListener('hashchange', () => {
      this.#chosen = pinnedShow();
      onChange();
    });
  }

  /** live or episodes */
  get now() {
    if (this.#offered === null || !this.#whole) return 'live';
    return this.#chosen ?? this.#offered;
  }

  /** Whether there is anything to choose between. */
  get offered() {
    return this.#offered !== null;
  }

  /** What the status of the stream says fits; gives whether that changes what is seen. */
  update(status) {
    const before = this.now;
    if (status) this.#whole = status.view !== null;
    if (status) this.#offered = status.view === undefined ? null : status.view === 'episode' ? 'episodes' : 'live';
    const { now } = this;
    const hidden = !this.offered || !this.#whole;
    if (this.#box.hidden !== hidden) this.#box.hidden = hidden;
    for (const button of this.#buttons) {
      const pressed = String(button.value === now);
      if (button.getAttribute('aria-pressed') !== pressed) button.setAttribute('aria-pressed', pressed);
    }
    return now !== before;
  }

  /** The person chooses; gives whether that is something else. */
  choose(mode) {
    if (!this.offered || !this.#whole || !MODES.includes(mode)) return false;
    const other = mode !== this.now;
    this.#chosen = mode;
    pinShow(mode);
    return other;
  }

  toggle() {
    return this.choose(this.now === 'live' ? 'episodes' : 'live');
  }
}
