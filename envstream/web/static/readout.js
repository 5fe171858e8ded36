/** Readout: texts on the page by name (`data-value="age"`). The DOM is touched only when one changed. */

export class Readout {
  #slots = new Map();
  #shown = new Map();

  constructor(root) {
    for (const element of root.querySelectorAll('[data-value]')) {
      const { value } = element.dataset;
      this.#slots.set(value, [...(this.#slots.get(value) ?? []), element]);
    }
  }

  /** Always textContent: what a server sends is never markup. */
  set(values) {
    for (const [name, text] of Object.entries(values)) {
      if (this.#shown.get(name) === text) continue;
      this.#shown.set(name, text);
      for (const element of this.#slots.get(name) ?? []) element.textContent = text;
    }
  }
}

/** Data attributes of <body>, for styles and tests. */
export function mark(values) {
  for (const [name, value] of Object.entries(values)) {
    const text = String(value);
    if (document.body.dataset[name] !== text) document.body.dataset[name] = text;
  }
}
