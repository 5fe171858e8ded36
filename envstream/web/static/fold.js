/** Fold: figures that can be folded away; the choice is remembered, and where there is room they start open. */

const KEY = 'envstream-figures';
const roomy = matchMedia('(min-width: 960px) and (min-height: 780px)');

// Storage may be forbidden (private windows, cross-site iframes): the choice then lasts as long as the page.
function remembered() {
  try {
    return localStorage.getItem(KEY);
  } catch {
    return null;
  }
}

function remember(value) {
  try {
    localStorage.setItem(KEY, value);
  } catch {
    // see above
  }
}

/** Open or close `details` as it was left, and remember what becomes of it. */
export function fold(details) {
  const before = remembered();
  details.open = before === null ? roomy.matches : before === 'open';
  // By hand only: a toggle event also comes from the line above, later.
  details.querySelector('summary').addEventListener('click', () => remember(details.open ? 'closed' : 'open'));
}
