/** Playhead: where in a clip it is, and which picture that is. Pure; times are passed in. */

const LONGEST_MS = 500; // What passed meanwhile in a tab behind others is not caught up with.

export class Playhead {
  speed = 1;
  playing = false;

  #times;
  #position; // seconds
  #before = null; // when it moved last

  /** `times` = seconds of each picture, rising. */
  constructor(times) {
    this.#times = times;
    this.#position = times[0];
  }

  /** The picture that is to be seen. */
  get index() {
    return this.indexAt(this.#position);
  }

  get last() {
    return this.#times.length - 1;
  }

  get atEnd() {
    return this.index === this.last;
  }

  /** Seconds from the first picture to one. */
  timeOf(index) {
    return this.#times[index] - this.#times[0];
  }

  get length() {
    return this.#times[this.last] - this.#times[0];
  }

  /** Pictures a second, on average. */
  get fps() {
    return this.length > 0 ? this.last / this.length : 1;
  }

  /** The last picture that has its time by then. */
  indexAt(seconds) {
    let [low, high] = [0, this.last];
    while (low < high) {
      const middle = Math.ceil((low + high) / 2);
      if (this.#times[middle] <= seconds + 1e-6) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  /** The picture so many seconds before the end. */
  before(seconds) {
    return this.indexAt(this.#times[this.last] - seconds);
  }

  play(on) {
    this.playing = on;
    this.#before = null;
  }

  seek(index) {
    this.#position = this.#times[Math.min(this.last, Math.max(0, index))];
    this.#before = null;
  }

  /** Time goes on; `held`: the next picture is not here yet. */
  advance(now, held = false) {
    const passed = this.#before === null ? 0 : Math.min(LONGEST_MS, now - this.#before);
    this.#before = now;
    if (!this.playing || held) return;
    this.#position = Math.min(this.#times[this.last], this.#position + (passed / 1000) * this.speed);
  }

  /** The pictures that are needed next, the one to be seen first: of `rate` paints a second. */
  ahead(count, rate = 60) {
    const stride = this.playing ? Math.max(1, Math.round((this.fps * this.speed) / rate)) : 1;
    const indices = Array.from({ length: count }, (_, at) => this.index + at * stride);
    return indices.filter((index) => index <= this.last);
  }
}
