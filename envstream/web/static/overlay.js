/** Overlay: a canvas over the picture, with boxes around what was found in it. */

import { caption, captionPlace, colourOf, Found, placed, sure } from './boxes.js';

const FONT = 12; // CSS pixels.
const DARK = 'rgb(6 9 14 / 0.72)';

function outline(pen, at, colour, width) {
  // A dark rim on both sides: the line is seen on any picture.
  for (const [wide, style] of [[width + 2, DARK], [width, colour]]) {
    pen.lineWidth = wide;
    pen.strokeStyle = style;
    pen.beginPath();
    pen.roundRect(at.x + 1, at.y + 1, Math.max(2, at.width - 2), Math.max(2, at.height - 2), 3);
    pen.stroke();
  }
}

function label(pen, box, at, colour, size) {
  const words = caption(box);
  const [wide, high] = [Math.ceil(pen.measureText(words).width) + 10, FONT + 6];
  const { x, y } = captionPlace(at, wide, high, size);
  pen.fillStyle = colour;
  pen.beginPath();
  pen.roundRect(x, y, wide, high, 3);
  pen.fill();
  pen.fillStyle = '#06090e';
  pen.fillText(words, x + 5, y + high / 2 + 0.5);
}

export class Overlay {
  /** The `boxes` message that is drawn, or null. */
  shown = null;

  #canvas;
  #pen;
  #extent;
  #found = new Found();
  #on = true;
  #timestamp = NaN;
  #drawn = '';

  /** `target` is what it lies over; `extent()` gives the size of the picture there, in CSS pixels. */
  constructor(canvas, target, extent = () => ({ width: target.clientWidth, height: target.clientHeight })) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext('2d');
    this.#extent = extent;
    new ResizeObserver(() => this.#draw()).observe(target);
  }

  /** Whether anything was ever found, or looked for. */
  get any() {
    return this.#found.newest !== null;
  }

  get newest() {
    return this.#found.newest;
  }

  set on(on) {
    this.#on = on;
    this.#draw();
  }

  /** A `boxes` message has come. */
  take(message) {
    this.#found.take(message);
    this.#draw();
  }

  /** The picture on show was taken then, in the server's seconds. */
  at(timestamp) {
    this.#timestamp = timestamp;
    this.#draw();
  }

  clear() {
    this.#found.clear();
    this.#timestamp = NaN;
    this.#draw();
  }

  #draw() {
    this.shown = this.#on ? this.#found.at(this.#timestamp) : null;
    const boxes = this.shown?.boxes ?? [];
    if (boxes.length === 0 && this.#drawn === '') return; // Most of the time there is nothing to do.
    const size = this.#extent();
    const ratio = devicePixelRatio || 1;
    const drawn = boxes.length === 0 ? '' : `${this.shown.frameNumber} ${size.width}x${size.height} ${ratio}`;
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    const canvas = this.#canvas;
    const [wide, high] = [Math.round(size.width * ratio), Math.round(size.height * ratio)];
    if (canvas.width !== wide) canvas.width = wide;
    if (canvas.height !== high) canvas.height = high;
    canvas.style.width = `${size.width}px`;
    canvas.style.height = `${size.height}px`;
    this.#paint(boxes, size, ratio);
  }

  #paint(boxes, size, ratio) {
    const pen = this.#pen;
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, size.width, size.height);
    pen.font = `600 ${FONT}px system-ui, sans-serif`;
    pen.textBaseline = 'middle';
    // The surest last, on top of the others.
    const order = [...boxes].sort((a, b) => a.score - b.score).map((box) => ({ box, at: placed(box, size) }));
    for (const { box, at } of order) {
      pen.globalAlpha = sure(box) ? 1 : 0.6;
      outline(pen, at, colourOf(box), sure(box) ? 2 : 1);
    }
    pen.globalAlpha = 1;
    for (const { box, at } of order.filter((one) => sure(one.box))) label(pen, box, at, colourOf(box), size);
  }
}
