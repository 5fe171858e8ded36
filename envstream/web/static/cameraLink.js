/** Link: a camera's connection to the server: its back-off, its clock, what goes out and what comes back. */

import { address, socketAddress } from './address.js';
import { Clock } from './clock.js';
import { Flow } from './flow.js';
import { backoff } from './knock.js';
import { parse } from './parse.js';

const PING_MS = 2000;
const OPEN_WITHIN_MS = 8000;
const SILENT_MS = 7000;
const POLICY = 1008; // The close code of who broke a rule, or has another connection.

/** Why it cannot be opened: down, token, unknown, or alive. */
async function diagnose(token) {
  try {
    const reply = await fetch(address(`api/camera/${token}/stats`), { cache: 'no-store' });
    if (reply.status === 404) return 'unknown';
    return reply.status === 401 || reply.status === 403 ? 'token' : 'alive';
  } catch {
    return 'down';
  }
}

export class CameraLink {
  /** closed | connecting | open | lost | refused */
  phase = 'closed';
  /** Why it is refused: token, unknown, or a sentence of the server. */
  refusal = null;
  /** performance.now() of the next attempt, or null. */
  retryAt = null;
  clock = new Clock();
  /** What goes out. */
  flow = new Flow();

  #token;
  #on;
  #socket = null;
  #attempt = 0;
  #heard = 0;
  #timers = { open: 0, ping: 0, retry: 0 };

  /** `on` = {ready(), ack(frameNumber), heard(ms) (a word was answered), demand(message), problem(message), change()} */
  constructor(token, on) {
    this.#token = token;
    this.#on = on;
    addEventListener('online', () => this.retryAt !== null && this.open());
  }

  /** Bytes that the browser holds back. */
  get buffered() {
    return this.#socket?.bufferedAmount ?? 0;
  }

  /** Milliseconds of our clock as seconds of the server's; null while nothing is known. */
  toServer(ms) {
    const { offset } = this.clock;
    return offset === null ? null : (ms + offset) / 1000;
  }

  open() {
    this.#drop();
    this.phase = this.phase === 'closed' || this.phase === 'refused' ? 'connecting' : this.phase;
    this.refusal = null;
    const socket = (this.#socket = new WebSocket(socketAddress(`ws/camera/${this.#token}`)));
    socket.onopen = () => clearTimeout(this.#timers.open);
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = (event) => this.#closed(event);
    this.#timers.open = setTimeout(() => this.#closed({}), OPEN_WITHIN_MS);
    this.#on.change();
  }

  close() {
    this.#drop();
    this.phase = 'closed';
    this.#attempt = 0;
    this.#on.change();
  }

  /** Send a picture and what is to be said of it; says whether it did. */
  frame(about, picture) {
    const socket = this.#socket;
    if (this.phase !== 'open' || socket.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify({ type: 'frame_metadata', ...about }));
    socket.send(picture);
    this.flow.add(performance.now(), picture.byteLength);
    return true;
  }

  #drop() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.retryAt = null;
    const socket = this.#socket;
    this.#socket = null;
    this.flow.clear();
    this.clock.reset();
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  async #closed({ code, reason }) {
    const open = this.phase === 'open';
    this.#drop();
    if (code === POLICY) {
      // Another tab has this camera's place, or what is sent is wrong: again and again would not help.
      Object.assign(this, { phase: 'refused', refusal: reason || 'the server has closed the connection' });
      this.#on.change();
      return;
    }
    this.phase = open ? 'lost' : this.phase;
    this.#attempt += 1;
    this.#wait();
    this.#on.change();
    if (open) return;
    const why = await diagnose(this.#token);
    if (this.retryAt === null || !['token', 'unknown'].includes(why)) return;
    Object.assign(this, { phase: 'refused', refusal: why });
    this.#on.change();
  }

  #wait() {
    const delay = backoff(this.#attempt - 1);
    this.retryAt = performance.now() + delay;
    this.#timers.retry = setTimeout(() => this.open(), delay);
  }

  #receive(data) {
    const now = performance.now();
    this.#heard = now;
    const message = parse(data);
    if (message?.type === 'session_ack') this.#greeted(now);
    else if (message?.type === 'pong') {
      this.clock.sample(message.t, message.now, now);
      this.#attempt = 0;
      this.#on.heard(now - message.t);
    } else if (message?.type === 'frame_ack') {
      if (Number.isFinite(message.frameNumber)) this.#on.ack(message.frameNumber);
    } else if (message?.type === 'demand') this.#on.demand(message);
    else if (message?.type === 'error') this.#on.problem(message);
  }

  #greeted(now) {
    this.phase = 'open';
    this.#heard = now;
    this.#timers.ping = setInterval(() => this.#ping(), PING_MS);
    this.#ping();
    this.#on.ready();
    this.#on.change();
  }

  #ping() {
    const now = performance.now();
    if (now - this.#heard > SILENT_MS) this.#closed({});
    else if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify({ type: 'ping', t: now }));
  }
}
