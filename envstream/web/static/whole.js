/** Whole: a page of which a part did not arrive never begins. It says so, and is loaded anew. */

const KEY = 'envstream-anew'; // how often it was loaded anew, one time after the other
const WAITS_MS = [1000, 2000, 4000, 8000, 15000];

// Storage may be forbidden (private windows, cross-site iframes): then each wait is the longest.
function times() {
  try {
    return Number(sessionStorage.getItem(KEY));
  } catch {
    return WAITS_MS.length;
  }
}

function remember(count) {
  try {
    if (count === 0) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, String(count));
  } catch {
    // see above
  }
}

const line = document.createElement('p');
line.className = 'incomplete';
line.setAttribute('role', 'alert');

function lacking(part) {
  if (line.isConnected) return;
  const count = times();
  const wait = WAITS_MS[Math.min(count, WAITS_MS.length - 1)];
  line.textContent = `A part of this page did not arrive (${part}). It is loaded anew in ${wait / 1000} s.`;
  document.body.append(line);
  remember(count + 1);
  setTimeout(again, wait);
}

/** Only while the server answers: where it does not, the browser would put a page of its own in place of this one. */
async function again() {
  try {
    const reply = await fetch(location.href, { cache: 'no-store' });
    if (reply.ok) return location.reload();
  } catch {
    // It is tried again.
  }
  return setTimeout(again, WAITS_MS[1]);
}

/** Whether this stylesheet arrived: of one that did not, the browser gives no rules. */
function styles(link) {
  try {
    return link.sheet.cssRules.length > 0;
  } catch {
    return false;
  }
}

// A script that lacks what it imports says so itself; of several, this one is run first.
addEventListener('error', ({ target }) => {
  if (target instanceof HTMLScriptElement) lacking(`${target.src.split('/').pop()}, or what it needs`);
}, true);
addEventListener('load', () => {
  const bare = [...document.querySelectorAll('link[rel=stylesheet]')].find((one) => !styles(one));
  if (bare) lacking(bare.href.split('/').pop());
  else if (!line.isConnected) remember(0);
});
