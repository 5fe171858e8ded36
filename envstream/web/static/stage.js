/** Stage: the fixed box the picture stands in. The box never follows the picture, so nothing jumps. */

const SMALL = 320;
const ENLARGED = 1.5;

/**
 * How large a picture is shown in a box, in CSS pixels, and whether its pixels stay square. Pure.
 * `source` is the size before the server scaled it down: a thumbnail of a photo is no pixel art.
 */
export function fit(box, picture, source, ratio) {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const device = scale * ratio;
  const pixelated = Math.max(source.width, source.height) <= SMALL && device >= ENLARGED;
  // Whole device pixels per picture pixel, or some rows look fatter; not at the price of a small picture.
  const whole = Math.floor(device);
  const used = pixelated && whole / device >= 0.75 ? whole / ratio : scale;
  return { width: picture.width * used, height: picture.height * used, pixelated };
}

export class Stage {
  #box;
  #element;
  #source = null;
  #last = '';

  constructor(box, element) {
    this.#box = box;
    this.#element = element;
    new ResizeObserver(() => this.fit()).observe(box);
  }

  /** Tell the size of the source whenever a picture was painted; cheap when nothing changed. */
  painted(width, height) {
    const { width: w, height: h } = this.#element;
    const key = `${w}x${h}/${width}x${height}`;
    if (key === this.#last) return;
    this.#last = key;
    this.#source = { width, height };
    this.fit();
  }

  fit() {
    const picture = { width: this.#element.width, height: this.#element.height };
    const box = { width: this.#box.clientWidth, height: this.#box.clientHeight };
    if (!this.#source || !picture.width || !box.width || !box.height) return;
    const { width, height, pixelated } = fit(box, picture, this.#source, devicePixelRatio || 1);
    this.#element.style.width = `${width}px`;
    this.#element.style.height = `${height}px`;
    this.#element.classList.toggle('pixelated', pixelated);
  }
}
