/** Strip: a row of tiles below the big picture, when there are at least two streams. */

import { Shelf } from './shelf.js';

const wall = matchMedia('(min-width: 1800px) and (min-height: 1100px)');

/** How the tiles of the strip lie: a tall wall with many streams has two rows; `bare`: no pictures, words only. */
function plan(rem, count, bare) {
  const width = Math.round((wall.matches ? 11 : 9) * rem);
  const picture = bare ? 0 : Math.round((width - 2) / 1.5);
  const lanes = wall.matches && count > 9 ? 2 : 1;
  return { lanes, width, height: Math.round(picture + 3.25 * rem), picture, gap: Math.round(0.6 * rem) };
}

export class Strip {
  #nav;
  #shelf;
  #bare = false;

  /** `onSight()` when other tiles than before are in sight. */
  constructor(nav, tiles, onSight) {
    this.#nav = nav;
    const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);
    const planner = (size, list) => plan(rem(), list.length, this.#bare);
    this.#shelf = new Shelf(nav, tiles, { sideways: true, planner, onSight });
  }

  /** Names of the tiles in sight. */
  get sight() {
    return this.#shelf.sight;
  }

  /** Whether a person is at it. */
  get held() {
    return this.#shelf.held;
  }

  /** Show these streams and mark the chosen one; `bare`: there are no pictures of the others. */
  update(list, chosen, bare = false) {
    this.#nav.hidden = list.length === 0;
    if (bare !== this.#bare) {
      this.#bare = bare;
      this.#shelf.update([], null); // Lay out anew.
    }
    this.#shelf.update(list, chosen);
  }

  reveal(name) {
    this.#shelf.reveal(name);
  }
}
