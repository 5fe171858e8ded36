/** Quality: which quality a stream is sent in, and a list to choose another. What is chosen holds for all viewers. */

import { address } from './address.js';

const HOLD_MS = 3000; // How long the status may still say the quality from before.
const SAID_MS = 15000; // How long a failure is shown.

const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** Ask the server for a quality; what is in force then. Throws an Error that says why not. */
async function order(stream, level) {
  let reply;
  try {
    reply = await fetch(address(`api/streaming/quality/${encodeURIComponent(level)}`, { stream }), {
      method: 'POST',
      credentials: 'same-origin',
      cache: 'no-store',
    });
  } catch {
    throw new Error('the server does not answer');
  }
  const body = await reply.json().catch(() => null);
  if (!reply.ok || body?.success === false) throw new Error(body?.message || `the server answered ${reply.status}`);
  return body?.quality ?? level;
}

export class Quality {
  /** A sentence when the last choice failed, or null. */
  failure = null;

  #box;
  #select;
  #onChange;
  #stream = null;
  #built = '';
  #held = null; // {quality, until}: what was chosen, until the status says so
  #turn = 0;
  #byPointer = false;

  /** `box` is hidden where there is nothing to choose; `onChange()` after a choice has succeeded or failed. */
  constructor(box, select, onChange) {
    this.#box = box;
    this.#select = select;
    this.#onChange = onChange;
    select.addEventListener('change', () => this.#choose(select.value));
    select.addEventListener('pointerdown', () => (this.#byPointer = true));
    select.addEventListener('keydown', () => (this.#byPointer = false));
  }

  /** Show what is in force for the stream (its STATUS, or undefined). */
  update(status, now) {
    const qualities = Array.isArray(status?.qualities) ? status.qualities : [];
    this.#box.hidden = qualities.length === 0;
    if (this.#box.hidden) return;
    if (status.name !== this.#stream) {
      this.#stream = status.name;
      this.#held = this.failure = null;
      this.#turn += 1;
    }
    if (this.#held && (now > this.#held.until || String(status.quality) === this.#held.quality)) this.#held = null;
    const value = this.#held?.quality ?? String(status.quality ?? '');
    this.#build(qualities.map(String), value);
    if (this.#select.value !== value) this.#select.value = value;
  }

  #build(names, value) {
    // A number that the run was started with is in force until somebody chooses a name.
    const values = names.includes(value) || !value ? names : [value, ...names];
    const built = values.join('\n');
    if (built === this.#built) return;
    this.#built = built;
    this.#select.replaceChildren(...values.map((one) => new Option(capital(one), one)));
  }

  async #choose(level) {
    // After the mouse the space bar is to pause again; who steps through with the arrow keys stays here.
    if (this.#byPointer) this.#select.blur();
    this.#turn += 1;
    const turn = this.#turn;
    this.failure = null;
    this.#held = { quality: level, until: Infinity };
    try {
      const quality = String(await order(this.#stream, level));
      if (turn === this.#turn) this.#held = { quality, until: performance.now() + HOLD_MS };
    } catch (error) {
      if (turn !== this.#turn) return;
      this.#held = null;
      this.failure = `The quality stays as it is: ${error.message}`;
      setTimeout(() => turn === this.#turn && this.#forgive(), SAID_MS);
    }
    this.#onChange();
  }

  #forgive() {
    this.failure = null;
    this.#onChange();
  }
}
