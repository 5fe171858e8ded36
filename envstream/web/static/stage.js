/** Stage: the fixed box the picture stands in. The box never follows the picture, so nothing jumps. */

const SMALL = 320;
const SLIVER = 1.5;

/**
 * How large a picture is shown in a box, in CSS pixels, and how its pixels stay square. Pure.
 * `source` is the size before the server scaled it down: a thumbnail of a photo is no pixel art.
 * @returns {{width: number, height: number, pixelated: boolean, multiple: number}} `multiple`: how often the canvas
 *   repeats each pixel, so that they stay about the same size where the browser shrinks it a little
 */
export function fit(box, picture, source, ratio) {
  const scale = Math.min(box.width / picture.width, box.height / picture.height);
  const device = scale * ratio;
  const art = Math.max(source.width, source.height) <= SMALL && device >= 1;
  // Whole device pixels per picture pixel, or some rows look fatter; not at the price of a small picture.
  const whole = Math.floor(device);
  const pixelated = art && whole / device >= 0.75;
  const used = pixelated ? whole / ratio : scale;
  const [width, height] = [picture.width * used, picture.height * used];
  // No slivers: a picture that leaves a pixel of the box free fills it.
  const fill = (size, room) => (!pixelated && Math.abs(room - size) < SLIVER ? room : size);
  const multiple = art && !pixelated ? Math.ceil(device) : 1;
  return { width: fill(width, box.width), height: fill(height, box.height), pixelated, multiple };
}

export class Stage {
  #box;
  #picture;
  #source = null;
  #last = '';

  /** `picture` is the Picture whose canvas stands in `box`. */
  constructor(box, picture) {
    this.#box = box;
    this.#picture = picture;
    new ResizeObserver(() => this.fit()).observe(box);
  }

  /** Tell the size of the source whenever a picture was painted; cheap when nothing changed. */
  painted(width, height) {
    const { size } = this.#picture;
    const key = `${size.width}x${size.height}/${width}x${height}`;
    if (key === this.#last) return;
    this.#last = key;
    this.#source = { width, height };
    this.fit();
  }

  fit() {
    const { canvas, size: picture } = this.#picture;
    const box = { width: this.#box.clientWidth, height: this.#box.clientHeight };
    if (!this.#source || !picture.width || !box.width || !box.height) return;
    const { width, height, pixelated, multiple } = fit(box, picture, this.#source, devicePixelRatio || 1);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.classList.toggle('pixelated', pixelated);
    this.#picture.multiple = multiple; // From the next picture on.
  }
}
