"""Every setting of envstream once: its name, type, default, range and meaning."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, NamedTuple

from envstream import checks, triggers
from envstream.checks import Check
from envstream.errors import SettingError


class Preset(NamedTuple):
    """A named point of quality: server-side enlargement, pictures a second, JPEG quality."""

    scale: int
    fps: float
    compression: int


PRESETS: dict[str, Preset] = {
    "low": Preset(1, 5.0, 60),
    "medium": Preset(2, 10.0, 75),
    "high": Preset(3, 15.0, 85),
    "ultra": Preset(4, 30.0, 92),
}


def _key(default: Any, check: Check, meaning: str, *, secret: bool = False) -> Any:
    """Declare one setting; what is secret is written nowhere."""
    metadata = {"check": check, "help": meaning, "secret": secret}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class StreamConfig:
    """All settings, checked. The same names are Hydra keys under `env:` and keyword arguments of wrappers.

    Raises:
        SettingError: for a value outside its range, naming the range.
    """

    videoStream: bool = _key(False, checks.boolean, "stream at all; false = the wrapper is a pass-through")
    videoStreamHost: str = _key(
        "127.0.0.1", checks.text, "address to listen on; other than loopback needs a token"
    )
    videoStreamPort: int = _key(8080, checks.whole(0, 65535), "port; 0 = any free; taken = the next free one")
    videoStreamQuality: int | str = _key(
        85, checks.quality_or(PRESETS), "JPEG quality 1-100, or low, medium, high, ultra"
    )
    videoStreamBufferSize: int = _key(10, checks.whole(1, 1000), "frames kept in the drop-oldest buffer")
    videoFps: float = _key(30.0, checks.number(0.1, 240), "highest capture rate, pictures a second")
    videoResolution: list[int] | None = _key(None, checks.resolution, "[width, height]; null = as rendered")
    videoStreamWorker: str = _key("process", checks.choice("process", "thread"), "where the server runs")
    videoStreamView: str = _key(
        "auto",
        checks.choice("auto", "live", "episode"),
        "live, episode (whole episodes at natural speed), or auto: what fits the training's speed",
    )
    videoStreamReplay: float = _key(60, checks.number(0, 3600), "seconds of the live picture to replay")
    videoStreamKeepEpisodes: int = _key(200, checks.whole(1, 10_000), "watched episodes kept for replay")
    videoStreamKeepMemory: float = _key(
        256, checks.number(1, 65_536), "MB of pictures kept for replay, of all streams together"
    )
    videoStreamMaxOverhead: float = _key(
        0.05, checks.number(0.001, 1), "share of wall time capturing may take"
    )
    videoStreamAdaptive: bool = _key(True, checks.boolean, "quality follows each viewer's link")
    videoStreamQualityLevels: list[int] = _key(
        [90, 70, 50], checks.levels, "steps of quality below videoStreamQuality, best first"
    )
    videoStreamMinQuality: int = _key(30, checks.whole(1, 100), "lowest quality that a slow link gets")
    videoStreamMaxQuality: int = _key(
        95, checks.whole(1, 100), "highest quality; what stands still is sent in it once"
    )
    videoStreamTargetBitrate: float | None = _key(
        None, checks.or_none(checks.number(10, 1_000_000)), "kbit/s that a viewer is sent at most; null = any"
    )
    videoStreamCacheSize: int = _key(
        3, checks.whole(1, 100), "frames of a stream whose encoded pictures are kept"
    )
    videoStreamCacheMemory: float = _key(
        64, checks.number(0.1, 65_536), "MB of encoded pictures kept, of all streams together"
    )
    videoStreamCodec: str = _key(
        "auto",
        checks.choice("auto", "jpeg", "h264"),
        "auto, jpeg or h264; H.264 needs a browser that decodes it, JPEG goes to the others",
    )
    videoStreamEnvs: Any = _key([0], checks.envs, "sub-envs of a vector env that can be shown, or all")
    videoStreamOverlay: bool = _key(False, checks.boolean, "burn the status line into what is shown")
    videoStreamName: str | None = _key(
        None, checks.or_none(checks.text), "the stream's name; null = the env's id"
    )
    videoStreamToken: str | None = _key(
        None, checks.or_none(checks.text), "access token; auto = make one", secret=True
    )
    videoStreamLog: str = _key(
        "text",
        checks.choice("text", "json"),
        "how the server's processes log: text, or json: one object a line",
    )
    videoStreamTokens: dict[str, str] | None = _key(
        None,
        checks.tokens,
        "tokens by role: {view, control, publish, admin}, 8 characters at least, or auto",
        secret=True,
    )
    videoStreamTlsCert: str | None = _key(
        None,
        checks.certificate,
        "PEM certificate chain; serves https; auto = one is made, signed by itself",
        secret=True,
    )
    videoStreamTlsKey: str | None = _key(
        None, checks.or_none(checks.file), "PEM private key of the certificate", secret=True
    )
    videoStreamAllowedHosts: list[str] = _key([], checks.names, "further host names a reverse proxy may use")
    videoStreamTrustedProxies: list[str] = _key(
        [], checks.networks, "addresses of proxies whose X-Forwarded-For names the client"
    )
    videoStreamMaxHandshakes: float | None = _key(
        20,
        checks.or_none(checks.number(0, 10_000)),
        "connections that one address may begin a second; null or 0 = any; this machine any",
    )
    videoStreamMaxViewers: int = _key(1000, checks.whole(1, 100_000), "viewers at once; more get 503")
    videoStreamFolder: str = _key("sessions", checks.text, "where what publishers sent, and its results, go")
    videoStreamMaxSessions: int = _key(10, checks.whole(1, 10_000), "publishers at once")
    videoStreamMaxMemory: float = _key(
        2048, checks.number(16, 1_048_576), "MB of pictures on their way from publishers to disk"
    )
    videoStreamMaxDisk: float = _key(
        10_240, checks.number(1, 1_000_000_000), "MB that videoStreamFolder may grow to"
    )
    videoStreamSessionTimeout: float = _key(
        300, checks.number(1, 86_400), "seconds after which a silent publisher is ended"
    )
    videoStreamProcessors: list[Any] = _key(
        [], checks.processors, "what every publisher's pictures go through: names, or name and options"
    )
    videoStreamOffers: list[str] = _key(
        [], checks.names, "further processors, by dotted path, that publishers may name"
    )
    videoStreamWorkers: int | None = _key(
        None, checks.or_none(checks.whole(1, 256)), "processes that process; null = one a core"
    )
    videoStreamKeepFrames: bool = _key(False, checks.boolean, "keep pictures as they came, beside the video")
    videoStreamMaxMessage: float = _key(32, checks.number(0.01, 1024), "MB in one message from outside")
    videoStreamMaxPixels: float = _key(33, checks.number(0.001, 1000), "megapixels in one picture")
    videoStreamCameras: list[str] | None = _key(
        None,
        checks.or_none(checks.names),
        "tokens of the cameras that there are; null = any, where the page itself needs no token",
        secret=True,
    )
    videoStreamDetect: str | None = _key(
        None, checks.or_none(checks.model), "find things in pictures: shapes, or the file of a model"
    )
    videoStreamDetectSize: list[int] = _key(
        [320, 640],
        checks.span(checks.whole(32, 4096), 32, 4096),
        "least and greatest size at which things are looked for",
    )
    videoStreamDetectConfidence: list[float] = _key(
        [0.15, 0.5],
        checks.span(checks.number(0.01, 1), 0.01, 1),
        "how sure at least, and where there is too much to do",
    )
    videoStreamDetectFps: list[float] = _key(
        [1.0, 30.0],
        checks.span(checks.number(0.1, 240), 0.1, 240),
        "least and greatest number of looks a second",
    )
    videoStreamDetectBudget: float = _key(
        0.05, checks.number(0.001, 10), "seconds that one look may take before it is made smaller"
    )
    videoStreamHub: str | None = _key(
        None,
        checks.or_none(checks.hub),
        "where this is shown instead: ws:// or wss:// of a server, or redis:// or rediss:// for many of them",
        secret=True,
    )
    videoStreamRun: str | None = _key(
        None, checks.or_none(checks.text), "what the run is called; null = after the job, or the script"
    )
    videoRecord: bool = _key(False, checks.boolean, "record episodes to files")
    videoRecordFolder: str = _key("videos", checks.text, "where recordings go")
    videoRecordEpisodes: Any = _key(
        "cubic", triggers.check, "which episodes: cubic, all, every: 100, best, a dotted path; null = none"
    )
    videoRecordSteps: Any = _key(
        None, triggers.check, "at which steps a recording begins: every: 10000, a dotted path"
    )
    videoRecordLength: int = _key(
        0, checks.whole(0, 10_000_000), "pictures in a recording; 0 = until its episode ends"
    )
    videoRecordKeep: int | None = _key(
        None, checks.or_none(checks.whole(1, 1_000_000)), "newest recordings kept; null = all"
    )
    videoRecordPrefix: str = _key("rl-video", checks.text, "what the names of recordings begin with")
    videoRecordOverlay: bool = _key(False, checks.boolean, "burn the status line into recordings")
    viewer: bool = _key(False, checks.boolean, "the simulator's own window; never touched by streaming")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = field.metadata["check"](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if (self.videoStreamTlsCert in (None, "auto")) != (self.videoStreamTlsKey is None):
            raise SettingError(
                "videoStreamTlsCert and videoStreamTlsKey go together: set both or neither; "
                "videoStreamTlsCert=auto makes its own key"
            )
        fixed = [text for text in (self.videoStreamTokens or {}).values() if text != "auto"]
        if self.videoStreamToken in fixed or len(set(fixed)) < len(fixed):
            raise SettingError(
                "videoStreamToken and those of videoStreamTokens are to differ: a token has one role"
            )
        if self.videoStreamMinQuality > self.videoStreamMaxQuality:
            raise SettingError.value(
                "videoStreamMinQuality",
                self.videoStreamMinQuality,
                f"at most videoStreamMaxQuality ({self.videoStreamMaxQuality})",
            )

    @property
    def preset(self) -> Preset:
        """Scale, fps cap and JPEG quality that `videoStreamQuality` stands for."""
        quality = self.videoStreamQuality
        return PRESETS[quality] if isinstance(quality, str) else Preset(1, self.videoFps, quality)

    def with_quality(self, quality: int | str) -> StreamConfig:
        """The same settings at another quality.

        Raises:
            SettingError: for what is neither a JPEG quality nor a preset.
        """
        checked = KEYS["videoStreamQuality"].metadata["check"]("videoStreamQuality", quality)
        # Copied, not made anew: the other settings were checked, and a file among them may be gone since.
        other = copy.copy(self)
        object.__setattr__(other, "videoStreamQuality", checked)
        return other

    @property
    def capture_fps(self) -> float:
        """Highest capture rate, pictures a second: the lower of `videoFps` and the preset's."""
        return min(self.videoFps, self.preset.fps)

    @property
    def max_pixels(self) -> int:
        """Most pixels in one picture."""
        return int(self.videoStreamMaxPixels * 1_000_000)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the server."""
        try:
            return ip_address(self.videoStreamHost).is_loopback
        except ValueError:
            return self.videoStreamHost == "localhost"


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of one setting."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


KEYS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(StreamConfig)}

SECRETS = frozenset(name for name, field in KEYS.items() if field.metadata["secret"])
"""Settings that open something, or name what does."""
