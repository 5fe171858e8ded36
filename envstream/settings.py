"""How settings are given: as keywords, mappings or Hydra nodes, in camelCase or snake_case."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envstream.config import KEYS, StreamConfig, default_of
from envstream.errors import SettingError

FOLDERS = ("videoRecordFolder", "videoStreamFolder")

# What Gymnasium's RecordVideo calls them.
RECORD_VIDEO = {
    "videoFolder": "videoRecordFolder",
    "episodeTrigger": "videoRecordEpisodes",
    "stepTrigger": "videoRecordSteps",
    "videoLength": "videoRecordLength",
    "namePrefix": "videoRecordPrefix",
}


def camel_case(key: str) -> str:
    """`video_stream_port` → `videoStreamPort`; camelCase stays as it is."""
    return re.sub(r"_([a-z0-9])", lambda match: match.group(1).upper(), key)


def settings_of(source: object = None, /, **settings: Any) -> dict[str, Any]:
    """The settings that somebody gave, checked, as plain data under their camelCase names.

    Args:
        source: a `StreamConfig`, an OmegaConf node (an env's node: what does not begin with `video` or
            `viewer` there belongs to the env and is left alone), a mapping, or None.
        settings: single settings; they win over `source`.

    Raises:
        SettingError: for a name that is no setting, naming the nearest one; for a value outside its range.
    """
    given: dict[str, Any] = {}
    if isinstance(source, StreamConfig):
        given.update(dataclasses.asdict(source))
    elif source is not None:
        given.update(_mapping(source))
    for key, value in settings.items():
        given[_known(key)] = value
    return {name: KEYS[name].metadata["check"](name, value) for name, value in given.items()}


def portable(given: Mapping[str, Any], config: StreamConfig) -> dict[str, Any]:
    """Settings as another process is told of them: without functions, which are called here.

    Folders are named so that they are found from any working directory.
    """
    folders = {name: str(Path(getattr(config, name)).expanduser().absolute()) for name in FOLDERS}
    return {name: value for name, value in given.items() if not callable(value)} | folders


def read(source: object = None, /, **settings: Any) -> StreamConfig:
    """A checked `StreamConfig` from a source and single settings; see `settings_of`."""
    return StreamConfig(**settings_of(source, **settings))


def overridden(overrides: Sequence[str], file: str | None = None) -> dict[str, Any]:
    """The settings of a file, and of a command line in Hydra's words: `env.videoStreamPort=8081`.

    Args:
        overrides: as Hydra takes them; `env.` may be left out.
        file: a YAML file whose `env:` node, or which itself, holds settings.

    Raises:
        SettingError: for what is no override, no setting, or no file of settings.
    """
    told = {} if file is None else _of_file(file)
    for text in overrides:
        told |= _of_words(text)
    return told


def register() -> None:
    """Put the settings into Hydra's ConfigStore as `env/envstream`.

    Any Hydra app may then write `defaults: [envstream, _self_]` in a file of its `env` group.
    """
    from hydra.core.config_store import ConfigStore

    node = {name: default_of(field) for name, field in KEYS.items()}
    ConfigStore.instance().store(group="env", name="envstream", node=node, provider="envstream")


def _of_file(file: str) -> dict[str, Any]:
    from omegaconf import OmegaConf

    try:
        node: Any = OmegaConf.load(file)
        node = node.get("env", node) if OmegaConf.is_dict(node) else node
        return settings_of(node)
    except SettingError:
        raise
    except Exception as error:  # The YAML library has errors of its own, which come by no door of ours.
        raise SettingError(f"{file} cannot be read as settings ({_first_line(error)})") from None


def _of_words(text: str) -> dict[str, Any]:
    from hydra.core.override_parser.overrides_parser import OverridesParser
    from hydra.errors import HydraException
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    problem = "one value for one setting is expected"
    try:
        override = OverridesParser.create().parse_override(text)
        one = not (override.is_delete() or override.is_sweep_override() or override.package)
        # Such as `${oc.env:TOKEN}`.
        node = OmegaConf.create({"value": override.value()}) if one else None
        value = OmegaConf.to_container(node, resolve=True)["value"] if node is not None else None  # type: ignore[call-overload, index]
    except (HydraException, OmegaConfBaseException) as error:
        one, problem = False, _first_line(error)
    if not one:
        raise SettingError(
            f"{text!r} is no setting ({problem}); write them as env.videoStreamPort=8081, and what has "
            "spaces or signs in it in quotes"
        )
    return settings_of({override.key_or_group.removeprefix("env."): value})


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _known(key: str) -> str:
    name = camel_case(key)
    name = RECORD_VIDEO.get(name, name)
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
        if not isinstance(ours.get("viewer"), bool):  # Isaac Lab's `viewer` is a camera's place.
            ours.pop("viewer", None)
    return {_known(key): value for key, value in ours.items()}
