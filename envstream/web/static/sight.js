/** Sight: where a stream is seen now: as the large picture, on a tile, or nowhere; and how fast. */

import { MOST_WATCHED } from './watching.js';

const GLIMPSE = { width: 32, fps: 0.1 };

export class Sight {
  #view;
  #gallery;
  #big;
  #simple;
  #cinema;

  constructor({ view, gallery, big, simple, cinema }) {
    this.#view = view;
    this.#gallery = gallery;
    this.#big = big;
    this.#simple = simple;
    this.#cinema = cinema;
  }

  /** The name by which the large picture is watched; null for none. */
  get name() {
    return this.#cinema.watched(this.#view.chosen);
  }

  /** The streams to watch; `large` = how the large picture is, `alone`: only that. */
  wanted(large, alone) {
    const { chosen } = this.#view;
    const list = this.#gallery.wanted(this.name, alone, large);
    // Behind a replay the chart goes on: it is told of the streams that are watched.
    const glimpsed = this.#cinema.mode === 'replay' && chosen !== null && list.length < MOST_WATCHED;
    if (glimpsed && !list.some(({ name }) => name === chosen)) list.push({ name: chosen, ...GLIMPSE });
    return list;
  }

  /** A picture has come. */
  frame(one) {
    const picture = this.#picture(one.meta.stream);
    if (picture) picture.show(one);
    else one.ack();
  }

  /** The newest frame looks like the last one. */
  still(message) {
    this.#picture(message.stream)?.still(message);
  }

  /** The one that shows a stream; undefined while none does. */
  #picture(stream) {
    if (this.#view.paused) return undefined;
    return stream === this.name && !this.#gallery.open ? this.#big.picture : this.#gallery.tile(stream)?.picture;
  }

  /** Pictures a second, of the stream with this status. */
  fps(now, status) {
    if (this.#simple.active && !this.#view.paused) return status?.fps ?? 0;
    return this.#gallery.open ? this.#gallery.fps(now) : this.#big.picture.fps(now);
  }

  /** The tile of the stream that is the big one shows the same, while that is what goes on. */
  mirror(now) {
    const { picture, blank } = this.#big;
    if (this.#cinema.mode !== 'live' || this.#gallery.open || blank || !picture.meta) return;
    this.#gallery.tile(this.#view.chosen)?.mirror(picture.canvas, picture.meta, now);
  }
}
