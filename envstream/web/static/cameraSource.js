/** Source: the camera itself: opening it, the choice between several, its frames; and in words why there is none. */

export const SIZES = { 360: [640, 360], 480: [640, 480], 720: [1280, 720], 1080: [1920, 1080] };

const HIDDEN_MS = 1000; // Browsers let a timer of a hidden page run no more often.
const [DRIFT, JUMP_MS] = [1e-4, 1000]; // Of two clocks, a millisecond in so many; after a jump all is told anew.

/** Tells, of times on the camera's clock, when that was on ours: the quickest to come was on its way for no time. Pure. */
export class Origin {
  #offset = null;
  #told = 0;

  /** What was captured at `at` has come `now`; both in milliseconds. */
  captured(at, now) {
    const offset = now - at;
    const before = this.#offset === null ? offset : this.#offset + DRIFT * (now - this.#told);
    this.#offset = Math.abs(offset - before) > JUMP_MS ? offset : Math.min(before, offset);
    this.#told = now;
    return at + this.#offset;
  }
}

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

  /**
   * `on` = {frame(captured, image), gone()}. A frame was captured at `captured` of our milliseconds; whoever wants
   * it says true and calls `image` at once, which gives a VideoFrame, or a promise of an ImageBitmap.
   */
  constructor(video, on) {
    this.#video = video;
    this.#on = on;
    document.addEventListener('visibilitychange', () => this.#waiting && this.#next(this.#turn));
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
    // As they come, not when they are painted: earlier by up to a period of the screen, and behind other tabs too.
    if ('MediaStreamTrackProcessor' in window) this.#read(turn, new MediaStreamTrackProcessor({ track: this.track }));
    else this.#next(turn);
    return true;
  }

  close() {
    this.#turn += 1;
    this.track?.stop();
    this.track = this.#waiting = null;
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

  async #read(turn, { readable }) {
    const [reader, origin] = [readable.getReader(), new Origin()];
    while (turn === this.#turn) {
      const { value: frame, done } = await reader.read();
      if (done) return;
      const captured = origin.captured(frame.timestamp / 1000, performance.now());
      if (turn !== this.#turn || !this.#on.frame(captured, () => frame)) frame.close();
    }
    reader.cancel().catch(() => {}); // Then nothing more is to come.
  }

  /** Wait for the next frame; behind other tabs no frames are painted, there a timer asks. */
  #next(turn) {
    const waiting = (this.#waiting = {});
    const once = (now, about) => {
      if (waiting !== this.#waiting || turn !== this.#turn || !this.track) return;
      this.#on.frame(about?.captureTime ?? performance.now(), () => this.#still());
      this.#next(turn);
    };
    if (turn !== this.#turn || !this.track) return;
    if (document.hidden) setTimeout(() => once(), HIDDEN_MS);
    else if ('requestVideoFrameCallback' in this.#video) this.#video.requestVideoFrameCallback(once);
    else requestAnimationFrame(() => once());
  }

  #still() {
    return 'VideoFrame' in window ? new VideoFrame(this.#video) : createImageBitmap(this.#video);
  }
}
