/** Controls: buttons and keys, full screen, saving the picture. What they mean is decided in app.js. */

import { address } from './address.js';

const KEYS = {
  ' ': 'pause',
  f: 'fullscreen',
  s: 'save',
  g: 'grid',
  e: 'find',
  t: 'theme',
  Escape: 'leave',
  ArrowLeft: 'left',
  ArrowRight: 'right',
  ArrowUp: 'up',
  ArrowDown: 'down',
};
const OWN_KEYS = 'input, textarea, select, [contenteditable]';

/** `actions` = {pause, fullscreen, …}, by `data-action` and by key. One that gives false leaves the key to the browser. */
export function wire(actions) {
  for (const button of document.querySelectorAll('[data-action]')) {
    button.addEventListener('click', (event) => {
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
    const action = KEYS[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action || event.repeat) return;
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

function download(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10000);
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
