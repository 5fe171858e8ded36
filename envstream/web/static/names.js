/** Names: what a stream is called: after its env, and after the process that it comes from. Pure. */

const FITS = 16; // Characters of a name that a tile has room for.
const TAIL = 4; // Those at the end of a longer one that are always seen: names often differ there only.
const BETWEEN = ' · ';
const RUN = 10; // Characters of a run's name that a tile has room for.

/** What the env is called, as others of its kind are. */
export function kindOf({ group, title, name }) {
  return group || title || name;
}

/** Names of runs in little space, by their names: without words that all of them begin with, where they are long. */
export function briefRuns(runs) {
  const [first = '', ...others] = runs;
  let same = 0;
  while (same < first.length && others.every((run) => run[same] === first[same])) same += 1;
  const words = [...first.slice(0, same).matchAll(/[-_./: ]+/g)];
  const starts = [0, ...words.map(({ index, 0: between }) => index + between.length)];
  const longest = Math.max(...runs.map((run) => run.length));
  const start = starts.find((at) => longest - at <= RUN) ?? starts.at(-1);
  return new Map(runs.map((run) => [run, run.slice(start) || run]));
}

/** Which process it comes from: "rank 3 · run-a"; of the run only where there are several (see Listing). */
export function whose({ rank, inRun, briefRun }, brief = false) {
  return [rank == null ? '' : `rank ${rank}`, brief ? briefRun : inRun].filter(Boolean).join(BETWEEN);
}

/** Its own name in two parts, of which the first one may be cut; what its process is called is said apart. */
function parts({ name, group, env, run, rank, host }) {
  if (group != null && env != null) return [group, `${BETWEEN}${env}`];
  const apart = [run, `rank ${rank}`, host];
  const short = name.split(BETWEEN).filter((part) => !apart.includes(part)).join(BETWEEN) || name;
  const cut = short.length > FITS ? short.length - TAIL : short.length;
  return [short.slice(0, cut), short.slice(cut)];
}

/** What a tile says in little space: {head (may be cut), tail}; the rank comes first. */
export function label(status) {
  const [head, tail] = parts(status);
  return { head: status.rank == null ? head : `rank ${status.rank}${BETWEEN}${head}`, tail };
}

/** Its own name in one piece. */
export function ownName(status) {
  return parts(status).join('');
}

/** The same, and whose it is. */
export function fullName(status) {
  return [ownName(status), whose(status)].filter(Boolean).join(BETWEEN);
}
