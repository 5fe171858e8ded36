/** Video: whether this page asks for H.264: where the browser decodes it, and until it turns out that it does not. */

import { jpegOnly } from './address.js';

const KEY = 'envstream-video'; // "off" for the rest of the session
const CODECS = ['avc1.42E01F', 'avc1.640028']; // Baseline and high: what servers send lies between.
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

/** Whether the browser says that it decodes H.264. It says nothing on pages that are not secure. */
async function supported() {
  if (!('VideoDecoder' in globalThis)) return false;
  const asked = CODECS.map((codec) => VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true }));
  return (await Promise.all(asked)).every((answer) => answer.supported);
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

  /** Whether to ask for it. */
  get wanted() {
    return this.#able && !this.resting;
  }

  /** It cannot be decoded after all: said once, and not tried again in this session. */
  giveUp() {
    this.#able = false;
    refuse();
    this.failure = 'H.264 cannot be decoded here; JPEG instead';
    setTimeout(() => (this.failure = null), SAID_MS);
  }
}
