/** Clock: when something on the server's clock happened on ours. Pure; times are passed in. */

const KEPT = 10;
const SLACK_MS = 20;

export class Clock {
  #samples = [];
  #hint = null;

  reset() {
    this.#samples = [];
    this.#hint = null;
  }

  /** Before the first pong: a message just in, so off by one network trip at most. */
  hint(serverSeconds, receivedMs) {
    if (Number.isFinite(serverSeconds)) this.#hint = serverSeconds * 1000 - receivedMs;
  }

  /** One ping and its pong; `sentMs` and `receivedMs` are performance.now(). */
  sample(sentMs, serverSeconds, receivedMs) {
    if (!Number.isFinite(sentMs) || !Number.isFinite(serverSeconds)) return;
    const trip = receivedMs - sentMs;
    const offset = serverSeconds * 1000 - (sentMs + receivedMs) / 2;
    // Half its round trip is how far a sample can lie. One that contradicts the others means that a clock
    // has jumped: a laptop that slept, whose performance.now() stood still.
    const agrees = (one) => Math.abs(one.offset - offset) <= (one.trip + trip) / 2 + SLACK_MS;
    if (!this.#samples.every(agrees)) this.#samples = [];
    this.#samples.push({ trip, offset });
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** Milliseconds from our clock to the server's: the shortest round trip lies least. */
  get offset() {
    if (this.#samples.length === 0) return this.#hint;
    return this.#samples.reduce((best, one) => (one.trip < best.trip ? one : best)).offset;
  }

  /** Server seconds as performance.now() milliseconds; null while nothing is known. */
  toLocal(serverSeconds) {
    const offset = this.offset;
    return offset === null || !Number.isFinite(serverSeconds) ? null : serverSeconds * 1000 - offset;
  }
}
