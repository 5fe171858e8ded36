/** Flow: how much a second comes in. Pure; times are passed in. */

const WINDOW_MS = 3000;

/** Events a second from their times; 0 once the next is long overdue. Pure. */
export function rate(times, now) {
  const count = times.length - 1;
  if (count < 1) return 0;
  const mean = (times[count] - times[0]) / count;
  const overdue = now - times[count] > Math.max(1500, 3 * mean);
  return overdue || mean === 0 ? 0 : 1000 / mean;
}

export class Flow {
  #parts = []; // [{at, bytes}, …] of the last seconds
  #since = null; // when the first one came

  add(now, bytes) {
    this.#since ??= now;
    this.#parts.push({ at: now, bytes });
    this.#trim(now);
  }

  /** Bytes a second over the last seconds; null before there is anything to say. */
  perSecond(now) {
    this.#trim(now);
    if (this.#since === null || now - this.#since < WINDOW_MS / 3) return null;
    const sum = this.#parts.reduce((all, one) => all + one.bytes, 0);
    return (sum * 1000) / Math.min(WINDOW_MS, now - this.#since);
  }

  clear() {
    this.#parts = [];
    this.#since = null;
  }

  #trim(now) {
    while (this.#parts.length > 0 && now - this.#parts[0].at > WINDOW_MS) this.#parts.shift();
  }
}
