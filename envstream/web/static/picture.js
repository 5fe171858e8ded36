/** Picture: one canvas that shows the newest frame: decode, paint, acknowledge. Never a queue. */

const RATE_WINDOW_MS = 5000;

// All pictures paint in the same animation frame: nine tiles cost one callback.
const due = new Set();
let scheduled = false;

/** Paints what is decoded. Also called when the tab is hidden, where no animation frame comes. */
export function flush() {
  scheduled = false;
  for (const picture of [...due]) {
    due.delete(picture);
    picture.paint();
  }
}

function schedule(picture) {
  due.add(picture);
  if (document.hidden) flush();
  else if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(flush);
  }
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) flush();
});

/** Events a second from their times; 0 once the next is long overdue. Pure. */
export function rate(times, now) {
  const count = times.length - 1;
  if (count < 1) return 0;
  const mean = (times[count] - times[0]) / count;
  const overdue = now - times[count] > Math.max(1500, 3 * mean);
  return overdue || mean === 0 ? 0 : 1000 / mean;
}

/** The MIME type of a picture, from the `format` in its metadata. Pure. */
export function mime(format) {
  const name = String(format ?? 'jpeg').toLowerCase();
  return `image/${name === 'jpg' ? 'jpeg' : name}`;
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
  #waiting = null; // the newest frame that is not decoded yet
  #ready = null; // the newest one that is, and waits for the next animation frame
  #decoding = false;
  #epoch = 0;
  #frozen = false;
  #times = [];

  constructor(canvas, onPaint = () => {}) {
    this.canvas = canvas;
    this.#context = canvas.getContext('2d', { alpha: false });
    this.#onPaint = onPaint;
  }

  get pending() {
    return (this.#waiting ? 1 : 0) + (this.#ready ? 1 : 0) + (this.#decoding ? 1 : 0);
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
    if (this.#frozen) {
      frame.ack();
      return;
    }
    // One not yet decoded is forgotten; the newer one's acknowledgement counts for both.
    this.#waiting = frame;
    if (!this.#decoding) this.#decode();
  }

  /** Forget everything; what is still being decoded will not appear. */
  clear() {
    this.#discard();
    this.meta = null;
    this.failures = 0;
    this.#times = [];
    this.#context.clearRect(0, 0, this.canvas.width, this.canvas.height);
  }

  /** A copy of another canvas or image, no wider than asked, until the first frame of its own. */
  preview(source, maxWidth = Infinity) {
    const [w, h] = [source.naturalWidth ?? source.width, source.naturalHeight ?? source.height];
    if (w < 2 || h < 2) return;
    const scale = Math.min(1, maxWidth / w);
    this.#resize(Math.round(w * scale), Math.round(h * scale), 1);
    this.#context.drawImage(source, 0, 0, this.canvas.width, this.canvas.height);
  }

  paint() {
    if (!this.#ready) return;
    const { frame, bitmap } = this.#ready;
    this.#ready = null;
    this.#resize(bitmap.width, bitmap.height, this.multiple);
    this.#context.imageSmoothingEnabled = this.multiple === 1;
    this.#context.drawImage(bitmap, 0, 0, this.canvas.width, this.canvas.height);
    bitmap.close();
    this.meta = frame.meta;
    const now = performance.now();
    this.#times.push(now);
    if (this.#times.length > 400) this.#times.shift();
    frame.ack();
    this.#onPaint(frame.meta, now);
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
    this.#waiting = null;
    this.#ready?.bitmap.close();
    this.#ready?.frame.ack();
    this.#ready = null;
    due.delete(this);
  }

  async #decode() {
    this.#decoding = true;
    while (this.#waiting) {
      const frame = this.#waiting;
      const epoch = this.#epoch;
      this.#waiting = null;
      let bitmap;
      try {
        bitmap = await createImageBitmap(new Blob([frame.data], { type: mime(frame.meta.format) }));
      } catch {
        // Acknowledged all the same: a broken picture must not end the stream.
        this.failures += 1;
        frame.ack();
        continue;
      }
      if (epoch !== this.#epoch) {
        bitmap.close();
        frame.ack();
        continue;
      }
      this.#ready?.bitmap.close();
      this.#ready = { frame, bitmap };
      schedule(this);
    }
    this.#decoding = false;
  }
}
