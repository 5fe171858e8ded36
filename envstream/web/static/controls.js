/** Controls: buttons and keys, full screen, saving the picture. What they mean is decided in app.js. */

import { address } from './address.js';

const KEYS = {
  ' ': 'pause',
  f: 'fullscreen',
  s: 'save',
  g: 'grid',
  e: 'find',
  l: 'board',
  v: 'show',
  r: 'replay',
  b: 'boxes',
  c: 'record',
  R: 'record', // With shift.
  ',': 'back',
  '.': 'on',
  '+': 'faster',
  '-': 'slower',
  Home: 'first',
  End: 'last',
  t: 'theme',
  Escape: 'leave',
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};
const OWN_KEYS = 'input:not([type=range]), textarea, select, [contenteditable]';
const REPEATED = ['back', 'on']; // While the key is held.
const SLIDER_KEYS = ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown', 'Home', 'End', 'PageUp', 'PageDown'];

/** What a key means: R is r with shift, and r where only caps lock is on. */
function actionOf({ key, shiftKey }) {
  return KEYS[key.length === 1 && !(key === 'R' && shiftKey) ? key.toLowerCase() : key];
}

/** `actions` = {pause, fullscreen, …}, by `data-action` and by key. One that gives false, or is not there, leaves the key to the browser. */
export function wire(actions) {
  for (const button of document.querySelectorAll('[data-action]')) {
    button.addEventListener('click', (event) => {
      if (button instanceof HTMLAnchorElement) event.preventDefault(); // A link is for those who want its address.
      actions[button.dataset.action]();
      // After a mouse click the space bar is to pause, not to click the same button again.
      if (event.detail > 0) button.blur();
    });
  }
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    const { target } = event;
    if (target instanceof Element && target.closest(OWN_KEYS)) return;
    if (event.key === ' ' && target instanceof Element && target.closest('button, summary')) return;
    if (target instanceof HTMLInputElement && SLIDER_KEYS.includes(event.key)) return;
    const action = actionOf(event);
    if (!actions[action] || (event.repeat && !REPEATED.includes(action))) return;
    if (actions[action]() !== false) event.preventDefault();
  });
}

/** Whether the viewer fills the screen, or the page where full screen is not allowed. */
export function isFull(viewer) {
  return document.fullscreenElement === viewer || viewer.classList.contains('filled');
}

export async function toggleFullscreen(viewer) {
  if (document.fullscreenElement) await document.exitFullscreen();
  else if (viewer.classList.contains('filled')) viewer.classList.remove('filled');
  else {
    try {
      await viewer.requestFullscreen();
    } catch {
      viewer.classList.add('filled'); // iPhones, and iframes without permission
    }
  }
  document.dispatchEvent(new Event('fullscreenchange'));
}

/** Save a blob as a file. */
export function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
}

/** Put a text on the clipboard; gives whether that is allowed here. */
export async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    // Not on pages that are not secure, as at http://host: there the older way.
  }
  const field = Object.assign(document.createElement('textarea'), { value: text, className: 'unseen' });
  const before = document.activeElement;
  document.body.append(field);
  field.select();
  const copied = document.execCommand('copy');
  field.remove();
  before?.focus?.({ preventScroll: true });
  return copied;
}

/**
 * Save what is seen: live, the server's lossless picture; otherwise (paused, ended, offline) the canvas,
 * because the server has moved on.
 */
export async function savePicture(stream, meta, live, canvas) {
  const place = meta ? `-episode-${meta.episode}-step-${meta.step}` : '';
  const name = `${stream.replace(/[^\w.-]+/g, '_')}${place}.png`;
  if (live) {
    try {
      const reply = await fetch(address('api/screenshot', { stream, format: 'png' }), { cache: 'no-store' });
      if (reply.ok) {
        download(await reply.blob(), name);
        return;
      }
    } catch {
      // then from the canvas
    }
  }
  canvas.toBlob((blob) => blob && download(blob, name), 'image/png');
}
