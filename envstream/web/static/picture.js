/** Picture: one canvas that shows the newest frame: decode, paint, acknowledge. Never a queue. */

import { Decoder } from './decoder.js';
import { rate } from './flow.js';
import { schedule, unschedule } from './paints.js';

const RATE_WINDOW_MS = 5000;

/** The MIME type of a picture, from the `format` in its metadata. Pure. */
export function mime(format) {
  const name = String(format ?? 'jpeg').toLowerCase();
  return `image/${name === 'jpg' ? 'jpeg' : name}`;
}

/** The size of what is seen of a decoded picture: video may be a pixel larger than it looks. */
function visible(image, meta) {
  if (!('displayWidth' in image)) return { width: image.width, height: image.height };
  const { displayWidth: width, displayHeight: height } = image;
  return { width: Math.min(width, meta.width ?? width), height: Math.min(height, meta.height ?? height) };
}

export class Picture {
  /** Metadata of the frame that is on the canvas, or null. */
  meta = null;
  /** Pictures that could not be decoded. */
  failures = 0;
  /** Size of what is on the canvas. */
  size = { width: 0, height: 0 };
  /** Canvas pixels for each pixel of the pictures to come, along each side. */
  multiple = 1;

  #context;
  #onPaint;
  #decoder = null; // of video, where this canvas may show some
  #video = false;
  #arrived = 0; // counts what comes, in order
  #shown = 0; // the count of what is on the canvas, or about to be
  #waiting = null; // the newest frame that is not decoded yet
  #ready = null; // the newest one that is, and waits for the next animation frame
  #news = null; // figures of a newer frame that looks the same
  #decoding = false;
  #epoch = 0;
  #frozen = false;
  #times = [];

  /** `video` = {renew(), failed()} where this canvas may be asked to show H.264; see Decoder. */
  constructor(canvas, onPaint = () => {}, video = null) {
    this.canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false });
    this.#onPaint = onPaint;
    if (video) this.#decoder = new Decoder({ ...video, image: (frame, image) => this.#offer(frame, image) });
  }

  /** Pictures that have come and are not painted yet. */
  get pending() {
    return [this.#waiting, this.#ready, this.#decoding].filter(Boolean).length + (this.#decoder?.pending ?? 0);
  }

  /** Whether H.264 is asked for; otherwise what comes of it late is acknowledged and dropped. */
  set video(video) {
    if (video === this.#video) return;
    this.#video = video;
    this.#decoder?.reset();
  }

  get frozen() {
    return this.#frozen;
  }

  /** Frozen, it keeps what it shows; late frames are acknowledged and dropped. */
  set frozen(frozen) {
    this.#frozen = frozen;
    if (frozen) this.#discard();
  }

  fps(now) {
    while (this.#times.length > 0 && now - this.#times[0] > RATE_WINDOW_MS) this.#times.shift();
    return rate(this.#times, now);
  }

  show(frame) {
    const video = frame.meta.format === 'h264';
    if (this.#frozen || (video && !this.#video)) {
      frame.ack();
      return;
    }
    const picture = { ...frame, order: (this.#arrived += 1) };
    if (video) {
      this.#decoder.feed(picture);
      return;
    }
    // One not yet decoded is forgotten; the newer one's acknowledgement counts for both.
    this.#waiting = picture;
    if (!this.#decoding) this.#decode();
  }

  /** The newest frame looks like the last that came: nothing to paint, only its figures are news. */
  still({ type, ...news }) {
    if (this.#frozen) return;
    this.#news = { news, order: (this.#arrived += 1) };
    if (this.pending === 0 && this.meta) this.#tell(this.meta, performance.now());
  }

  /** Forget everything; what is still being decoded will not appear. `kept`: what is on the canvas stays there. */
  clear(kept = false) {
    this.#discard();
    this.meta = null;
    this.failures = 0;
    this.#times = [];
    if (!kept) this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** A copy of another canvas or image, no wider than asked, until the first frame of its own. */
  preview(source, maxWidth = Infinity) {
    const [w, h] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
    if (w < 2 || h < 2) return;
    const scale = Math.min(1, maxWidth / w);
    this.#resize(Math.round(w * scale), Math.round(h * scale), 1);
    this.#context.drawImage(source, 0, 0, this.canvas.width, this.canvas.height);
  }

  /** Put so much of an image on the canvas, each pixel `multiple` times. */
  draw(image, { width, height }) {
    this.#resize(width, height, this.multiple);
    this.#context.imageSmoothingEnabled = this.multiple === 1;
    this.#context.drawImage(image, 0, 0, width, height, 0, 0, this.canvas.width, this.canvas.height);
  }

  paint() {
    if (!this.#ready) return;
    const { frame, image } = this.#ready;
    this.#ready = null;
    this.draw(image, visible(image, frame.meta));
    image.close();
    if (this.#news?.order < frame.order) this.#news = null;
    frame.ack();
    this.#tell(frame.meta, performance.now());
  }

  /** What is on the canvas is the newest frame now. */
  #tell(meta, now) {
    this.meta = { ...meta, ...this.#news?.news };
    this.#times.push(now);
    if (this.#times.length > 400) this.#times.shift();
    this.#onPaint(this.meta, now);
  }

  /** A decoded picture is the next to be painted, unless a newer one came out of another decoder before. */
  #offer(frame, image) {
    if (frame.order < this.#shown) {
      image.close(); // The newer one's acknowledgement counts for both.
      return;
    }
    this.#shown = frame.order;
    this.#ready?.image.close();
    this.#ready = { frame, image };
    schedule(this);
  }

  #resize(width, height, multiple) {
    const { canvas, size } = this;
    if (size.width !== width || size.height !== height) this.size = { width, height };
    if (canvas.width !== width * multiple) canvas.width = width * multiple;
    if (canvas.height !== height * multiple) canvas.height = height * multiple;
  }

  #discard() {
    this.#epoch += 1;
    this.#waiting?.ack();
    this.#ready?.image.close();
    this.#ready?.frame.ack();
    this.#waiting = this.#ready = this.#news = null;
    this.#decoder?.reset();
    unschedule(this);
  }

  async #decode() {
    this.#decoding = true;
    while (this.#waiting) {
      const [frame, epoch] = [this.#waiting, this.#epoch];
      this.#waiting = null;
      let image;
      try {
        image = await createImageBitmap(new Blob([frame.data], { type: mime(frame.meta.format) }));
      } catch {
        // Acknowledged all the same: a broken picture must not end the stream.
        this.failures += 1;
        frame.ack();
        continue;
      }
      if (epoch !== this.#epoch) {
        image.close();
        frame.ack();
        continue;
      }
      this.#offer(frame, image);
    }
    this.#decoding = false;
  }
}
