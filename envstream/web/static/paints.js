/** Paints: all pictures paint in the same animation frame: nine tiles cost one callback. */

const due = new Set();
let scheduled = false;

/** Paints what is decoded. Also called when the tab is hidden, where no animation frame comes. */
function flush() {
  scheduled = false;
  for (const picture of [...due]) {
    due.delete(picture);
    picture.paint();
  }
}

/** Have a picture painted with the next animation frame. */
export function schedule(picture) {
  due.add(picture);
  if (document.hidden) flush();
  else if (!scheduled) {
    scheduled = true;
    requestAnimationFrame(flush);
  }
}

export function unschedule(picture) {
  due.delete(picture);
}

document.addEventListener('visibilitychange', () => {
  if (document.hidden) flush();
});
