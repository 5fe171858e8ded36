/** Filters: choices beside the search: of a run, of an env, and in which order the streams stand. */

import { byText, WAYS } from './order.js';

const FEW = 2; // Streams that nobody needs to choose from.
const WORDS = { return: 'Mean return', fps: 'Fastest', age: 'Freshest', name: 'Name' };

/** Whether choosing one of `different` would say more than choosing one of `size` streams. Pure. */
export function worth(different, size) {
  return different > 1 && different < size;
}

function option(value, text) {
  return Object.assign(document.createElement('option'), { value, textContent: text });
}

/** One list of choices; the first one is not to choose. */
class Choice {
  #box;
  #select;
  #any;
  #offered = null;

  constructor(box, any, onChoose) {
    this.#box = box;
    this.#any = any;
    this.#select = box.querySelector('select');
    this.#select.addEventListener('change', () => onChoose(this.#select.value || null));
  }

  /** `texts`: value → what is read, where that is another one. */
  update(values, value, shown, texts = {}) {
    if (this.#box.hidden === shown) this.#box.hidden = !shown;
    if (!shown) return;
    const offered = values.join('\n');
    if (offered !== this.#offered) {
      this.#offered = offered;
      this.#select.replaceChildren(option('', this.#any), ...values.map((one) => option(one, texts[one] ?? one)));
    }
    const now = values.includes(value) ? value : '';
    if (this.#select.value !== now) this.#select.value = now;
    this.#box.dataset.set = String(now !== '');
  }
}

export class Filters {
  #listing;
  #run;
  #env;
  #sort;

  /** `box` holds a label with a select for each; `onChoose()` when a person has chosen. */
  constructor(box, listing, onChoose) {
    this.#listing = listing;
    const choice = (name, any) =>
      new Choice(box.querySelector(`[data-choice="${name}"]`), any, (value) => {
        listing.sift = { [name]: value };
        onChoose();
      });
    this.#run = choice('run', 'All runs');
    this.#env = choice('env', 'All envs');
    this.#sort = choice('sort', 'Unsorted');
  }

  /** Offer what there is; gone where there is nothing to choose between. */
  update() {
    const { about, sift, size } = this.#listing;
    const offer = (choice, all, value) => {
      const shown = worth(all.length, size);
      choice.update(shown ? [...all].sort(byText) : [], value, shown);
    };
    offer(this.#run, about.runs, sift.run);
    offer(this.#env, about.kinds, sift.env);
    this.#sort.update(WAYS, sift.sort, size > FEW, WORDS);
  }
}
