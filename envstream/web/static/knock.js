/** Knock: when to try again, and why it failed: a browser hides that of a WebSocket, not of plain requests. */

import { address } from './address.js';

/** Wait before attempt number `attempt` (0, 1, …): 0.5 s … 5 s; jitter keeps pages from knocking together. */
export function backoff(attempt, random = Math.random()) {
  const base = Math.min(5000, 500 * 2 ** Math.min(attempt, 10));
  return Math.min(5000, Math.max(500, base * (0.75 + 0.5 * random)));
}

async function answer(path, params) {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), 4000);
  try {
    const reply = await fetch(address(path, params), { cache: 'no-store', signal: abort.signal });
    return reply.status;
  } catch {
    return 0;
  } finally {
    clearTimeout(timer);
    abort.abort(); // only the status matters, and `stream` would go on for ever
  }
}

const DOORS = ['stats', 'stream']; // What wants a token, and what also wants a seat.

/**
 * How the server is: "down", "token" (it wants one), "unknown" (there is no such thing), "full" or "alive";
 * `deep`: also whether it still has a seat.
 */
export async function diagnose(deep, doors = DOORS) {
  for (const path of ['health', ...(deep ? doors : doors.slice(0, 1))]) {
    const status = await answer(path);
    if ([401, 403, 429].includes(status)) return 'token'; // 429: too many wrong ones came from here.
    if (path !== 'health' && status === 404 && doors !== DOORS) return 'unknown';
    if (path === 'health' && !(status >= 200 && status < 300)) return 'down';
    if (status === 503) return 'full'; // a 503 to `health` would be a proxy's, hence after it
  }
  return 'alive';
}
