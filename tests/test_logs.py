"""Logs: sentences, or one JSON object a line; never a token."""

from __future__ import annotations

import datetime
import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream import logs
from envstream.logs import HIDDEN, VARIABLE, Hiding, JsonFormatter, moment
from serving import training, until

FIELDS = ["time", "level", "event", "logger", "run", "stream", "pid", "message"]


def record(message: str, *arguments: object, level: int = logging.WARNING, **extra: Any) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "envstream", "levelno": level, "levelname": logging.getLevelName(level), "msg": message}
    )
    made.args, made.module, made.funcName = arguments, "uplink", "run"
    vars(made).update(extra)
    return made


def read(line: str) -> dict[str, Any]:
    assert "\n" not in line
    said: dict[str, Any] = json.loads(line)
    return said


def test_a_record_is_one_object_with_all_its_fields() -> None:
    said = read(JsonFormatter("night").format(record("envstream: %s is gone", "it", stream="CartPole")))
    assert list(said) == FIELDS
    assert (said["level"], said["event"], said["logger"]) == ("warning", "uplink.run", "envstream")
    assert (said["run"], said["stream"], said["message"]) == ("night", "CartPole", "it is gone")
    assert said["pid"] == os.getpid()
    assert read(JsonFormatter().format(record("x", event="serve.said")))["event"] == "serve.said"


def test_moments_are_as_rfc_3339_has_them() -> None:
    assert moment(1_700_000_000.25) == "2023-11-14T22:13:20.250Z"
    read_back = datetime.datetime.fromisoformat(moment(1e9).replace("Z", "+00:00"))
    assert read_back.timestamp() == 1e9


def test_an_exception_is_told_with_where_it_came_from_in_the_same_line() -> None:
    try:
        raise ValueError("with token=abc in it")
    except ValueError:
        said = read(JsonFormatter().format(record("broke", exc_info=sys.exc_info())))
    assert "ValueError" in said["exception"] and "test_logs.py" in said["exception"]
    assert "abc" not in said["exception"]


@pytest.mark.parametrize(
    "text",
    [
        "watch at http://h:1/?token=S3cret",
        "http://h/?a=1&token=S3cret&b=2",
        "Authorization: Bearer S3cret",
        "push http://h:1 --token S3cret --video x",
        "it said S3cret",
    ],
)
def test_no_token_is_told_known_or_not(text: str) -> None:
    said = JsonFormatter(hide=Hiding(["S3cret"])).format(record("%s", text))
    assert "S3cret" not in said and HIDDEN in said


def test_a_token_that_nobody_told_of_is_known_by_its_place() -> None:
    assert Hiding()("http://h/?token=made-up&x=1") == f"http://h/?token={HIDDEN}&x=1"
    assert Hiding()("a token in prose stays") == "a token in prose stays"


@given(st.text(st.characters(), max_size=100))
def test_whatever_is_said_it_is_one_line_of_json(text: str) -> None:
    line = JsonFormatter().format(record("%s", text))
    assert list(read(line)) == FIELDS
    line.encode()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[[], str]]:
    """What was said on stderr since it was asked last; afterwards all is as it was."""
    level = logs.log.level
    monkeypatch.setenv(VARIABLE, "text")
    yield lambda: capsys.readouterr().err
    logs.begin("text")
    logs.log.setLevel(level)


def test_sentences_are_written_as_they_are_unless_json_is_wanted(said: Callable[[], str]) -> None:
    logs.say("envstream: up", event="serve.said")
    assert said() == "envstream: up\n"
    logs.begin("json", "night", ["S3cret"])
    logs.begin("json", "night", ["S3cret"])  # Not twice.
    logs.say("envstream: up with S3cret", event="serve.said", fields={"stream": "a"})
    logs.stderr("push.said").write("one\n\ntwo\n")
    up, one, two = map(read, said().splitlines())
    assert (up["message"], up["event"], up["stream"]) == (f"up with {HIDDEN}", "serve.said", "a")
    assert [(each["message"], each["event"]) for each in (one, two)] == [
        ("one", "push.said"),
        ("two", "push.said"),
    ]
    logs.begin("text")
    logs.say("as before", event="x")
    assert said() == "as before\n" and logs.stderr("x") is sys.stderr


def test_processes_that_are_started_inherit_the_way(said: Callable[[], str]) -> None:
    logs.begin("json")
    code = "from envstream import logs; logs.begin(logs.inherited()); logs.log.warning('envstream: hello')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert read(done.stderr.strip())["message"] == "hello"


def test_a_server_on_its_own_says_all_it_says_in_json_and_no_token(tmp_path: Any) -> None:
    settings = ["env.videoStreamPort=0", "env.videoStreamLog=json", "env.videoStreamToken=S3cret-token"]
    command = [sys.executable, "-m", "envstream", "serve", *settings, f"env.videoStreamFolder={tmp_path}"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        first = read(process.stderr.readline().strip())
        assert first["message"].startswith("watch at http://") and first["event"] == "serve.said"
    finally:
        process.terminate()
        rest = process.communicate(timeout=60)[1]
    assert all(list(read(line)) == FIELDS for line in rest.splitlines())
    assert "S3cret-token" not in rest + json.dumps(first)


def test_a_trainers_own_warnings_stay_as_they_are() -> None:
    extra = "import logging; logging.getLogger('envstream').warning('mine')"
    with training(extra, videoStreamLog="json") as trainer:
        until(lambda: "mine" in trainer.errors, "the warning")
        watch = "envstream: watch at"
        until(lambda: any(line.startswith(watch) for line in trainer.errors), "the address, as a sentence")
