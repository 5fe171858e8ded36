/** Choices: which camera, how large, how often; remembered on this device. */

const KEY = 'envstream-camera';
const PHONE = [
  { value: 'environment', text: 'Back camera' },
  { value: 'user', text: 'Front camera' },
];
const handheld = matchMedia('(pointer: coarse)').matches;

// Storage may be forbidden (private windows, cross-site iframes): the choices then last as long as the page.
function remembered() {
  try {
    return JSON.parse(localStorage.getItem(KEY)) ?? {};
  } catch {
    return {};
  }
}

function remember(values) {
  try {
    localStorage.setItem(KEY, JSON.stringify(values));
  } catch {
    // see above
  }
}

const part = (id) => document.getElementById(id);

export class Choices {
  #device = part('device');
  #size = part('size');
  #fps = part('fps');
  #wished = ''; // The camera of last time, until it is in the list.

  /** `onChange()` when another one is wanted, while the camera is on. */
  constructor(onChange) {
    const before = remembered();
    this.#wished = before.device ?? '';
    for (const [select, value] of [[this.#size, before.size], [this.#fps, before.fps]]) {
      if ([...select.options].some((one) => one.value === value)) select.value = value;
    }
    this.list([]);
    for (const select of [this.#device, this.#size, this.#fps]) {
      select.addEventListener('change', () => {
        this.#wished = this.#device.value;
        remember({ device: this.#device.value, size: this.#size.value, fps: this.#fps.value });
        if (document.body.dataset.running === 'true') onChange();
      });
    }
  }

  get fps() {
    return Number(this.#fps.value);
  }

  /** What is asked of the camera. */
  get wanted() {
    return { device: this.#wished, size: this.#size.value, fps: this.fps };
  }

  /** The cameras there are, as far as they are known; `open`: the one that is open. */
  list(cameras, open = '') {
    const first = { value: '', text: cameras.length > 0 || !handheld ? 'Any camera' : 'Camera' };
    const own = handheld ? PHONE : [];
    const all = cameras.length > 0 ? [...own, ...cameras] : [first, ...own];
    this.#device.replaceChildren(...all.map(({ value, text }) => new Option(text, value)));
    const wanted = all.some(({ value }) => value === this.#wished) ? this.#wished : open;
    if (all.some(({ value }) => value === wanted)) this.#device.value = wanted;
  }
}
