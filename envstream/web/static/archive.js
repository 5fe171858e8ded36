/** Archive: what the server keeps, asked for over HTTP. What fails is an Error whose message is for people. */

import { address } from './address.js';

/** An answer's JSON. Throws an Error that says why there is none. */
async function ask(path, { params = {}, ...options } = {}) {
  let reply;
  try {
    reply = await fetch(address(path, params), { credentials: 'same-origin', cache: 'no-store', ...options });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Error('the server does not answer');
  }
  const body = await reply.json().catch(() => null);
  const why = body?.error ?? body?.message;
  if (!reply.ok || body?.success === false) throw Object.assign(new Error(why || `the server answered ${reply.status}`), { status: reply.status });
  return body;
}

const place = (id) => `api/episodes/${encodeURIComponent(id)}`;

/** The kept episodes of a stream: [CLIP, …], oldest first. */
export async function keptEpisodes(stream) {
  return (await ask('api/episodes', { params: { stream } }))?.clips ?? [];
}

/** A clip with its pictures. */
export function keptClip(id, signal) {
  return ask(place(id), { signal });
}

/** The last seconds of the live picture, as a clip. */
export function lastSeconds(stream, signal) {
  return ask('api/replay', { method: 'POST', params: { stream }, signal });
}

/** Begin (or end) the recording of the live picture: {message, recording, file}. */
export function record(stream, on) {
  return ask(`api/record/${on ? 'start' : 'stop'}`, { method: 'POST', params: { stream } });
}

/** End a publisher's session with what it has. */
export function endSession(id) {
  return ask(`api/sessions/${encodeURIComponent(id)}/end`, { method: 'POST' });
}

/** The pictures of a clip, one after the other, from byte `from` to byte `to` where the server can begin there. */
export async function pictures(id, { from = 0, to = '' }, signal) {
  const headers = from > 0 || to !== '' ? { Range: `bytes=${from}-${to}` } : {};
  const reply = await fetch(address(`${place(id)}/pictures`), { credentials: 'same-origin', headers, signal });
  if (!reply.ok || !reply.body) throw new Error(`the server answered ${reply.status}`);
  return { body: reply.body, from: reply.status === 206 ? from : 0, partial: reply.status === 206 };
}

export function videoAddress(id) {
  return address(`${place(id)}.mp4`);
}

/** The video of a clip: {blob, name}. */
export async function video(id) {
  const reply = await fetch(videoAddress(id), { credentials: 'same-origin', cache: 'no-store' });
  if (reply.ok) {
    const name = /filename="?([^";]+)"?/.exec(reply.headers.get('content-disposition') ?? '')?.[1];
    return { blob: await reply.blob(), name: name ?? `${id}.mp4` };
  }
  const body = await reply.json().catch(() => null);
  throw new Error(body?.error || `the server answered ${reply.status}`);
}
