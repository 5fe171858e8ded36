/** Addresses: every URL is relative to the page's own files, so that a sub-path or an iframe changes nothing. */

const root = new URL('../', import.meta.url); // Of the server: some pages lie deeper than others.
const opened = new URL(location.href);
const token = opened.searchParams.get('token');

/** `?embed=1`: the compact layout for notebooks and iframes. */
export const embed = opened.searchParams.get('embed') === '1';

/** `?codec=jpeg`: no H.264 on this page. */
export const jpegOnly = opened.searchParams.get('codec') === 'jpeg';

if (token) {
  // The token stays in memory only: an address bar ends up in screenshots and screen shares.
  opened.searchParams.delete('token');
  try {
    history.replaceState(history.state, '', opened);
  } catch {
    // A sandboxed frame may forbid it; the page works all the same.
  }
}

/** A URL on the same server. The token goes along because a cross-site iframe may have no cookies. */
export function address(path, params = {}) {
  const url = new URL(path, root);
  for (const [key, value] of Object.entries(params)) {
    if (value !== null && value !== undefined) url.searchParams.set(key, value);
  }
  if (token) url.searchParams.set('token', token);
  return url.href;
}

/** The same for somebody else: without the token. */
export function plainAddress(path) {
  return new URL(path, root).href;
}

export function socketAddress(path = 'ws') {
  const url = new URL(address(path));
  url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
  return url.href;
}

/** What the page's own address ends with: of /camera/front, `front`. */
export function lastPart() {
  return decodeURIComponent(opened.pathname.replace(/\/+$/, '').split('/').pop());
}

const pins = () => new URLSearchParams(location.hash.slice(1));

/** The stream that `#stream=NAME` asks for, or null. */
export function pinnedStream() {
  return pins().get('stream');
}

/** What of the view the address asks for: {stream, grid, board, and what is searched and chosen as `Listing` has it}. */
export function pinnedView() {
  const asked = pins();
  return {
    stream: pinnedStream(),
    grid: asked.get('view') === 'grid',
    board: asked.get('board') === 'open',
    sift: { find: asked.get('find') ?? '', run: asked.get('run'), env: asked.get('env'), sort: asked.get('sort') },
  };
}

/** The quality that `#quality=50` asks for, for this page only: as written, or null. */
export function pinnedQuality() {
  return pins().get('quality');
}

/** What `#show=live` or `#show=episodes` asks for, or null. */
export function pinnedShow() {
  const show = pins().get('show');
  return show === 'live' || show === 'episodes' ? show : null;
}

/** The kept episode that `#episode=e12` asks for, or null. */
export function pinnedEpisode() {
  return pins().get('episode');
}

/** `anew`: the way back leads to what was before. */
function keep(hash, anew = false) {
  if (`${hash}` === `${pins()}`) return;
  try {
    if (anew) history.pushState(null, '', `#${hash}`);
    else history.replaceState(history.state, '', `#${hash}`);
  } catch {
    // As above: the choice then only lasts as long as the page.
  }
}

function put(hash, values) {
  for (const [key, value] of Object.entries(values)) {
    if (value) hash.set(key, value);
    else hash.delete(key);
  }
  return hash;
}

const written = ({ stream, grid, board, sift }) => ({
  ...{ stream, view: grid ? 'grid' : null, ...sift, board: board ? 'open' : null },
});

/** Keep in the address what is looked at, as `pinnedView` gives it; `anew`: as a step that one can go back from. */
export function pinView(view, anew) {
  keep(put(pins(), written(view)), anew);
}

/** This page for somebody else: without the token, and in the quality that their link allows. */
function elsewhere(hash) {
  const url = new URL(location.href);
  url.searchParams.delete('token');
  url.hash = hash;
  return url.href;
}

/** The address of a view, for somebody else. */
export function viewAddress(view) {
  return elsewhere(put(new URLSearchParams(), { ...written(view), show: pinnedShow() }));
}

function keepOne(key, value) {
  keep(put(pins(), { [key]: value }));
}

/** Keep in the address which quality this page wants; null = as the link allows. */
export function pinQuality(quality) {
  keepOne('quality', quality);
}

/** Keep in the address whether whole episodes are seen. */
export function pinShow(show) {
  keepOne('show', show);
}

/** Keep in the address which kept episode is replayed; null = none. */
export function pinEpisode(id) {
  keepOne('episode', id);
}

/** The address of a replay, for somebody else. */
export function replayAddress(stream, id) {
  return elsewhere(new URLSearchParams({ stream, episode: id }));
}
