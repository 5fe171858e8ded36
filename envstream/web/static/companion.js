/** Companion: beside each stream is one that brings its whole episodes; how the two are called. Pure. */

const MARK = '@episodes';

/** The companion of a stream; null for null. */
export function companionOf(name) {
  return name === null ? null : name + MARK;
}

/** The stream of a companion; any other stream is its own. */
export function streamOf(name) {
  return name.endsWith(MARK) ? name.slice(0, -MARK.length) : name;
}
