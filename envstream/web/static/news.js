/** News: a sentence about what came of something a person did, over the picture, for a while. */

const SAID_MS = 12000;
const LINKED_MS = 60000; // One that leads somewhere stays until it can be followed.

export class News {
  #box;
  #text;
  #timer = 0;

  /** `box` holds a [data-news] for the sentence and a button that takes it away. */
  constructor(box) {
    this.#box = box;
    this.#text = box.querySelector('[data-news]');
    box.querySelector('button').addEventListener('click', () => this.clear());
  }

  /** Say a sentence; `link` = {href, text, name} follows it, to a file that is saved as `name`. */
  say(sentence, link = null) {
    const parts = [sentence];
    if (link) parts.push(' ', Object.assign(document.createElement('a'), { href: link.href, textContent: link.text, download: link.name }));
    this.#text.replaceChildren(...parts);
    this.#box.dataset.shown = 'true';
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.clear(), link ? LINKED_MS : SAID_MS);
  }

  clear() {
    clearTimeout(this.#timer);
    this.#box.dataset.shown = 'false';
    this.#text.replaceChildren();
  }
}
