/** BoxSwitch: the button that shows and hides the boxes; the choice is remembered. */

const KEY = 'envstream-boxes';

// Storage may be forbidden (private windows, cross-site iframes): the choice then lasts as long as the page.
function remembered() {
  try {
    return localStorage.getItem(KEY) !== 'off';
  } catch {
    return true;
  }
}

function remember(on) {
  try {
    localStorage.setItem(KEY, on ? 'on' : 'off');
  } catch {
    // see above
  }
}

export class BoxSwitch {
  #button;
  #overlay;
  #on = remembered();

  constructor(button, overlay) {
    this.#button = button;
    this.#overlay = overlay;
    overlay.on = this.#on;
    this.#show();
  }

  /** Where nothing is looked for, there is nothing to switch. */
  update() {
    const hidden = !this.#overlay.any;
    if (this.#button.hidden !== hidden) this.#button.hidden = hidden;
  }

  /** Show or hide them; gives false where there are none. */
  toggle() {
    if (this.#button.hidden) return false;
    this.#on = !this.#on;
    remember(this.#on);
    this.#overlay.on = this.#on;
    this.#show();
    return true;
  }

  #show() {
    this.#button.setAttribute('aria-pressed', String(this.#on));
    this.#button.title = `${this.#on ? 'Hide' : 'Show'} what was found in the picture (b)`;
  }
}
