/** Order: in which order streams stand, and how calmly that changes: never under somebody's hand. Pure. */

import { fullName } from './names.js';

const CALM_MS = 5000; // From one sorting to the next.
const collator = new Intl.Collator('en', { numeric: true });

const known = (value) => typeof value === 'number' && Number.isFinite(value);

/** How fresh a picture is, in steps that double: what is about as fresh stays where it is. */
function freshness({ age, heard }, now) {
  if (!known(age)) return null;
  const seconds = age + (now - (heard ?? now)) / 1000;
  return -Math.floor(Math.log2(Math.max(seconds, 1)));
}

const KEYS = {
  return: ({ meanReturn }) => meanReturn,
  fps: ({ fps }) => (known(fps) ? Math.round(fps) : null),
  age: freshness,
  name: fullName,
};

/** Texts rise, numbers fall; what is not known stands last. */
function compare({ key: a }, { key: b }) {
  if (typeof a === 'string') return collator.compare(a, b);
  if (known(a) && known(b)) return b - a;
  return known(b) - known(a);
}

/** Ways to sort besides as they come. */
export const WAYS = Object.keys(KEYS);

/** Numbers in texts count as numbers: rank 2 before rank 10. */
export const byText = collator.compare;

export class Order {
  #by;
  #names = null; // as they stand; null = to be sorted at once
  #at = 0;

  /** `by`: one of `WAYS`; null = as they come. */
  constructor(by = null) {
    this.#by = by;
  }

  get by() {
    return this.#by;
  }

  set by(by) {
    const way = WAYS.includes(by) ? by : null;
    if (way !== this.#by) this.#names = null;
    this.#by = way;
  }

  /** Sort anew, where it is time and nobody is at it (`held`); gives whether that was done. `now`: ms of the page's clock. */
  renew(list, now, held) {
    if (this.#by === null || list.length === 0) return false;
    if (this.#names !== null && (held || now - this.#at < CALM_MS)) return false;
    this.#at = now;
    const keyed = list.map((status) => ({ name: status.name, key: KEYS[this.#by](status, now) }));
    this.#names = keyed.sort(compare).map(({ name }) => name);
    return true;
  }

  /** `list` as it was sorted last; what has come since stands at the end. */
  arrange(list) {
    if (this.#by === null || this.#names === null) return list;
    const rest = new Map(list.map((status) => [status.name, status]));
    const sorted = [];
    for (const name of this.#names) {
      const status = rest.get(name);
      if (status === undefined) continue;
      sorted.push(status);
      rest.delete(name);
    }
    return [...sorted, ...rest.values()];
  }
}
