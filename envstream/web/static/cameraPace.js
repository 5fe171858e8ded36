/** Pace: how often, how well and how large a camera's pictures are sent. Pure; times are passed in. */

const [LEAST, UNWATCHED] = [5, 1]; // Pictures a second.
const MOST_UNDER_WAY = 2;
const MOST_BUFFERED = 300_000; // Bytes that the browser holds back.
const LOST_MS = 10_000; // After which an acknowledgement is waited for no more.
const STEP_MS = 500;
const [CALM_MS, LONGEST_CALM_MS] = [2000, 16000];
const PRESETS = { low: 0.6, medium: 0.75, high: 0.85, ultra: 0.92 };
const NARROW_MS = 80; // That a picture may take longer than a word, on a line that is not narrow.
const MISSED = 0.15; // Of the pictures that are wanted, those for which the device has no time.
const SLACK = 1.25; // The server takes the newest when it wants one: a beat as fast as its own would miss that.

/** [share of the size, JPEG quality], best first. */
export const RUNGS = [
  [1, 0.92], [1, 0.85], [1, 0.75], [1, 0.65], [1, 0.5], [0.75, 0.65], [0.75, 0.5],
  [0.5, 0.65], [0.5, 0.5], [0.375, 0.5], [0.25, 0.5], [0.25, 0.3],
];
const [FIRST, SMALL] = [2, 6];

/** The best JPEG quality that the server has a use for. */
export function best(quality) {
  const share = PRESETS[quality] ?? (Number.isFinite(quality) ? quality / 100 : 1);
  return Math.min(0.92, Math.max(0.3, share));
}

const smooth = (before, value) => (before === null ? value : before + 0.2 * (value - before));

export class Pace {
  /** Milliseconds from sending to the acknowledgement, and of compressing one; null before the first. */
  trip = null;
  encode = null;
  /** What the server wants. */
  watched = false;
  /** Why less is sent than could be: null, link, device. */
  why = null;

  #most; // what the person wants at most, pictures a second
  #wanted = Infinity; // what the server wants
  #ceiling = 0.92;
  #fps;
  #rung = FIRST;
  #idle = null; // round trip of a word on an idle line
  #under = new Map(); // number → when it was sent
  #next = -Infinity;
  #counts = { sent: 0, held: 0, missed: 0 };
  #stepped = null;
  #calm = 0;
  #patience = CALM_MS;
  #climbed = -Infinity;

  constructor(most = 30) {
    this.#most = most;
    this.#fps = most;
  }

  set most(most) {
    this.#most = most;
    this.#fps = Math.max(this.#fps, Math.min(most, 30));
  }

  /** Pictures a second that are aimed at. */
  get fps() {
    if (!this.watched) return UNWATCHED;
    return Math.max(LEAST, Math.min(this.#fps, this.#most, this.#wanted * SLACK));
  }

  get scale() {
    return RUNGS[this.#rung][0];
  }

  get quality() {
    return Math.min(RUNGS[this.#rung][1], this.#ceiling);
  }

  /** Pictures that the server has not acknowledged. */
  get underWay() {
    return this.#under.size;
  }

  /** What the server says that is looked at. */
  demand({ watched, fps, quality }) {
    if (watched && !this.watched) this.#next = -Infinity; // Somebody has come: at once.
    this.watched = watched === true;
    this.#wanted = fps > 0 ? fps : Infinity;
    this.#ceiling = best(quality);
  }

  /** A new connection knows of nothing that was sent before. */
  connected() {
    this.#under.clear();
    this.#idle = this.trip = null;
    this.#next = -Infinity;
  }

  /** The server has answered a word after so long. */
  heard(ms) {
    // A line that has become a longer one is no queue for ever.
    this.#idle = this.#idle === null || ms < this.#idle ? ms : this.#idle + 0.01 * (ms - this.#idle);
  }

  /** What is under way will not be acknowledged. */
  refused() {
    this.#under.clear();
  }

  /** Whether the picture that there is now is to be sent; `buffered`: bytes that the browser holds back, `busy`: no time to compress it. */
  due(now, buffered, busy = false) {
    const period = 1000 / this.fps;
    // A camera's pictures come on a beat of their own: one a little early is better than the next one.
    if (now + Math.min(period / 4, 8) < this.#next) return false;
    if (busy) {
      this.#counts.missed += 1;
      return false;
    }
    if (this.#full(now) || buffered > MOST_BUFFERED) {
      this.#counts.held += 1;
      return false;
    }
    this.#next = Math.max(this.#next + period, now + period / 2);
    return true;
  }

  /** Whether one that has been made is to be sent: as many others may have gone since it was due. */
  fits(now) {
    if (!this.#full(now)) return true;
    this.#counts.held += 1;
    return false;
  }

  #full(now) {
    for (const [number, at] of this.#under) if (now - at > LOST_MS) this.#under.delete(number);
    return this.#under.size >= MOST_UNDER_WAY;
  }

  compressed(ms) {
    this.encode = smooth(this.encode, ms);
  }

  sent(number, now) {
    this.#under.set(number, now);
    this.#counts.sent += 1;
  }

  /** All up to this number have arrived. */
  acknowledged(number, now) {
    for (const [one, at] of this.#under) {
      if (one > number) continue;
      this.#under.delete(one);
      this.trip = smooth(this.trip, now - at);
      this.#idle = Math.min(this.#idle ?? Infinity, now - at);
    }
  }

  /** Adapt. To be called often; looks about twice a second. */
  step(now, buffered) {
    this.#stepped ??= now;
    const passed = now - this.#stepped;
    if (passed < STEP_MS) return;
    const { sent, held, missed } = this.#counts;
    this.#counts = { sent: 0, held: 0, missed: 0 };
    this.#stepped = now;
    if (!this.watched || passed > 4 * STEP_MS) return; // Little is sent then, and it says nothing.
    const narrow = buffered > MOST_BUFFERED || this.#own(now) > Math.max(NARROW_MS, 2000 / this.fps);
    const slow = missed > MISSED * (sent + missed);
    if (narrow) this.#worse('link', now);
    else if (slow) this.#worse('device', now);
    else if (held > 0.25 * (sent + held)) this.#slower((1000 * sent) / passed, now);
    else this.#rest(passed, now);
  }

  /** Milliseconds that a picture takes beyond what a word takes; of one that is still under way, at least. */
  #own(now) {
    const [oldest = now] = this.#under.values();
    return Math.max(this.trip ?? 0, now - oldest) - (this.#idle ?? 0);
  }

  /** Smaller pictures first; where they are small already, fewer as well. */
  #worse(why, now) {
    this.#fell(why, now);
    this.#rung = Math.min(this.#rung + 1, RUNGS.length - 1);
    if (this.#rung > SMALL) this.#fps = Math.max(LEAST, 0.85 * this.fps);
  }

  /** The line is long, not narrow: what goes through it is the rate. */
  #slower(through, now) {
    this.#fell('link', now);
    this.#fps = Math.max(LEAST, Math.min(this.fps, 1.1 * through));
  }

  #fell(why, now) {
    // Who climbs and falls at once waits longer before the next attempt.
    if (now - this.#climbed < 2 * CALM_MS) this.#patience = Math.min(LONGEST_CALM_MS, 2 * this.#patience);
    this.#calm = 0;
    this.why = why;
  }

  #rest(passed, now) {
    this.#calm += passed;
    if (this.#calm < this.#patience) return;
    this.#calm = 0;
    if (now - this.#climbed > LONGEST_CALM_MS) this.#patience = CALM_MS;
    const top = Math.min(this.#most, this.#wanted * SLACK);
    const better = this.#rung > 0 && RUNGS[this.#rung][1] <= this.#ceiling;
    if (this.#rung <= FIRST && this.#fps >= top) this.why = null;
    if (this.#fps < top) this.#fps = Math.min(top, this.#fps * 1.2 + 1);
    else if (better) this.#rung -= 1;
    else return;
    this.#climbed = now;
  }
}
