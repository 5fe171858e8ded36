/** Connection: the one WebSocket, its back-off, its clock, and why it cannot be opened. */

import { socketAddress } from './address.js';
import { Clock } from './clock.js';
import { Flow } from './flow.js';
import { backoff, diagnose } from './knock.js';
import { parse } from './parse.js';

const PING_MS = 2000;
const OPEN_WITHIN_MS = 8000;
const SILENT_MS = 6000;
const STEADY_MS = 5000;
const LOCKED_RETRY_MS = 10000;
const BLOCKED_RETRY_MS = 30000;
const BLOCKED_AFTER = 3;
const PASSED_ON = ['episodes', 'still', 'rung', 'boxes'];

export class Connection {
  /** connecting | open | lost | refused */
  phase = 'connecting';
  /** Whether the server has ever said hello to this page. */
  ever = false;
  /** token | unknown | full, while refused */
  refusal = null;
  /** The server is well but no WebSocket gets through: a proxy in between does not carry them. */
  blocked = false;
  /** performance.now() of the next attempt, or null. */
  retryAt = null;
  clock = new Clock();
  /** What comes in. */
  flow = new Flow();

  #on;
  #place;
  #socket = null;
  #boot = null;
  #meta = null; // of the picture that comes next
  #metaAt = 0; // when it came
  #attempt = 0;
  #failures = 0;
  #unanswered = 0;
  #heard = 0;
  #greeted = 0;
  #timers = { open: 0, ping: 0, retry: 0 };

  /**
   * `on` = {hello(message, fresh), streams(list, complete), frame({meta, data, ack}), problem, change(), pong(tripMs) where wanted}, and by their
   * own names the messages that are passed on as they are: episodes, still, rung, boxes; `place` = {path} of the
   * socket, and {doors} to knock at where it stays shut, see `diagnose`
   */
  constructor(on, place = {}) {
    this.#on = on;
    this.#place = place;
    addEventListener('online', () => this.retryNow());
    addEventListener('pagehide', (event) => {
      // A page in the back/forward cache may not hold a socket.
      if (event.persisted) this.#drop();
    });
    addEventListener('pageshow', (event) => {
      if (event.persisted) this.retryNow();
    });
  }

  open() {
    clearTimeout(this.#timers.retry);
    this.retryAt = null;
    let socket;
    try {
      socket = new WebSocket(socketAddress(this.#place.path));
    } catch {
      this.#failed(); // e.g. ws:// from an https page
      return;
    }
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onmessage = (event) => this.#receive(socket, event.data);
    socket.onclose = () => this.#closed();
    this.#timers.open = setTimeout(() => this.#closed(), OPEN_WITHIN_MS);
    this.#on.change();
  }

  /** Sends when there is somebody to send to; says whether it did. */
  send(message, socket = this.#socket) {
    if (this.phase !== 'open' || socket !== this.#socket || socket.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  }

  /** Do not wait out the back-off: the network is back or somebody looks again. */
  retryNow() {
    if (this.retryAt === null) return;
    this.#attempt = 0;
    this.open();
  }

  /** It was enough: nothing is tried again. */
  close() {
    this.#drop();
    clearTimeout(this.#timers.retry);
    this.retryAt = null;
  }

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#meta = null;
    this.flow.clear();
    clearTimeout(this.#timers.open);
    clearInterval(this.#timers.ping);
    if (!socket) return;
    socket.onmessage = socket.onclose = null;
    socket.close();
    // A server that greets and then falls over is not to be knocked at twice a second for ever.
    const steady = this.phase === 'open' && performance.now() - this.#greeted > STEADY_MS;
    this.#attempt = steady ? 0 : this.#attempt + 1;
    if (this.phase === 'open') this.phase = 'lost';
    this.#wait(backoff(this.#attempt));
  }

  #closed() {
    const greeted = this.phase === 'open';
    // Not through onclose alone: a dead line may take minutes to admit it.
    this.#drop();
    if (!greeted) this.#failed();
    this.#on.change();
  }

  async #failed() {
    clearTimeout(this.#timers.retry);
    this.retryAt = null;
    const why = await diagnose(this.refusal !== null || this.#failures + 1 >= BLOCKED_AFTER, this.#place.doors);
    this.refusal = ['token', 'unknown', 'full'].includes(why) ? why : null;
    this.#failures = why === 'alive' ? this.#failures + 1 : 0;
    this.blocked = this.#failures >= BLOCKED_AFTER;
    if (this.refusal) this.phase = 'refused';
    else this.phase = this.ever ? 'lost' : 'connecting';
    if (this.blocked) this.#wait(BLOCKED_RETRY_MS);
    else this.#wait(['token', 'unknown'].includes(why) ? LOCKED_RETRY_MS : backoff(this.#attempt));
    this.#on.change();
  }

  #wait(delay) {
    clearTimeout(this.#timers.retry);
    this.retryAt = performance.now() + delay;
    this.#timers.retry = setTimeout(() => this.open(), delay);
  }

  #receive(socket, data) {
    const now = performance.now();
    this.#heard = now;
    this.flow.add(now, data.byteLength ?? data.length);
    if (typeof data !== 'string') {
      const meta = this.#meta;
      this.#meta = null;
      if (meta) this.#frame(socket, meta, data, now - this.#metaAt);
      return;
    }
    const message = parse(data);
    if (message?.type === 'hello') this.#hello(message, now);
    else if (message?.type === 'pong') {
      this.#unanswered = 0;
      this.clock.sample(message.t, message.now, now);
      this.#on.pong?.(now - message.t);
    } else if (message?.type === 'frame_metadata') [this.#meta, this.#metaAt] = [message, now];
    else if (message?.type === 'streams') this.#on.streams(message.streams ?? [], message.complete !== false);
    else if (PASSED_ON.includes(message?.type)) this.#on[message.type]?.(message);
    else if (message?.type === 'error') this.#on.problem(message);
  }

  #frame(socket, meta, data, transfer) {
    const { stream, frameNumber } = meta;
    const transferMs = +transfer.toFixed(2); // How long the picture took: what the server learns of the link.
    // The acknowledgement belongs to this socket: the next one counts anew.
    const ack = () => this.send({ type: 'ack', stream, frameNumber, transferMs }, socket);
    this.#on.frame({ meta, data, ack });
  }

  #hello(message, now) {
    const fresh = message.boot !== this.#boot;
    this.clock.reset();
    this.#boot = message.boot;
    this.clock.hint(message.now, now);
    clearTimeout(this.#timers.open);
    Object.assign(this, { phase: 'open', ever: true, refusal: null, blocked: false });
    this.#failures = this.#unanswered = 0;
    this.#greeted = now;
    clearInterval(this.#timers.ping);
    this.#timers.ping = setInterval(() => this.#ping(), PING_MS);
    this.#ping();
    this.#on.hello(message, fresh);
    this.#on.change();
  }

  #ping() {
    const now = performance.now();
    if (this.#unanswered >= 3 && now - this.#heard > SILENT_MS) {
      this.#closed();
      return;
    }
    this.#unanswered += 1;
    this.send({ type: 'ping', t: now });
  }
}
