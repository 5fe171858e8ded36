/** Wake: keeps the screen from going dark, where the browser can. */

export class Wake {
  #wanted = false;
  #lock = null;

  constructor() {
    // It is let go of with every look at another tab.
    document.addEventListener('visibilitychange', () => this.#take());
  }

  set on(on) {
    this.#wanted = on;
    if (on) this.#take();
    else this.#lock?.release().catch(() => {});
    if (!on) this.#lock = null;
  }

  async #take() {
    if (!this.#wanted || document.hidden || !navigator.wakeLock || (this.#lock && !this.#lock.released)) return;
    try {
      const lock = await navigator.wakeLock.request('screen');
      if (this.#wanted) this.#lock = lock;
      else lock.release();
    } catch {
      // With an empty battery, say: then the screen goes dark.
    }
  }
}
