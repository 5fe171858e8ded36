"""The laws of the house: what may import what, what an import loads, and how large a thing may grow."""

from __future__ import annotations

import ast
import io
import json
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from envstream.config import KEYS, default_of

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "envstream"

# From the ground up. A module imports from lower floors only, never from its own.
FLOORS = [
    {
        "_version",
        "errors",
        "wire",
        "identity",
        "notices",
        "pyboy_game.opcodes",
        "bus.clock",
        "histogram",
        "cost",
        "descriptors",
        "private",
    },
    {"logs"},
    {"sessions.annexb", "sessions.arrival", "sessions.roll", "push.choice", "push.meter", "push.owed"},
    {"processing.timeline", "processing.worker", "detection.boxes", "detection.adaption", "timing", "stages"},
    {"detection.layouts", "detection.score", "bus.address"},
    {"bus.connection"},
    {"bus.tries"},
    {"checks", "files", "triggers", "pyboy_game.tiles", "pyboy_game.assembler", "web.frames"},
    {
        "sessions.events",
        "sessions.fields",
        "sessions.jpeg",
        "sessions.tape",
        "push.address",
        "push.sender",
    },
    {"config", "pyboy_game.build", "pyboy_game.catch", "processing.roster", "detection.model"},
    {"sessions.start", "sessions.headers", "sessions.store", "push.link", "processing.pool"},
    {"detection.onnx_model", "detection.torch_model"},
    {"detection.ultralytics_model"},
    {"detection.models"},
    {"settings", "frame", "points", "clip", "lane", "episodes", "pyboy_game.__main__", "envs.cartridge"},
    {"codec", "archive", "playback", "planes", "sessions.receipts", "push.footage"},
    {"detection.shapes", "detection.drawing", "detection.detector", "sent", "smaller", "push.live"},
    {
        "processors.overlay",
        "processors.stats",
        "processors.undistort",
        "processors.detect",
        "sessions.session",
    },
    {"testcard", "buffer", "pace", "performance", "cache", "ladder", "window", "video", "decoder"},
    {"sessions.conversation", "sessions.depot", "sessions.standing", "processing.pipeline"},
    {"track", "recording", "film", "processing.reel", "processing.source", "push.compressor"},
    {"sessions.offers", "sessions.camera"},
    {"encoder", "processing.job", "push.feed", "sessions.outcome"},
    {"viewer", "chain", "replay", "processing.child", "push.order"},
    {"stream", "push.command", "bus.demand"},
    {"report", "sessions.showing", "bus.layout"},
    {"hub", "sessions.reception", "bus.teller"},
    {"sessions.table", "bus.names"},
    {"sources.text", "sources.render", "sources.pyboy", "links.block", "links.control", "takes"},
    {"sources.pixels", "sources.subenvs", "sources.transfer", "sources.views", "links.writer"},
    {"links.backlog", "links.reader"},
    {"links.channel", "links.intake", "sources.glimpse"},
    {"links.worker", "links.rendezvous"},
    {"links.hosting", "entrance"},
    {"links.sidecar"},
    {
        "process",
        "web.asking",
        "web.exposition",
        "web.heap",
        "web.pulse",
        "web.pipes",
        "web.messages",
        "web.line",
        "web.answers",
        "web.download",
        "web.unread",
        "web.vigil",
        "web.bridge",
        "web.roles",
        "web.limits",
        "web.turns",
        "web.tls",
    },
    {"web.auth"},
    {"web.guard", "web.gate"},
    {"web.http_protocol"},
    {"web.socket_protocol"},
    {"web.door", "web.seat", "web.outbox", "bus.postbox", "bus.register", "bus.remote"},
    {"web.delivery", "bus.crew"},
    {
        "web.fanout",
        "web.streaming",
        "web.analyze",
        "web.results",
        "web.health",
        "web.metrics",
        "bus.pages",
    },
    {
        "web.episodes",
        "web.listening",
        "web.player",
        "web.recorder",
        "web.uplink",
        "web.publishers",
        "web.lookouts",
        "bus.uplinks",
    },
    {"web.cameras"},
    {"web.backend"},
    {"web.app", "web.pictures", "web.selftest", "web.sockets", "web.uplinks"},
    {"web.asgi"},
    {"web.site"},
    {"web.trainer"},
    {"web.trainers", "web.away"},
    {"web.works"},
    {"web.server"},
    {"web.child", "web.thread"},
    {"outlet"},
    {"notebook", "sources.tensors", "web.serve"},
    {"wrappers.tally", "wrappers.meter", "wrappers.tap"},
    {"wrappers.director"},
    {"wrappers.gallery", "wrappers.gym", "wrappers.ledger", "publishing"},
    {"wrappers.watch"},
    {"wrappers.batched", "recipes.rollout"},
    {"wrappers.vector", "wrappers.sb3"},
    {"streamer"},
    {"wrapping", "recipes.mjlab", "recipes.isaac"},
    {"envs", "envs.hooks", "envs.emulator"},
    {"envs.pyboy"},
    {"demo", "demo_detect"},
    {"cli"},
    {"__main__"},
    {""},
]

# Package → where it may be imported at all; what is not named here stays outside, "*" is everywhere.
DOORS: dict[str, tuple[str, ...]] = {
    "numpy": ("*",),
    "flask": ("web.",),
    "uvicorn": ("web.",),
    "uvloop": ("web.",),
    "gymnasium": ("push.live", "wrappers.", "wrapping", "recipes.", "envs", "envs.", "pyboy_game.catch"),
    "torch": (
        "sources.tensors",
        "sources.transfer",
        "recipes.",
        "detection.torch_model",
        "detection.ultralytics_model",
    ),
    "mjlab": ("recipes.mjlab",),
    "isaaclab": ("recipes.isaac",),
    "isaaclab_rl": ("recipes.isaac",),
    "isaaclab_tasks": ("recipes.isaac",),
    "isaacgym": ("recipes.isaac",),
    "isaacgymenvs": ("recipes.isaac",),
    "rsl_rl": ("recipes.",),
    "tqdm": ("recipes.",),
    "pyboy": ("envs.emulator",),
    "stable_baselines3": ("wrappers.sb3",),
    "hydra": ("settings",),
    "omegaconf": ("settings",),
    "PIL": ("codec", "sources.text", "processors.overlay", "detection.drawing"),
    "simplejpeg": ("codec",),
    "av": ("video", "decoder", "push.footage", "push.live"),
    "cryptography": ("web.tls",),
    "cv2": ("processors.undistort",),
    "onnxruntime": ("detection.onnx_model",),
    "redis": ("bus.connection",),
    "ultralytics": ("detection.ultralytics_model",),
    "websockets": ("web.", "push.link"),
    "werkzeug": ("web.",),
}

TESTED_ELSEWHERE = {
    "": "test_house",
    "__main__": "test_cli",
    "envs": "test_envs_pyboy",
    "pyboy_game.__main__": "test_pyboy_game_build",
    "pyboy_game.opcodes": "test_pyboy_game_assembler",
    "recipes.rollout": "test_recipes",
    "recipes.mjlab": "test_recipes",
    "recipes.isaac": "test_recipes",
    "_version": "test_house",
    "planes": "test_video",
    "web.server": "test_web_server",
    "web.works": "test_web_server",
    "web.backend": "test_web_app",
    "web.child": "test_web_server",
    "web.asgi": "test_web_server",
    "web.socket_protocol": "test_fuzz_sockets",
    "web.sockets": "test_web_server",
    "web.thread": "test_web_server",
    "web.seat": "test_web_pipes",
    "report": "test_stream",
    "outlet": "test_links_sidecar",
    "entrance": "test_web_server",
    "film": "test_video",
    "links.reader": "test_links_block",
    "links.writer": "test_links_block",
    "web.listening": "test_web_server",
    "web.site": "test_web_server",
    "web.answers": "test_web_uplink",
    "web.uplinks": "test_web_uplink",
    "web.trainer": "test_links_hosting",
    "web.trainers": "test_links_hosting",
    "bus.crew": "test_bus_pages",
    "bus.register": "test_bus_uplinks",
    "processing.source": "test_processing_job",
    "processing.reel": "test_processing_job",
    "processing.worker": "test_processing_pool",
    "processing.roster": "test_processing_pool",
    "sessions.events": "test_sessions_session",
    "push.owed": "test_push_sender",
    "push.feed": "test_push_order",
    "push.command": "test_push_order",
}

LONGEST_MODULE, LONGEST_FUNCTION = 300, 40  # Lines; a function's without its docstring.

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def name_of(path: Path) -> str:
    """The module's name below `envstream`; the package itself has the empty one."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {name_of(path): path.read_text(encoding="utf-8") for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(source) for name, source in SOURCES.items()}
CODE = {
    name: tree for name, tree in TREES.items() if any(not isinstance(node, ast.Expr) for node in tree.body)
}

every_module = pytest.mark.parametrize("module", TREES, ids=lambda name: name or "envstream")
every_module_with_code = pytest.mark.parametrize("module", CODE, ids=lambda name: name or "envstream")


def imported(tree: ast.AST) -> Iterator[str]:
    """The full names of what is imported anywhere below: `a.b` for `import a.b` and for `from a import b`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0 and node.module is not None, "imports name the whole way"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def ours(name: str) -> str:
    """The module of ours that a full name lies in."""
    parts = name.split(".")[1:]
    while parts and ".".join(parts) not in TREES:
        parts.pop()
    return ".".join(parts)


def definitions(tree: ast.Module) -> Iterator[Definition]:
    return (node for node in ast.walk(tree) if isinstance(node, Definition))


def length(function: Definition) -> int:
    """Lines of a function without its docstring."""
    first = function.body[0]
    documented = ast.get_docstring(function) is not None and first.end_lineno is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (function.end_lineno or 0) - function.lineno + 1 - docstring


def loaded_by(statement: str) -> set[str]:
    """The packages that a fresh interpreter has loaded after a statement."""
    code = f"{statement}\nimport sys, json; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    return {name.partition(".")[0] for name in json.loads(done.stdout)}


# --- floors and doors ----------------------------------------------------------------------------------


@every_module_with_code
def test_every_module_has_its_floor(module: str) -> None:
    assert sum(module in floor for floor in FLOORS) == 1


@every_module_with_code
def test_imports_point_down_only(module: str) -> None:
    below: set[str] = set()
    for floor in FLOORS:
        if module in floor:
            break
        below |= floor
    wanted = {ours(name) for name in imported(TREES[module]) if name.partition(".")[0] == "envstream"}
    assert wanted <= below


@every_module
def test_packages_of_others_come_in_by_their_own_door(module: str) -> None:
    strangers = []
    for name in imported(TREES[module]):
        package = name.partition(".")[0]
        if package == "envstream" or package in sys.stdlib_module_names:
            continue
        doors = DOORS.get(package, ())
        if not any(
            door in ("*", module) or (door.endswith(".") and module.startswith(door)) for door in doors
        ):
            strangers.append(name)
    assert strangers == []


# --- what an import loads ------------------------------------------------------------------------------

HEAVY = {
    "flask",
    "torch",
    "hydra",
    "omegaconf",
    "redis",
    "av",
    "cv2",
    "gymnasium",
    "numpy",
    "uvicorn",
    "pyboy",
}


def test_importing_the_package_loads_nothing_heavy() -> None:
    assert loaded_by("import envstream") & HEAVY == set()


def test_importing_the_wrapper_loads_no_server_and_no_framework() -> None:
    loaded = loaded_by("from envstream import StreamingWrapper")
    assert loaded & {"flask", "uvicorn", "torch", "hydra"} == set()
    assert "gymnasium" in loaded


def test_the_front_door_has_everything_it_names() -> None:
    import envstream

    assert {name: hasattr(envstream, name) for name in envstream.__all__} == dict.fromkeys(
        envstream.__all__, True
    )
    assert set(envstream.__all__) <= set(dir(envstream))


def test_the_front_door_has_nothing_else() -> None:
    import envstream

    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        envstream.nothing  # noqa: B018


# --- one test file a module ----------------------------------------------------------------------------


@every_module_with_code
def test_every_module_has_its_test_file(module: str) -> None:
    test = TESTED_ELSEWHERE.get(module) or "test_" + module.replace(".", "_")
    assert (ROOT / "tests" / f"{test}.py").is_file()


def test_no_module_is_excused_from_its_test_file_that_is_not_there() -> None:
    assert set(TESTED_ELSEWHERE) <= set(CODE)


# --- sizes ---------------------------------------------------------------------------------------------


@every_module
def test_no_module_is_too_long(module: str) -> None:
    assert len(SOURCES[module].splitlines()) <= LONGEST_MODULE


@every_module
def test_no_function_is_too_long(module: str) -> None:
    functions = [node for node in definitions(TREES[module]) if not isinstance(node, ast.ClassDef)]
    assert {node.name: length(node) for node in functions if length(node) > LONGEST_FUNCTION} == {}


# --- words ---------------------------------------------------------------------------------------------


@every_module
def test_every_module_says_what_it_is(module: str) -> None:
    assert ast.get_docstring(TREES[module])


@every_module
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    public = [node for node in TREES[module].body if isinstance(node, Definition) and node.name[0] != "_"]
    assert [node.name for node in public if not ast.get_docstring(node)] == []


@every_module
def test_every_docstring_begins_with_a_sentence(module: str) -> None:
    said = [ast.get_docstring(node) for node in [TREES[module], *definitions(TREES[module])]]
    firsts = [text.partition("\n")[0] for text in said if text]
    assert [line for line in firsts if not line.endswith((".", "?", "!"))] == []


@every_module
def test_nothing_is_left_to_be_done(module: str) -> None:
    words = {"TODO", "FIXME", "XXX", "NotImplementedError"}
    tokens = tokenize.generate_tokens(io.StringIO(SOURCES[module]).readline)
    assert [token.string for token in tokens if words & set(token.string.replace(":", " ").split())] == []


# --- settings ------------------------------------------------------------------------------------------


def test_the_settings_in_cfg_are_those_of_the_code() -> None:
    written = OmegaConf.load(ROOT / "cfg" / "env" / "stream.yaml")
    assert OmegaConf.to_container(written) == {name: default_of(field) for name, field in KEYS.items()}


def test_every_setting_in_cfg_has_a_comment() -> None:
    lines = (ROOT / "cfg" / "env" / "stream.yaml").read_text(encoding="utf-8").splitlines()
    bare = []
    for before, line in zip(["", *lines], lines, strict=False):
        if line.partition(":")[0] in KEYS and "#" not in line and not before.lstrip().startswith("#"):
            bare.append(line)
    assert bare == []
