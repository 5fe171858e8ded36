/** Listing: the streams that there are; what a search and choices leave of them, and in which order. Pure. */

import { briefRuns, kindOf } from './names.js';
import { Order } from './order.js';
import { finder } from './query.js';

const MANY = 12; // Streams that are found without searching.
const STATES = ['live', 'stalled', 'waiting', 'ended'];

const any = () => true;

const different = (values) => [...new Set(values)].filter((one) => one != null);

export class Listing {
  #streams = new Map(); // name → STATUS, with `heard` (when, by the page's clock) and, where there are several runs, `inRun` and `briefRun` (its own)
  #sift = { find: '', run: null, env: null };
  #order = new Order();
  #about = null; // what all of them are together; null = to be found out anew
  #found = null; // {list: [STATUS, …] that search and choices leave, count}; null = to be found anew

  /** `complete`: these are all there are, in order; otherwise only those that have changed. `now`: ms. */
  take(list, complete = true, now = 0) {
    const before = this.#streams;
    if (complete) this.#streams = new Map();
    for (const status of list) {
      status.heard = now;
      this.#streams.set(status.name, complete ? status : { ...before.get(status.name), ...status });
    }
    this.#about = this.#found = null;
    const { runs } = this.about;
    const brief = briefRuns(runs);
    for (const status of this.#streams.values()) {
      status.inRun = runs.length > 1 ? status.run : null;
      status.briefRun = brief.get(status.inRun) ?? null;
    }
  }

  clear() {
    this.take([]);
  }

  get all() {
    return [...this.#streams.values()];
  }

  get size() {
    return this.#streams.size;
  }

  get first() {
    return this.#streams.keys().next().value;
  }

  get(name) {
    return this.#streams.get(name);
  }

  has(name) {
    return this.#streams.has(name);
  }

  /** What is searched and chosen: {find (what was typed), run, env (null = all), sort (null = as they come)}. */
  get sift() {
    return { ...this.#sift, sort: this.#order.by };
  }

  set sift({ sort, ...other }) {
    this.#order.by = sort === undefined ? this.#order.by : sort;
    this.#sift = { ...this.#sift, ...other };
    this.#found = null;
  }

  get query() {
    return this.#sift.find;
  }

  /** What all of them are together: {runs, kinds (of envs), lastEnv (the highest number; null = none), lastRank}. */
  get about() {
    if (this.#about === null) {
      const { all } = this;
      const last = (numbers) => numbers.reduce((most, one) => (one != null && !(most >= one) ? one : most), null);
      this.#about = {
        runs: different(all.map(({ run }) => run)),
        kinds: different(all.map(kindOf)),
        lastEnv: last(all.map(({ env }) => env)),
        lastRank: last(all.map(({ rank }) => rank)),
      };
    }
    return this.#about;
  }

  /** What the streams are numbered by: env, rank, or nothing: {kind, last (the highest)}. */
  get numbers() {
    const { lastEnv, lastRank } = this.about;
    if (lastEnv !== null) return { kind: 'env', last: lastEnv };
    return lastRank !== null ? { kind: 'rank', last: lastRank } : { kind: 'stream', last: null };
  }

  /** Sort anew, where it is time and nobody is at the tiles (`held`). */
  sort(now, held) {
    if (this.#order.renew(this.all, now, held)) this.#found = null;
  }

  /** What search and choices leave, in order; a search that finds nothing and a choice that is not there leave all. */
  get found() {
    if (this.#found === null) {
      const { find, run, env } = this.#sift;
      const { runs, kinds } = this.about;
      const ofRun = runs.includes(run) ? (status) => status.run === run : any;
      const ofKind = kinds.includes(env) ? (status) => kindOf(status) === env : any;
      const chosen = this.#order.arrange(this.all).filter((one) => ofRun(one) && ofKind(one));
      const some = chosen.filter(finder(find));
      this.#found = { list: some.length > 0 ? some : chosen, count: some.length };
    }
    return this.#found.list;
  }

  /** How many the search finds. */
  get count() {
    return this.found && this.#found.count;
  }

  /** Whether there are so many that searching helps. */
  get many() {
    return this.size > MANY;
  }

  /** The name `step` places further among those found, around the ends. */
  neighbour(name, step) {
    const names = this.found.map((status) => status.name);
    const place = names.indexOf(name);
    if (place < 0) return names[0];
    return names[(place + step + names.length) % names.length];
  }

  /** The first one found, of the same vector env as `name` where there is one. */
  nearest(name) {
    const group = this.get(name)?.group;
    return (this.found.find((status) => status.group === group) ?? this.found[0])?.name;
  }

  /** What all the streams found are together: their vector env, or null when they are of several. */
  get group() {
    const group = this.found[0]?.group ?? null;
    return this.found.every((status) => status.group === group) ? group : null;
  }

  /** The status that speaks for all found: of the one that is most alive. */
  get liveliest() {
    const rank = ({ state }) => STATES.indexOf(state);
    return this.found.reduce((best, one) => (best && rank(best) <= rank(one) ? best : one), undefined);
  }
}
