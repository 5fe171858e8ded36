"""What is looked at in a batched simulator: its `render()`, a camera of its scene, or any tensor of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from envstream.errors import PictureError, SettingError

Source = str | Callable[[Any], object]

SOURCES = (
    "'render', 'camera:NAME' (a sensor of the scene; 'camera:NAME:depth' for its distances), 'visualizer', "
    "the path of a tensor below the env such as 'camera_tensors', or a callable that is given the env"
)


def view_of(env: Any, source: Source) -> View:
    """The view that `source` names.

    Raises:
        SettingError: for a source that cannot be meant.
    """
    if callable(source):
        return View(lambda: source(env), many=True)
    kind, _, rest = source.partition(":") if isinstance(source, str) else ("", "", "")
    if kind == "render" and not rest:
        return Render(env)
    if kind in ("camera", "sensor") and rest:
        name, _, output = rest.partition(":")
        return Camera(env, name, output or "rgb")
    if kind == "visualizer":
        return Visualizer(env, rest)
    if kind and not rest and ":" not in source:
        return View(lambda: _below(env, kind), many=True)
    raise SettingError.value("source", source, SOURCES)


class View:
    """Somewhere to look.

    Attributes:
        many: each env has a picture of its own in it; otherwise there is one view of all.
        depth: its values are distances.
        problem: why nothing can be seen there, and what to do; None = nothing is known against it.
        method: how its pictures are taken, in one word.
    """

    method = "tensor"
    depth = False
    problem: str | None = None

    def __init__(self, take: Callable[[], object], *, many: bool = False) -> None:
        self._take = take
        self.many = many

    def take(self) -> object:
        """What is to be seen now: a picture, or a batch of pictures where there are `many`."""
        return self._take()


class Render(View):
    """The env's own `render()`: one view, wherever the simulator's camera stands."""

    method = "render"

    def __init__(self, env: Any) -> None:
        super().__init__(env.render)
        self._env = env
        # IsaacGymEnvs' tasks follow the Gym of old, whose render mode is an argument.
        try:
            self._mode_is_given = "mode" in inspect.signature(env.render).parameters
        except (TypeError, ValueError):
            self._mode_is_given = False
        mode = getattr(env, "render_mode", "rgb_array")
        if not self._mode_is_given and (mode is None or mode == "human"):
            self.problem = (
                f"this env renders no pictures (render_mode={mode!r}); make it with render_mode='rgb_array', "
                f"or name another source: {SOURCES}"
            )

    def take(self) -> object:
        """What the env renders.

        Raises:
            PictureError: it rendered nothing.
        """
        picture = self._env.render(mode="rgb_array") if self._mode_is_given else self._env.render()
        if picture is None:
            cameras = _cameras(_innermost(self._env))
            raise PictureError(
                "render() gave no picture. Isaac Lab 3 has none to give: name a camera of the scene as source"
                f"{' (' + ', '.join(f'camera:{name}' for name in cameras) + ')' if cameras else ''}, or "
                "'visualizer'. Isaac Gym gives one with headless=False and virtual_screen_capture=True"
            )
        return picture


class Visualizer(View):
    """A visualizer of an Isaac Lab simulation that can be photographed: one view."""

    method = "visualizer"

    def __init__(self, env: Any, kind: str) -> None:
        super().__init__(lambda: _visualizer(env, kind).render_rgb_array())


class Camera(View):
    """A camera sensor of the scene, as in Isaac Lab and mjlab: a batch with a picture of each env."""

    method = "camera"

    def __init__(self, env: Any, name: str, output: str) -> None:
        super().__init__(self._output, many=True)
        self._env = env
        self._name = name
        self._wanted = output
        self.depth = output.startswith(("depth", "distance"))

    def _output(self) -> object:
        env = _innermost(self._env)
        if getattr(env, "scene", None) is None:
            raise PictureError(
                f"source='camera:{self._name}': {type(env).__name__} has no scene with sensors"
            )
        try:
            data = env.scene[self._name].data
        except KeyError:
            known = ", ".join(_cameras(env)) or "none"
            raise PictureError(
                f"source='camera:{self._name}': there is no such camera in the scene; its cameras are: "
                f"{known}. Add one to the scene's configuration; Isaac Sim also has to be started with "
                "--enable_cameras"
            ) from None
        outputs = getattr(data, "output", None)
        named = outputs if isinstance(outputs, Mapping) else vars(data)
        picture = named.get(self._wanted)
        if picture is None and self._wanted == "rgb":
            picture = named.get("rgba")
        if picture is None:
            there = ", ".join(str(name) for name, value in named.items() if value is not None) or "none"
            raise PictureError(
                f"source='camera:{self._name}': it gives no {self._wanted!r}; its outputs are: {there}. "
                f"Add {self._wanted!r} to the camera's data_types"
            )
        return picture


def _innermost(env: Any) -> Any:
    return getattr(env, "unwrapped", env)


def _cameras(env: Any) -> list[str]:
    """The names of the scene's cameras, as far as they can be told."""
    sensors = getattr(getattr(env, "scene", None), "sensors", None)
    if not isinstance(sensors, Mapping):
        return []
    return sorted(str(name) for name, sensor in sensors.items() if "Camera" in type(sensor).__name__)


def _visualizer(env: Any, kind: str) -> Any:
    there = list(getattr(getattr(_innermost(env), "sim", None), "visualizers", []))
    kinds = [str(getattr(getattr(one, "cfg", None), "visualizer_type", "unknown")) for one in there]
    for visualizer, its_kind in zip(there, kinds, strict=True):
        if hasattr(visualizer, "render_rgb_array") and kind in ("", its_kind):
            return visualizer
    raise PictureError(
        f"source='visualizer{':' + kind if kind else ''}': no such visualizer that gives pictures is active "
        f"(active: {', '.join(kinds) or 'none'}); start Isaac Lab with --viz kit or --viz newton_gl"
    )


def _below(env: Any, path: str) -> object:
    """What a path of attributes, keys and indexes leads to, from the env or from the innermost one."""
    found = env if hasattr(env, path.partition(".")[0]) else _innermost(env)
    walked = "env"
    for step in path.split("."):
        if isinstance(found, Mapping) and step in found:
            found = found[step]
        elif step.isdigit() and hasattr(found, "__getitem__"):
            found = found[int(step)]
        elif hasattr(found, step):
            found = getattr(found, step)
        else:
            raise PictureError(
                f"source={path!r}: {walked} ({type(found).__name__}) has no {step!r}; a source is {SOURCES}"
            )
        walked += f".{step}"
    return found() if inspect.isroutine(found) else found
