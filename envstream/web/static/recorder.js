/** Recorder: the button that records what is streamed. Whether it does is what the server says: on all pages the same. */

import { address } from './address.js';
import { record } from './archive.js';
import { companionOf } from './companion.js';
import { steers } from './role.js';
import { stopwatch } from './values.js';
import { duration } from './words.js';

const NOTHING = 409; // The answer where there is nothing to end.
const HOLD_MS = 3000; // How long the status may still be from before.

/** End what is recorded: another page may have begun it, with the stream or with its companion. */
async function stop([name, ...others]) {
  try {
    return await record(name, false);
  } catch (error) {
    if (error.status !== NOTHING || others.length === 0) throw error;
    return stop(others);
  }
}

export class Recorder {
  #button;
  #text;
  #say;
  #stream = null;
  #whole = false;
  #on = false;
  #seconds = 0;
  #held = null; // {on, until}: what was ordered, until the status says so
  #orders = Promise.resolve();

  /** `say(sentence, link)`: what came of it. */
  constructor(button, say) {
    this.#button = button;
    this.#text = button.querySelector('.button-text');
    this.#say = say;
  }

  get #possible() {
    return !this.#button.hidden && !this.#button.disabled;
  }

  /** Show whether the stream is recorded, as its status says; `whole`: what is seen of it are whole episodes. */
  update(status, whole, now) {
    const hidden = status?.recording === undefined || !steers();
    if (this.#button.hidden !== hidden) this.#button.hidden = hidden;
    if (hidden) return;
    if (status.name !== this.#stream) {
      this.#stream = status.name;
      this.#held = null;
    }
    const said = status.recording !== null;
    if (this.#held && (said === this.#held.on || now > this.#held.until)) this.#held = null;
    this.#on = this.#held?.on ?? said;
    this.#seconds = status.recording?.seconds ?? 0;
    this.#whole = whole;
    this.#button.disabled = !this.#on && status.state === 'ended';
    this.#show();
  }

  #show() {
    const text = this.#on ? stopwatch(this.#seconds) : 'Record';
    const pressed = String(this.#on);
    if (this.#text.textContent !== text) this.#text.textContent = text;
    if (this.#button.getAttribute('aria-pressed') === pressed) return;
    this.#button.setAttribute('aria-pressed', pressed);
    const title = this.#on ? 'Stop recording' : 'Record the picture as it is streamed';
    this.#button.title = `${title} (c)`;
    this.#button.setAttribute('aria-label', title);
  }

  /** Start or stop; gives false where there is nothing to record. */
  toggle() {
    if (!this.#possible) return false;
    const names = [this.#stream, companionOf(this.#stream)];
    if (this.#whole) names.reverse();
    const [on, seconds] = [!this.#on, this.#seconds];
    this.#held = { on, until: Infinity };
    this.#on = on;
    this.#show();
    // One after the other: who ends it at once has begun it all the same.
    this.#orders = this.#orders.then(() => this.#order(names, on, seconds));
    return true;
  }

  /** Start with the first of these names, or end with whichever it was begun. */
  async #order(names, on, seconds) {
    try {
      const { file, message } = await (on ? record(names[0], true) : stop(names));
      if (!on) this.#done(file, message, seconds);
      if (this.#held) this.#held.until = performance.now() + HOLD_MS;
    } catch (error) {
      this.#held = null;
      this.#say(`${on ? 'Recording did not begin' : 'Recording could not be ended'}: ${error.message}`);
    }
  }

  #done(file, message, seconds) {
    const name = file?.split('/').pop();
    if (file) this.#say(`Recorded ${duration(1000 * seconds)}:`, { href: address(file), text: name, name });
    else this.#say(message ?? 'Recording has ended');
  }
}
