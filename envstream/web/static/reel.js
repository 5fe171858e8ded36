/** Reel: the pictures of a clip as they arrive, and the few of them decoded that are needed next. */

import { pictures } from './archive.js';
import { mime } from './picture.js';

/** Pictures that are decoded at the same time; only these take the room of pixels. */
export const AHEAD = 6;

export class Reel {
  #clip;
  #data;
  #spans = []; // [{from, to}, …]: the bytes that are here
  #images = new Map(); // index → ImageBitmap
  #decoding = new Set();
  #broken = new Set(); // not tried again
  #aim = [];
  #over = false;
  #onImage;

  /** `onImage(index, image)` when one is decoded, in any order; the reel closes it when it is needed no more. */
  constructor(clip, onImage) {
    this.#clip = clip;
    this.#onImage = onImage;
    const { offset, size } = clip.pictures[clip.pictures.length - 1];
    this.#data = new Uint8Array(offset + size);
  }

  /** Whether the bytes of a picture are here. */
  has(index) {
    const { offset, size } = this.#clip.pictures[index];
    return this.#spans.some(({ from, to }) => from <= offset && offset + size <= to);
  }

  /** Pictures that could not be decoded. */
  get failures() {
    return this.#broken.size;
  }

  /** The share of the bytes that are here. */
  get share() {
    const bytes = this.#spans.reduce((sum, { from, to }) => sum + to - from, 0);
    return Math.min(1, bytes / this.#data.length);
  }

  /** Fetch the pictures, beginning with one of them where the server can. */
  async load(first, signal) {
    const from = this.#clip.pictures[first].offset;
    const later = await this.#read({ from }, signal);
    if (from > 0 && later) await this.#read({ from: 0, to: from - 1 }, signal);
  }

  async #read(range, signal) {
    const { body, from, partial } = await pictures(this.#clip.id, range, signal);
    const span = { from, to: from }; // Grows.
    this.#spans.push(span);
    const reader = body.getReader();
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      const room = this.#data.length - span.to;
      this.#data.set(part.value.length > room ? part.value.subarray(0, room) : part.value, span.to);
      span.to += Math.min(room, part.value.length);
      this.#decode();
    }
    return partial;
  }

  /** These are needed next, the first one first; all others are let go. */
  aim(indices) {
    this.#aim = indices.slice(0, AHEAD);
    for (const [index, image] of this.#images) {
      if (this.#aim.includes(index)) continue;
      image.close();
      this.#images.delete(index);
    }
    this.#decode();
  }

  /** A decoded picture, or undefined. */
  image(index) {
    return this.#images.get(index);
  }

  close() {
    this.#over = true;
    this.aim([]);
  }

  #decode() {
    for (const index of this.#aim) {
      if (this.#decoding.size >= AHEAD) return;
      if (!this.#known(index) && this.has(index)) this.#one(index);
    }
  }

  #known(index) {
    return this.#images.has(index) || this.#decoding.has(index) || this.#broken.has(index);
  }

  async #one(index) {
    const { offset, size, format } = this.#clip.pictures[index];
    this.#decoding.add(index);
    let image = null;
    try {
      image = await createImageBitmap(new Blob([this.#data.subarray(offset, offset + size)], { type: mime(format) }));
    } catch {
      this.#broken.add(index);
    }
    this.#decoding.delete(index);
    const kept = image !== null && this.#aim.includes(index);
    if (kept) this.#images.set(index, image);
    // Who scrubs fast sees also what came too late: better than nothing until they rest.
    if (image !== null && !this.#over) this.#onImage(index, image);
    if (!kept) image?.close();
    this.#decode();
  }
}
