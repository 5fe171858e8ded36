/** Source: the camera itself: opening it, the choice between several, its frames; and in words why there is none. */

export const SIZES = { 360: [640, 360], 480: [640, 480], 720: [1280, 720], 1080: [1920, 1080] };

const HIDDEN_MS = 1000; // Browsers let a timer of a hidden page run no more often.

/** Why there is no picture, and what to do: {headline, text}. Pure. */
export function reason({ name, secure = true, supported = true, place = '' }) {
  if (!secure) {
    const text = `Browsers open a camera on secure pages only. Use https:// (videoStreamTlsCert), or on this machine ${place}`;
    return { headline: 'This page is not secure', text };
  }
  if (!supported) return { headline: 'No cameras here', text: 'This browser gives pages no camera. Open the page in another one.' };
  return (
    {
      NotAllowedError: {
        headline: 'The camera is not allowed',
        text: 'Allow it for this site: the camera sign in the address bar, or the settings of the browser or the system. Then start again.',
      },
      NotFoundError: { headline: 'There is no camera', text: 'Plug one in, or open this page on a device that has one. Then start again.' },
      NotReadableError: {
        headline: 'The camera is in use',
        text: 'Another program or tab may have it. Close that one, then start again.',
      },
      OverconstrainedError: {
        headline: 'The camera cannot do that',
        text: 'It has no such size or rate, or is no longer there. Choose another, then start again.',
      },
      gone: { headline: 'The camera is gone', text: 'It was unplugged or taken away. Plug it in again, then start again.' },
    }[{ SecurityError: 'NotAllowedError', AbortError: 'NotReadableError', DevicesNotFoundError: 'NotFoundError' }[name] ?? name] ?? {
      headline: 'The camera does not open',
      text: `The browser says: ${name}. Start again, or choose another camera.`,
    }
  );
}

/** What is asked of the browser for these choices; `device`: an identity, or user or environment (of a phone). Pure. */
export function constraints({ device, size, fps }) {
  const [width, height] = SIZES[size] ?? SIZES[720];
  const which = ['user', 'environment'].includes(device) ? { facingMode: device } : device ? { deviceId: { ideal: device } } : {};
  const video = { ...which, width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: fps, max: Math.max(30, fps) } };
  return { video, audio: false };
}

export class Source {
  /** The running camera's track, or null. */
  track = null;

  #video;
  #on;
  #turn = 0;
  #waiting = null; // what the next frame is to call

  /** `on` = {frame(captured) (in our milliseconds), gone()} */
  constructor(video, on) {
    this.#video = video;
    this.#on = on;
    document.addEventListener('visibilitychange', () => this.#next(this.#turn));
  }

  /** Open a camera; throws what `reason` explains. */
  async open(choices) {
    this.close();
    const turn = (this.#turn += 1);
    if (!isSecureContext) throw { secure: false };
    if (!navigator.mediaDevices?.getUserMedia) throw { supported: false };
    const stream = await navigator.mediaDevices.getUserMedia(constraints(choices));
    if (turn !== this.#turn) {
      for (const track of stream.getTracks()) track.stop(); // Meanwhile it was stopped, or another one chosen.
      return false;
    }
    [this.track] = stream.getVideoTracks();
    this.track.addEventListener('ended', () => turn === this.#turn && this.#on.gone());
    this.#video.srcObject = stream;
    await this.#video.play().catch(() => {}); // The tab may be in the background.
    this.#next(turn);
    return true;
  }

  close() {
    this.#turn += 1;
    this.track?.stop();
    this.track = null;
    this.#video.srcObject = null;
  }

  /** The identity of the camera that is open, as in the list of devices. */
  get device() {
    return this.track?.getSettings().deviceId ?? '';
  }

  /** The cameras there are: [{value, text}, …]; they have names once one was allowed. */
  async list() {
    const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
    const cameras = all.filter(({ kind, deviceId }) => kind === 'videoinput' && deviceId);
    return cameras.map(({ deviceId, label }, at) => ({ value: deviceId, text: label || `Camera ${at + 1}` }));
  }

  /** Wait for the next frame; behind other tabs no frames are painted, there a timer asks. */
  #next(turn) {
    const waiting = (this.#waiting = {});
    const once = (now, about) => {
      if (waiting !== this.#waiting || turn !== this.#turn || !this.track) return;
      this.#on.frame(about?.captureTime ?? performance.now());
      this.#next(turn);
    };
    if (turn !== this.#turn || !this.track) return;
    if (document.hidden) setTimeout(() => once(), HIDDEN_MS);
    else if ('requestVideoFrameCallback' in this.#video) this.#video.requestVideoFrameCallback(once);
    else requestAnimationFrame(() => once());
  }
}
