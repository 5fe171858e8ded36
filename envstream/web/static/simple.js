/** Simple mode: an MJPEG <img> where no WebSocket gets through. */

import { address } from './address.js';

const POLL_MS = 2000;
const SMALL = 320; // Pixel art.

export class SimpleView {
  active = false;

  #image;
  #onStreams;
  #name = null;
  #quality = null;
  #running = false;
  #timer = 0;

  /** `onStreams(list)` now and then, where the server lists its streams. */
  constructor(image, onStreams, onPicture) {
    this.#image = image;
    this.#onStreams = onStreams;
    image.addEventListener('load', () => {
      image.classList.toggle('pixelated', Math.max(image.naturalWidth, image.naturalHeight) <= SMALL);
      onPicture();
    });
    image.addEventListener('error', () => {
      // The run may have ended or its server restarted: ask again, calmly.
      if (this.#running) setTimeout(() => this.#point(), POLL_MS);
    });
  }

  /** `running` false keeps the mode but lets go of the picture (paused, hidden); `quality`: see Quality.mine. */
  show(name, running, quality) {
    if (!this.active) {
      this.active = true;
      this.#timer = setInterval(() => this.#poll(), POLL_MS);
      this.#poll();
    } else if (name === this.#name && running === this.#running && quality === this.#quality) return;
    this.#name = name;
    this.#quality = quality;
    this.#running = running;
    this.#point();
  }

  stop() {
    if (!this.active) return;
    this.active = this.#running = false;
    clearInterval(this.#timer);
    this.#point();
  }

  #point() {
    // A fresh number, or the browser shows the broken picture it remembers.
    if (this.#running) this.#image.src = address('stream', this.#query());
    else this.#image.removeAttribute('src');
  }

  #query() {
    const quality = typeof this.#quality === 'number' ? this.#quality : null; // Presets are for sockets.
    return { stream: this.#name, quality, t: Date.now() };
  }

  async #poll() {
    if (document.hidden) return;
    try {
      const reply = await fetch(address('api/streams'), { cache: 'no-store' });
      const body = await reply.json();
      const list = Array.isArray(body) ? body : body.streams;
      if (this.active && Array.isArray(list)) this.#onStreams(list.filter((one) => typeof one?.name === 'string'));
    } catch {
      // Without the list there is still the picture.
    }
  }
}
