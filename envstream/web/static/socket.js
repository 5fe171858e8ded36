/** Connection: the one WebSocket, its back-off, its clock, and why it cannot be opened. */

import { address, socketAddress } from './address.js';
import { Clock } from './clock.js';

const PING_MS = 2000;
const OPEN_WITHIN_MS = 8000;
const SILENT_MS = 6000;
const STEADY_MS = 5000;
const LOCKED_RETRY_MS = 10000;
const BLOCKED_RETRY_MS = 30000;
const BLOCKED_AFTER = 3;

/** Wait before attempt number `attempt` (0, 1, …): 0.5 s … 5 s; jitter keeps pages from knocking together. */
export function backoff(attempt, random = Math.random()) {
  const base = Math.min(5000, 500 * 2 ** Math.min(attempt, 10));
  return Math.min(5000, Math.max(500, base * (0.75 + 0.5 * random)));
}

/** JSON, also when Python wrote NaN: a run that diverged is the one that is looked at. */
export function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    try {
      return JSON.parse(text.replace(/([:,[]\s*)(?:NaN|-?Infinity)\b/g, '$1null'));
    } catch {
      return null;
    }
  }
}

async function answer(path, params) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 4000);
  try {
    const reply = await fetch(address(path, params), { cache: 'no-store', signal: abort.signal });
    return reply.status;
  } catch {
    return 0;
  } finally {
    clearTimeout(timer);
    abort.abort(); // only the status matters, and `stream` would go on for ever
  }
}

/** A browser hides why a WebSocket failed, plain requests do not: "down", "token", "full" or "alive". */
async function diagnose(deep) {
  const paths = deep ? ['health', 'stats', 'stream'] : ['health', 'stats'];
  for (const path of paths) {
    const status = await answer(path);
    if (status === 401 || status === 403) return 'token';
    if (path === 'health' && !(status >= 200 && status < 300)) return 'down';
    if (status === 503) return 'full'; // a 503 to `health` would be a proxy's, hence after it
  }
  return 'alive';
}

export class Connection {
  /** connecting | open | lost | refused */
  phase = 'connecting';
  /** Whether the server has ever said hello to this page. */
  ever = false;
  /** token | full, while refused */
  refusal = null;
  /** The server is well but no WebSocket gets through: a proxy in between does not carry them. */
  blocked = false;
  /** performance.now() of the next attempt, or null. */
  retryAt = null;
  clock = new Clock();

  #on;
  #socket = null;
  #boot = null;
  #meta = null;
  #attempt = 0;
  #failures = 0;
  #unanswered = 0;
  #heard = 0;
  #greeted = 0;
  #timers = { open: 0, ping: 0, retry: 0 };

  /** `on` = {hello(message, fresh), streams(list, complete), episodes, frame({meta, data, ack}), problem, change()} */
  constructor(on) {
    this.#on = on;
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
      socket = new WebSocket(socketAddress());
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

  #drop() {
    const socket = this.#socket;
    this.#socket = null;
    this.#meta = null;
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
    const why = await diagnose(this.refusal !== null || this.#failures + 1 >= BLOCKED_AFTER);
    this.refusal = why === 'token' || why === 'full' ? why : null;
    this.#failures = why === 'alive' ? this.#failures + 1 : 0;
    this.blocked = this.#failures >= BLOCKED_AFTER;
    if (this.refusal) this.phase = 'refused';
    else this.phase = this.ever ? 'lost' : 'connecting';
    if (this.blocked) this.#wait(BLOCKED_RETRY_MS);
    else this.#wait(why === 'token' ? LOCKED_RETRY_MS : backoff(this.#attempt));
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
    if (typeof data !== 'string') {
      const meta = this.#meta;
      this.#meta = null;
      if (meta) this.#frame(socket, meta, data);
      return;
    }
    const message = parse(data);
    if (message?.type === 'hello') this.#hello(message, now);
    else if (message?.type === 'pong') {
      this.#unanswered = 0;
      this.clock.sample(message.t, message.now, now);
    } else if (message?.type === 'frame_metadata') this.#meta = message;
    else if (message?.type === 'streams') this.#on.streams(message.streams ?? [], message.complete !== false);
    else if (message?.type === 'episodes') this.#on.episodes(message);
    else if (message?.type === 'error') this.#on.problem(message);
  }

  #frame(socket, meta, data) {
    // The acknowledgement belongs to this socket: the next one counts anew.
    const ack = () => this.send({ type: 'ack', stream: meta.stream, frameNumber: meta.frameNumber }, socket);
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
