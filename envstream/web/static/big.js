/** Big: the large picture: what is on its canvas, how old that is, and how it stands on the stage. */

import { Picture } from './picture.js';
import { Stage } from './stage.js';

const part = (id) => document.getElementById(id);

export class Big {
  /** Whether nothing is on the canvas yet. */
  blank = true;
  /** When the picture on show was captured, on our clock; null where that is not known. */
  shownAt = null;
  /** Since when another picture has been awaited, if none has come. */
  since = 0;
  /** Milliseconds from there until it was seen. */
  latency = 0;
  /** Called with the metadata of each picture that is painted. */
  painted = () => {};

  #stage;
  #toLocal;
  #camera;

  /**
   * @param {function} toLocal the server's seconds as milliseconds of our clock, or null
   * @param {object} video see Picture
   * @param {function} seen whether this is what is seen, and not the grid
   * @param {function} camera whether a stream is what a camera sees
   */
  constructor(toLocal, video, seen, camera) {
    this.#toLocal = toLocal;
    this.#camera = camera;
    const painted = (meta, now) => {
      if (seen()) this.date(meta, now);
      this.#stand(meta);
      this.painted(meta);
    };
    this.picture = new Picture(part('picture'), painted, video);
    this.#stage = new Stage(part('stage'), this.picture);
  }

  #stand(meta) {
    this.blank = false;
    // However small a camera's picture is, it is no pixel art.
    const photo = this.#camera(meta.stream);
    const size = [meta.sourceWidth ?? meta.width, meta.sourceHeight ?? meta.height];
    this.#stage.painted(...(photo ? [Infinity, Infinity] : size));
  }

  /** A picture was seen, here or in the grid. */
  date(meta, now) {
    this.shownAt = this.#toLocal(meta.timestamp) ?? now;
    this.latency = Math.max(0, now - this.shownAt);
  }

  /** How old the picture on show is; null where that is not known. */
  ago(now) {
    return this.shownAt === null ? null : Math.max(0, now - this.shownAt);
  }

  /** Forget the picture on show; `kept`: it stays in sight until another one comes. */
  forget(kept = false) {
    this.picture.clear(kept);
    this.blank = this.blank || !kept;
    this.shownAt = null;
    this.since = performance.now();
  }

  /** A tile stands in until the first large picture. */
  preview(tile) {
    if (!tile?.source) return;
    this.picture.preview(tile.picture.canvas);
    this.#stand(tile.source);
  }

  /** Keep what an <img> shows. */
  keep(image) {
    this.picture.preview(image);
    const { width, height } = this.picture.canvas;
    this.#stage.painted(width, height);
  }
}
