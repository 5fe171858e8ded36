/** Awake: whether somebody may be looking: the tab is in front, and the iframe is not scrolled away. */

export class Awake {
  #onscreen = true;

  /** `onChange()` when that may have changed. */
  constructor(onChange) {
    document.addEventListener('visibilitychange', onChange);
    new IntersectionObserver((entries) => {
      this.#onscreen = entries.at(-1).isIntersecting; // Of several at once, on a busy machine, the newest.
      onChange();
    }).observe(document.body);
  }

  get now() {
    return !document.hidden && this.#onscreen;
  }
}
