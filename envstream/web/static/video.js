/** Video: whether this page asks for H.264: where the browser decodes it, and until it turns out that it does not. */

import { jpegOnly } from './address.js';

const KEY = 'envstream-video'; // "off" for the rest of the session
const CODECS = ['avc1.42E01F', 'avc1.640028']; // Baseline and high: what servers send lies between.
const FULL_COLOUR = ['avc1.F4000D', 'avc1.F4001E']; // 4:4:4, for pixel art, which is small.
const SAID_MS = 15000;

// Storage may be forbidden (private windows, cross-site iframes): then it is tried again on the next page.
function refused() {
  try {
    return sessionStorage.getItem(KEY) === 'off';
  } catch {
    return false;
  }
}

function refuse() {
  try {
    sessionStorage.setItem(KEY, 'off');
  } catch {
    // see above
  }
}

async function decodes(codecs) {
  const asked = codecs.map((codec) => VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true }));
  return (await Promise.all(asked)).every((answer) => answer.supported);
}

/** What the browser says that it decodes of H.264, as in `watch`. It says nothing on pages that are not secure. */
async function supported() {
  if (!('VideoDecoder' in globalThis) || !(await decodes(CODECS))) return false;
  return (await decodes(FULL_COLOUR)) ? 'full' : true;
}

export class Video {
  /** A sentence when decoding has failed just now, or null. */
  failure = null;
  /** For a moment nothing is asked for: the next picture then is one that builds on none. */
  resting = false;

  #able = false;

  /** `onChange()` once it is known that H.264 is decoded here. */
  constructor(onChange) {
    if (jpegOnly || refused()) return;
    supported().then((able) => {
      this.#able = able;
      if (able) onChange();
    }, () => {});
  }

  /** What to ask for: false, true, or 'full' where each pixel may have a colour of its own. */
  get wanted() {
    return this.resting ? false : this.#able;
  }

  /** It cannot be decoded after all: said once, and not tried again in this session. */
  giveUp() {
    this.#able = false;
    refuse();
    this.failure = 'H.264 cannot be decoded here; JPEG instead';
    setTimeout(() => (this.failure = null), SAID_MS);
  }
}
