/** Listing: the streams that there are, in the server's order; what they are called; what a search finds. Pure. */

const FITS = 16; // Characters of a name that a tile has room for.
const TAIL = 4; // Those at the end of a longer one that are always seen: names often differ there only.
const MANY = 12; // Streams that are found without searching.
const NUMBERS = /^\d+(\s*[-–]\s*\d+)?([\s,]+\d+(\s*[-–]\s*\d+)?)*$/;

/** Whether a status is what `query` asks for: "3", "0-7", "1, 4, 8-11" are numbers of envs, all else is part of a name. */
export function finder(query) {
  const text = query.trim().toLowerCase();
  if (!text) return () => true;
  const named = ({ name, title }) => `${name}\n${title ?? ''}`.toLowerCase().includes(text);
  if (!NUMBERS.test(text)) return named;
  const ranges = [...text.matchAll(/(\d+)(?:\s*[-–]\s*(\d+))?/g)].map(([, from, to]) => [+from, +(to ?? from)]);
  return (status) => {
    if (status.env == null) return named(status);
    return ranges.some(([from, to]) => from <= status.env && status.env <= to);
  };
}

/** A name in two parts: where it is too long, the first one is cut. */
export function label({ name, group, env }) {
  if (group != null && env != null) return { head: group, tail: ` · ${env}` };
  const cut = name.length > FITS ? name.length - TAIL : name.length;
  return { head: name.slice(0, cut), tail: name.slice(cut) };
}

/** The same name in one piece. */
export function fullName(status) {
  const { head, tail } = label(status);
  return head + tail;
}

export class Listing {
  #streams = new Map(); // name → STATUS
  #query = '';
  #found = null; // [STATUS, …] that the search leaves; null = to be found anew

  /** `complete`: these are all there are, in order; otherwise only those that have changed. */
  take(list, complete = true) {
    if (complete) this.#streams.clear();
    for (const status of list) this.#streams.set(status.name, { ...this.#streams.get(status.name), ...status });
    this.#found = null;
  }

  clear() {
    this.take([]);
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

  get query() {
    return this.#query;
  }

  set query(query) {
    this.#query = query;
    this.#found = null;
  }

  /** What the search leaves, in order; everything, where it finds nothing or nobody searches. */
  get found() {
    if (this.#found === null) {
      const all = [...this.#streams.values()];
      const some = all.filter(finder(this.#query));
      this.#found = { list: some.length > 0 ? some : all, count: some.length };
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

  /** The highest number of an env; null where none has one. */
  get lastEnv() {
    let last = null;
    for (const { env } of this.#streams.values()) if (env != null && (last === null || env > last)) last = env;
    return last;
  }

  /** The status that speaks for all found: of the one that is most alive. */
  get liveliest() {
    const rank = ({ state }) => ['live', 'stalled', 'waiting', 'ended'].indexOf(state);
    return this.found.reduce((best, one) => (best && rank(best) <= rank(one) ? best : one), undefined);
  }
}
