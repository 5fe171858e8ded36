/** Account: the panel of a session: how much came, how far processing is, and the files that came of it. */

import { address } from './address.js';
import { endSession } from './archive.js';
import { Readout } from './readout.js';
import { administers } from './role.js';
import { brief, endable, figures, files, progress } from './session.js';

/** Five times a second the same: then the DOM is left alone. */
function attribute(element, name, value) {
  if (value === null) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

function hide(element, hidden) {
  if (element.hidden !== hidden) element.hidden = hidden;
}

export class Account {
  #panel;
  #box;
  #readout;
  #brief;
  #bar;
  #links = new Map();
  #ending;
  #id = null; // of the session that is shown

  /** `panel` holds the account, [data-account], beside what is said of a training; `line` has it in brief. */
  constructor(panel, line) {
    this.#panel = panel;
    this.#box = panel.querySelector('[data-account]');
    this.#brief = new Readout(line.parentElement);
    this.#readout = new Readout(this.#box);
    this.#bar = this.#box.querySelector('[role=progressbar]');
    this.#ending = this.#box.querySelector('.ending');
    this.#ending.querySelector('button').addEventListener('click', () => this.#end());
    for (const link of this.#box.querySelectorAll('[data-file]')) this.#links.set(link.dataset.file, link);
  }

  /** Show the session of a stream; nothing where it has none. */
  show(status) {
    const session = status?.session ?? null;
    hide(this.#box, session === null);
    attribute(this.#panel, 'aria-label', session ? 'Session' : 'Training');
    if (session === null) return;
    this.#brief.set({ session: brief(session) });
    this.#readout.set(figures(session));
    this.#progress(progress(session), Number.isFinite(session.done));
    this.#files(files(session, status.title));
    hide(this.#box.querySelector('.problem'), !session.problem);
    if (session.id !== this.#id) this.#say('');
    this.#id = session.id;
    hide(this.#ending, !administers() || !endable(session));
    for (const name of ['missing', 'lost']) {
      attribute(this.#box.querySelector(`.${name}`), 'data-some', String(session[name] > 0));
    }
  }

  async #end() {
    const id = this.#id;
    try {
      const { message } = await endSession(id);
      if (id === this.#id) this.#say(message);
    } catch (error) {
      if (id === this.#id) this.#say(`It goes on: ${error.message}`);
    }
  }

  #say(sentence) {
    this.#ending.querySelector('[role=status]').textContent = sentence;
  }

  #progress({ stage, percent, text }, begun) {
    // Without a value it is a bar that nobody knows the end of.
    this.#bar.style.setProperty('--at', `${percent ?? (begun ? 100 : 0)}%`);
    attribute(this.#bar, 'aria-valuenow', percent === null ? null : String(percent));
    const spoken = [stage, percent === null ? '' : `${percent} %`, text].filter(Boolean).join(', ');
    attribute(this.#bar, 'aria-valuetext', spoken);
  }

  #files(list) {
    for (const [key, link] of this.#links) {
      const file = list.find((one) => one.key === key);
      hide(link, !file);
      attribute(link, 'href', file ? address(file.path) : null);
      attribute(link, 'download', file ? file.name : null);
    }
    hide(this.#box.querySelector('.files'), list.length === 0);
  }
}
