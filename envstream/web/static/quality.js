/** Quality: a list to choose from: as the link allows, one for this page, or one for everybody who watches. */

import { address, pinnedQuality, pinQuality } from './address.js';
import { choices, chosenQuality } from './choices.js';
import { steers } from './role.js';

const HOLD_MS = 3000; // How long the status may still say the quality from before.
const SAID_MS = 15000; // How long a failure is shown.

/** Ask the server for a quality for everybody; what is in force then. Throws an Error that says why not. */
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

function option([value, text]) {
  return new Option(text, value);
}

function group({ label, options }) {
  if (!label) return options.map(option);
  const element = document.createElement('optgroup');
  element.label = label;
  element.append(...options.map(option));
  return [element];
}

export class Quality {
  /** A sentence when the last choice failed, or null. */
  failure = null;
  /** The quality of this page: a JPEG quality, a preset's name, or null: as the link allows. */
  mine = chosenQuality(pinnedQuality());

  #box;
  #select;
  #onChange;
  #stream = null;
  #built = '';
  #held = null; // {quality, until}: what was chosen for everybody, until the status says so
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
    addEventListener('hashchange', () => this.#prefer(chosenQuality(pinnedQuality())));
  }

  /** Show what is in force: for the stream (its STATUS, or undefined), and for this page (what it is sent: RUNG). */
  update(status, rung, now) {
    this.#box.hidden = !Array.isArray(status?.qualities) || status.qualities.length === 0;
    if (this.#box.hidden) return;
    if (status.name !== this.#stream) {
      this.#stream = status.name;
      this.#held = this.failure = null;
      this.#turn += 1;
    }
    if (this.#held && (now > this.#held.until || String(status.quality) === this.#held.quality)) this.#held = null;
    this.#build(choices({ status, rung, mine: this.mine, steers: steers() }));
    const value = this.#held ? `all:${this.#held.quality}` : this.mine === null ? 'auto' : `me:${this.mine}`;
    if (this.#select.value !== value) this.#select.value = value;
  }

  /** The DOM is touched only where something has changed: an open list stays as it is while only words do. */
  #build(groups) {
    const built = JSON.stringify(groups.map(({ options }) => options.map(([value]) => value)));
    if (built !== this.#built) {
      this.#built = built;
      this.#select.replaceChildren(...groups.flatMap(group));
      return;
    }
    const set = (element, name, text) => {
      if (element[name] !== text) element[name] = text;
    };
    const texts = groups.flatMap(({ options }) => options.map(([, text]) => text));
    const labels = groups.filter(({ label }) => label);
    texts.forEach((text, at) => set(this.#select.options[at], 'text', text));
    labels.forEach(({ label }, at) => set(this.#select.querySelectorAll('optgroup')[at], 'label', label));
  }

  #choose(value) {
    // After the mouse the space bar is to pause again; who steps through with the arrow keys stays here.
    if (this.#byPointer) this.#select.blur();
    this.#turn += 1;
    this.failure = null;
    const [whom, quality] = value.split(':');
    this.#held = whom === 'all' ? { quality, until: Infinity } : null;
    this.#prefer(whom === 'me' ? chosenQuality(quality) : null);
    if (whom === 'all') this.#order(quality);
  }

  /** What this page wants of its own; who chooses for everybody wants to see that. */
  #prefer(mine) {
    if (mine === this.mine) return;
    this.mine = mine;
    pinQuality(mine);
    this.#onChange();
  }

  async #order(level) {
    const turn = this.#turn;
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
