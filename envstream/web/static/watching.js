/** Watching: what is asked of the server: what somebody can see, no wider and no faster than they see it. */

/** Streams that one socket may watch. */
export const MOST_WATCHED = 64;

const THUMBNAIL = { width: 320, fps: 2 };
const GRID_FPS = 15;
const PAINTS_PER_SECOND = 480; // Of a whole grid: what a laptop decodes without getting warm.
const WIDTH_STEP = 32; // Widths are sent in these steps; asked for upwards, or each picture would be enlarged again.
const SOON_MS = 150;
const LATEST_MS = 600;

/** How a tile of the grid is watched that is `width` CSS pixels wide, one of `count`. Pure. */
export function gridTile(width, ratio, count) {
  const fps = Math.min(GRID_FPS, Math.floor(PAINTS_PER_SECOND / Math.max(1, count)));
  return { width: Math.ceil((width * ratio) / WIDTH_STEP) * WIDTH_STEP, fps };
}

/**
 * The streams to watch. Pure.
 * @param {object} seen `chosen` (name of the big one, or null where the grid is open), `tiles` (names in sight,
 *   the nearest to the middle first), `tile` (how each of them is watched), `large` (how the big one is: {quality, video})
 */
export function wantedStreams({ chosen, tiles, tile = THUMBNAIL, large = {} }) {
  const list = chosen === null ? [] : [{ name: chosen, width: null, fps: null, ...large }];
  for (const name of tiles) {
    if (list.length >= MOST_WATCHED) break;
    if (name !== chosen) list.push({ name, ...tile });
  }
  return list;
}

export class Watching {
  #send;
  #wanted;
  #sent = '';
  #streams = [];
  #timer = 0;
  #since = null;

  /** `send(message)` says whether it was sent; `wanted()` gives {streams, status}. */
  constructor(send, wanted) {
    this.#send = send;
    this.#wanted = wanted;
  }

  /** How many streams are watched, as far as the server knows. */
  get count() {
    return this.#streams.length;
  }

  /** Whether H.264 is asked for. */
  get video() {
    return this.#streams.some((one) => Boolean(one.video));
  }

  /** A new connection knows of nothing yet. */
  forget() {
    this.#sent = '';
    this.#streams = [];
  }

  now() {
    clearTimeout(this.#timer);
    this.#since = null;
    const want = this.#wanted();
    // In order of their names: scrolling back and forth is no news.
    const text = JSON.stringify({ ...want, streams: [...want.streams].sort((a, b) => (a.name < b.name ? -1 : 1)) });
    if (text === this.#sent || !this.#send({ type: 'watch', ...want })) return;
    this.#sent = text;
    this.#streams = want.streams;
  }

  /** While a shelf is scrolled, tiles come and go: one message for many of them. */
  soon() {
    const now = performance.now();
    this.#since ??= now;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.now(), Math.min(SOON_MS, Math.max(0, this.#since + LATEST_MS - now)));
  }
}
