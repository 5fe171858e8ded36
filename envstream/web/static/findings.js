/** Findings: the boxes over the large picture, and their switch. */

import { BoxSwitch } from './boxSwitch.js';
import { Overlay } from './overlay.js';
import { mark } from './readout.js';

const part = (id) => document.getElementById(id);

export class Findings {
  /** What there is of the newest picture: the `boxes` message that is drawn, or null. */
  get shown() {
    return this.#overlay.shown;
  }

  #overlay = new Overlay(part('boxes'), part('picture'));
  #switch = new BoxSwitch(part('box-button'), this.#overlay);
  #stream = null;

  /** `big` is the large picture. */
  constructor(big) {
    big.painted = ({ timestamp }) => this.#overlay.at(timestamp);
  }

  /** A `boxes` message has come. */
  take(message) {
    if (message.stream === this.#stream) this.#overlay.take(message);
  }

  /** The large picture is of this stream, and its metadata, or null. */
  follow(stream, meta) {
    if (stream !== this.#stream) this.clear();
    this.#stream = stream;
    this.#overlay.at(meta?.timestamp ?? NaN);
    this.#switch.update();
    mark({ boxes: this.shown?.boxes.length ?? 0 });
  }

  /** Another server knows of nothing that was found. */
  clear() {
    this.#overlay.clear();
  }

  /** Show or hide them; gives false where there are none. */
  toggle() {
    return this.#switch.toggle();
  }
}
