/** Lookback: what the server finds in the pictures that this page sends; asked for only where somebody wants to see it. */

import { Connection } from './socket.js';

const GLIMPSE = { width: 32, boxes: true }; // The picture itself is here already.

export class Lookback {
  #token;
  #take;
  #connection = null;
  #on = false;

  /** `take(message)` hears of what was found. */
  constructor(token, take) {
    this.#token = token;
    this.#take = take;
  }

  set on(on) {
    if (on === this.#on) return;
    this.#on = on;
    if (on && this.#connection === null) this.#open();
    else this.#ask();
  }

  #open() {
    const place = { path: `ws/view/${this.#token}`, doors: [`api/camera/${this.#token}/stats`] };
    const nothing = () => {};
    const on = { hello: () => this.#ask(), streams: nothing, problem: nothing, change: nothing };
    const boxes = (message) => this.#on && this.#take(message);
    this.#connection = new Connection({ ...on, boxes, frame: ({ ack }) => ack() }, place);
    this.#connection.open();
  }

  #ask() {
    const streams = this.#on ? [{ name: `camera ${this.#token}`, ...GLIMPSE }] : [];
    this.#connection?.send({ type: 'watch', streams, status: false });
  }
}
