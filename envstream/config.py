"""Every setting of envstream once: its name, type, default, range and meaning."""

from __future__ import annotations

import dataclasses
import math
import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

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

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")

Check = Callable[[str, Any], Any]


def _boolean(key: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SettingError.value(key, value, "true or false")
    return value


def _whole(low: int, high: int) -> Check:
    def check(key: str, value: Any) -> int:
        expected = f"a whole number from {low} to {high}"
        try:
            number = operator.index(value)
        except TypeError:
            raise SettingError.value(key, value, expected) from None
        if isinstance(value, bool) or not low <= number <= high:
            raise SettingError.value(key, value, expected)
        return number

    return check


def _number(low: float, high: float) -> Check:
    def check(key: str, value: Any) -> float:
        expected = f"a number from {low:g} to {high:g}"
        if isinstance(value, (bool, str)):
            raise SettingError.value(key, value, expected)
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise SettingError.value(key, value, expected) from None
        if math.isnan(number) or not low <= number <= high:
            raise SettingError.value(key, value, expected)
        return number

    return check


def _text(key: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingError.value(key, value, "a text that is not empty")
    return value


def _choice(*choices: str) -> Check:
    def check(key: str, value: Any) -> str:
        if value not in choices:
            raise SettingError.value(key, value, "one of " + ", ".join(choices))
        return str(value)

    return check


def _or_none(check: Check) -> Check:
    return lambda key, value: None if value is None else check(key, value)


def _quality(key: str, value: Any) -> int | str:
    expected = "a JPEG quality from 1 to 100 or a preset (" + ", ".join(PRESETS) + ")"
    if isinstance(value, str):
        if value not in PRESETS:
            raise SettingError.value(key, value, expected)
        return value
    try:
        return int(_whole(1, 100)(key, value))
    except SettingError:
        raise SettingError.value(key, value, expected) from None


def _resolution(key: str, value: Any) -> list[int] | None:
    if value is None:
        return None
    expected = "[width, height], each from 16 to 16384, or null for the size as rendered"
    try:
        width, height = value
        return [_whole(16, 16384)(key, width), _whole(16, 16384)(key, height)]
    except (SettingError, TypeError, ValueError):
        raise SettingError.value(key, value, expected) from None


def _levels(key: str, value: Any) -> list[int]:
    expected = "a list of JPEG qualities from best to worst, such as [90, 70, 50]"
    try:
        levels = [_whole(1, 100)(key, level) for level in value]
    except (SettingError, TypeError):
        raise SettingError.value(key, value, expected) from None
    if not levels or levels != sorted(set(levels), reverse=True):
        raise SettingError.value(key, value, expected)
    return levels


def _envs(key: str, value: Any) -> list[int] | str:
    if value == "all":
        return "all"
    expected = "'all' or a list of sub-env indices, such as [0, 3]"
    try:
        indices = [_whole(0, 1_000_000)(key, index) for index in value]
    except (SettingError, TypeError):
        raise SettingError.value(key, value, expected) from None
    if isinstance(value, str) or not indices:
        raise SettingError.value(key, value, expected)
    return indices


def _names(key: str, value: Any) -> list[str]:
    if isinstance(value, str) or not all(isinstance(name, str) and name.strip() for name in value or ()):
        raise SettingError.value(key, value, "a list of names, such as [hub.example.org]")
    return list(value or ())


def _file(key: str, value: Any) -> str:
    path = Path(_text(key, value)).expanduser()
    if not path.is_file():
        raise SettingError.value(key, value, "an existing file")
    return str(path.resolve())


def _key(default: Any, check: Check, meaning: str, *, planned: bool = False) -> Any:
    """Declare one setting; `planned` marks a name that is reserved and checked but has no effect yet."""
    metadata = {"check": check, "help": meaning, "planned": planned}
    if isinstance(default, list):
        return dataclasses.field(default_factory=lambda: list(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class StreamConfig:
    """All settings, checked. The same names are Hydra keys under `env:` and keyword arguments of wrappers.

    Raises:
        SettingError: for a value outside its range, naming the range.
    """

    videoStream: bool = _key(False, _boolean, "stream at all; false = the wrapper is a pass-through")
    videoStreamHost: str = _key("127.0.0.1", _text, "address to listen on; other than loopback needs a token")
    videoStreamPort: int = _key(8080, _whole(0, 65535), "port; 0 = any free; taken = the next free one")
    videoStreamQuality: int | str = _key(85, _quality, "JPEG quality 1-100, or low, medium, high, ultra")
    videoStreamBufferSize: int = _key(10, _whole(1, 1000), "frames kept in the drop-oldest buffer")
    videoFps: float = _key(30.0, _number(0.1, 240), "highest capture rate, pictures a second")
    videoResolution: list[int] | None = _key(None, _resolution, "[width, height]; null = as rendered")
    videoStreamWorker: str = _key("process", _choice("process", "thread"), "where the server runs")
    videoStreamView: str = _key(
        "auto", _choice("auto", "live", "episode"), "live, episode, or auto", planned=True
    )
    videoStreamMaxOverhead: float = _key(0.05, _number(0.001, 1), "share of wall time capturing may take")
    videoStreamAdaptive: bool = _key(True, _boolean, "quality follows each viewer's link", planned=True)
    videoStreamQualityLevels: list[int] = _key(
        [90, 70, 50], _levels, "the quality ladder, best first", planned=True
    )
    videoStreamMinQuality: int = _key(30, _whole(1, 100), "lowest JPEG quality of the ladder", planned=True)
    videoStreamMaxQuality: int = _key(95, _whole(1, 100), "highest JPEG quality of the ladder", planned=True)
    videoStreamTargetBitrate: float | None = _key(
        2000, _or_none(_number(10, 1_000_000)), "kbit/s per viewer; null = no target", planned=True
    )
    videoStreamCacheSize: int = _key(3, _whole(1, 100), "encoded pictures kept per stream, newest first")
    videoStreamCodec: str = _key(
        "auto", _choice("auto", "jpeg", "h264"), "picture codec on sockets", planned=True
    )
    videoStreamEnvs: Any = _key([0], _envs, "sub-envs of a vector env that can be shown", planned=True)
    videoStreamOverlay: bool = _key(False, _boolean, "burn the status line into the pixels", planned=True)
    videoStreamName: str | None = _key(None, _or_none(_text), "the stream's name; null = the env's id")
    videoStreamToken: str | None = _key(None, _or_none(_text), "access token; auto = make one")
    videoStreamTlsCert: str | None = _key(None, _or_none(_file), "PEM certificate chain; serves https")
    videoStreamTlsKey: str | None = _key(None, _or_none(_file), "PEM private key of the certificate")
    videoStreamAllowedHosts: list[str] = _key([], _names, "further host names a reverse proxy may use")
    videoStreamMaxViewers: int = _key(1000, _whole(1, 100_000), "viewers at once; more get 503")
    videoStreamMaxSessions: int = _key(10, _whole(1, 10_000), "publishers at once", planned=True)
    videoStreamMaxMemory: float = _key(
        2048, _number(16, 1_048_576), "MB that publishers' sessions may hold", planned=True
    )
    videoStreamSessionTimeout: float = _key(
        300, _number(1, 86_400), "seconds after which a silent publisher is ended", planned=True
    )
    videoStreamMaxMessage: float = _key(32, _number(0.01, 1024), "MB in one message from outside")
    videoStreamMaxPixels: float = _key(33, _number(0.001, 1000), "megapixels in one picture")
    videoStreamCameras: list[str] | None = _key(
        None, _or_none(_names), "camera tokens that exist", planned=True
    )
    videoStreamHub: str | None = _key(
        None, _or_none(_text), "ws://, wss:// or redis:// of a hub elsewhere", planned=True
    )
    videoRecord: bool = _key(False, _boolean, "record episodes to files", planned=True)
    videoRecordFolder: str = _key("videos", _text, "where recordings go", planned=True)
    videoRecordEpisodes: str | None = _key(
        "cubic", _or_none(_text), "which episodes are recorded", planned=True
    )
    videoRecordLength: int = _key(
        0, _whole(0, 10_000_000), "frames in a recording; 0 = whole episode", planned=True
    )
    videoRecordKeep: int | None = _key(
        None, _or_none(_whole(1, 1_000_000)), "recordings kept; null = all", planned=True
    )
    viewer: bool = _key(False, _boolean, "the simulator's own window; never touched by streaming")

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = field.metadata["check"](field.name, getattr(self, field.name))
            object.__setattr__(self, field.name, value)
        if (self.videoStreamTlsCert is None) != (self.videoStreamTlsKey is None):
            raise SettingError("videoStreamTlsCert and videoStreamTlsKey go together: set both or neither")
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
        return self.videoStreamHost in LOOPBACK_HOSTS or self.videoStreamHost.startswith("127.")

    def without_effect(self) -> list[str]:
        """Settings that were moved from their default but are reserved: they have no effect yet."""
        fields = [field for field in dataclasses.fields(self) if field.metadata["planned"]]
        return [f.name for f in fields if getattr(self, f.name) != default_of(f)]


def default_of(field: dataclasses.Field[Any]) -> Any:
    """The default of one setting."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


KEYS: dict[str, dataclasses.Field[Any]] = {f.name: f for f in dataclasses.fields(StreamConfig)}


def camel_case(key: str) -> str:
    """`video_stream_port` → `videoStreamPort`; camelCase stays as it is."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), key)


def settings_of(source: object = None, /, **settings: Any) -> dict[str, Any]:
    """The settings that somebody gave, as plain data under their camelCase names.

    Args:
        source: a `StreamConfig`, an OmegaConf node (an env's node: what does not begin with `video` or
            `viewer` there belongs to the env and is left alone), a mapping, or None.
        settings: single settings; they win over `source`.

    Raises:
        SettingError: for a name that is no setting, naming the nearest one.
    """
    given: dict[str, Any] = {}
    if isinstance(source, StreamConfig):
        given.update(dataclasses.asdict(source))
    elif source is not None:
        given.update(_mapping(source))
    for key, value in settings.items():
        given[_known(key)] = value
    return given


def read(source: object = None, /, **settings: Any) -> StreamConfig:
    """A checked `StreamConfig` from a source and single settings; see `settings_of`."""
    return StreamConfig(**settings_of(source, **settings))


def register() -> None:
    """Put the settings into Hydra's ConfigStore as `env/envstream`.

    Any Hydra app may then write `defaults: [envstream, _self_]` in a file of its `env` group.
    """
    from hydra.core.config_store import ConfigStore

    node = {name: default_of(field) for name, field in KEYS.items()}
    ConfigStore.instance().store(group="env", name="envstream", node=node, provider="envstream")


def _known(key: str) -> str:
    name = camel_case(key)
    if name not in KEYS:
        raise SettingError.unknown(key, KEYS)
    return name


def _mapping(source: object) -> dict[str, Any]:
    foreign = type(source).__module__.partition(".")[0] == "omegaconf"
    if foreign:
        from omegaconf import OmegaConf

        source = OmegaConf.to_container(source, resolve=True)
    if not isinstance(source, Mapping):
        raise SettingError(
            f"settings come as a StreamConfig, a Hydra/OmegaConf node, a dict or keyword arguments, "
            f"not as {type(source).__name__}"
        )
    ours = {str(key): value for key, value in source.items()}
    if foreign:
        ours = {key: value for key, value in ours.items() if camel_case(key).startswith(("video", "viewer"))}
    return {_known(key): value for key, value in ours.items()}
