/** Hand: whether a person is at a part of the page, so that nothing in it may change places. */

const pointing = matchMedia('(hover: hover)'); // After a tap a finger would seem to stay.

/** Whether the pointer is over `box`, or the keyboard in it. */
export function inHand(box) {
  return (pointing.matches && box.matches(':hover')) || box.querySelector(':focus-visible') !== null;
}
