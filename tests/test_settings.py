"""Settings are given in many forms, and a wrong name is told so."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from omegaconf import OmegaConf

from envstream.config import KEYS, StreamConfig
from envstream.errors import SettingError
from envstream.settings import camel_case, overridden, read, register, settings_of


def snake_case(key: str) -> str:
    return re.sub("[A-Z]", lambda match: "_" + match.group().lower(), key)


# --- names ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", KEYS)
def test_every_key_has_a_snake_case_name(key: str) -> None:
    assert camel_case(snake_case(key)) == key


@pytest.mark.parametrize("key", KEYS)
def test_every_key_stays_as_it_is_in_camel_case(key: str) -> None:
    assert camel_case(key) == key


def slips(key: str) -> st.SearchStrategy[str]:
    """What becomes of a key when one letter is forgotten, doubled, or changes place with the next."""
    places = st.integers(1, len(key) - 2)
    return (
        places.map(lambda at: key[:at] + key[at + 1 :])
        | places.map(lambda at: key[:at] + key[at] + key[at:])
        | places.map(lambda at: key[:at] + key[at + 1] + key[at] + key[at + 2 :])
    )


@given(st.sampled_from(sorted(KEYS)).flatmap(lambda key: st.tuples(st.just(key), slips(key))))
def test_a_slip_of_the_pen_names_the_key_that_was_meant(case: tuple[str, str]) -> None:
    meant, written = case
    assume(written not in KEYS)
    with pytest.raises(SettingError, match=f"did you mean '{meant}'"):
        read({written: 1})


@pytest.mark.parametrize("written", ["video_stream_prot", "videostreamport", "VIDEOSTREAMPORT"])
def test_other_ways_of_writing_find_the_nearest_key_too(written: str) -> None:
    with pytest.raises(SettingError, match="did you mean 'videoStreamPort'"):
        read(**{written: 1})


def test_a_name_like_no_other_lists_all_settings() -> None:
    with pytest.raises(SettingError, match=r"the settings are: videoStream, .*, viewer"):
        read(colour="red")


# --- sources -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [
        StreamConfig(videoStreamPort=9001),
        {"videoStreamPort": 9001},
        {"video_stream_port": 9001},
        OmegaConf.create({"video_stream_port": 9001}),
        OmegaConf.create({"base": 9000, "videoStreamPort": "${.other}", "other": 9001}),
    ],
    ids=["StreamConfig", "dict", "snake_case dict", "OmegaConf", "OmegaConf with an interpolation"],
)
def test_settings_come_in_every_form(source: object) -> None:
    assert read(source).videoStreamPort == 9001


def test_a_single_setting_wins_over_the_source() -> None:
    assert read({"videoStreamPort": 1}, video_stream_port=2).videoStreamPort == 2


def test_what_was_not_given_is_not_among_the_settings_given() -> None:
    assert settings_of({"video_fps": 20}, videoStream=True) == {"videoFps": 20, "videoStream": True}


def test_the_settings_given_can_be_sent_to_another_process() -> None:
    given = settings_of(videoStreamPort=np.int64(9001), videoResolution=(np.int64(64), 48))
    assert json.loads(json.dumps(given)) == {"videoStreamPort": 9001, "videoResolution": [64, 48]}


def test_a_file_among_the_settings_given_is_found_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.pem").touch()
    monkeypatch.chdir(tmp_path)
    assert Path(settings_of(videoStreamTlsCert="a.pem")["videoStreamTlsCert"]).is_absolute()


def test_an_env_node_of_hydra_may_hold_keys_of_its_own() -> None:
    node = OmegaConf.create({"id": "CartPole-v1", "numEnvs": 4, "videoStream": True})
    assert settings_of(node) == {"videoStream": True}


def test_the_simulators_own_window_is_a_setting_of_an_env_node() -> None:
    assert settings_of(OmegaConf.create({"numEnvs": 4, "viewer": True})) == {"viewer": True}


def test_a_misspelt_key_of_an_env_node_is_refused() -> None:
    with pytest.raises(SettingError, match="did you mean 'videoStreamPort'"):
        read(OmegaConf.create({"videoStreamPrt": 1}))


def test_a_dict_holds_nothing_but_settings() -> None:
    with pytest.raises(SettingError, match="'id' is not a setting"):
        read({"id": "CartPole-v1"})


def test_what_is_no_source_of_settings_is_named() -> None:
    with pytest.raises(SettingError, match="not as int"):
        read(8080)


def test_hydra_finds_the_settings_in_its_env_group() -> None:
    from hydra.core.config_store import ConfigStore

    register()
    node = ConfigStore.instance().load("env/envstream.yaml").node
    assert OmegaConf.to_container(node) == dataclasses.asdict(StreamConfig())


# --- words and files of a command line -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "told"),
    [
        ("env.videoStreamPort=8081", {"videoStreamPort": 8081}),
        ("videoStreamPort=8081", {"videoStreamPort": 8081}),
        ("+env.videoStreamPort=8081", {"videoStreamPort": 8081}),
        ("++env.video_stream_port=8081", {"videoStreamPort": 8081}),
        ("env.videoStreamKeepFrames=true", {"videoStreamKeepFrames": True}),
        ("env.videoStreamToken=null", {"videoStreamToken": None}),
        ("env.videoStreamToken='a b=c'", {"videoStreamToken": "a b=c"}),
        ("env.videoStreamFolder=/some/where", {"videoStreamFolder": "/some/where"}),
        ("env.videoStreamOffers=[a.b,c.d]", {"videoStreamOffers": ["a.b", "c.d"]}),
        (
            "env.videoStreamProcessors=[stats,{name: undistort, strength: -0.18}]",
            {"videoStreamProcessors": [{"name": "stats"}, {"name": "undistort", "strength": -0.18}]},
        ),
    ],
)
def test_a_command_line_speaks_as_hydra_does(word: str, told: dict[str, object]) -> None:
    assert overridden([word]) == told


def test_a_word_may_name_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGE_TOKEN", "from the environment")
    assert overridden(["env.videoStreamToken=${oc.env:PAGE_TOKEN}"]) == {
        "videoStreamToken": "from the environment"
    }


def test_the_last_word_counts() -> None:
    assert overridden(["videoStreamPort=1", "env.videoStreamPort=2"]) == {"videoStreamPort": 2}


@pytest.mark.parametrize(
    "word",
    [
        "",
        "a b",
        "videoStreamPort",
        "--port=8081",
        "~env.videoStreamPort",
        "~env.videoStreamPort=8081",
        "env.videoStreamPort=8081,8082",
        "env.videoStreamPort=range(1,3)",
        "env@there.videoStreamPort=8081",
        "env.videoStreamFolder=~/sessions",
        "env.videoStreamPort=${nothing}",
        "env.videoStreamToken=${oc.env:NO_SUCH_VARIABLE_OF_OURS}",
        "env.videoStreamFolder=${hydra:runtime.cwd}",
        "env.videoStreamOffers=[a",
    ],
)
def test_what_is_no_word_is_told_how_words_are_written(word: str) -> None:
    with pytest.raises(SettingError) as refusal:
        overridden([word])
    said = str(refusal.value)
    assert said.startswith(f"{word!r} is no setting (") and "env.videoStreamPort=8081" in said
    assert "\n" not in said


@pytest.mark.parametrize("word", ["env.videoStreamPrt=1", "video_stream_prt=1", "env.videoStreamPort.a=1"])
def test_a_word_for_no_setting_names_the_nearest(word: str) -> None:
    with pytest.raises(SettingError, match="did you mean 'videoStreamPort'"):
        overridden([word])


def test_a_word_with_a_wrong_value_names_what_was_expected() -> None:
    with pytest.raises(SettingError, match="videoStreamPort='high': expected a whole number"):
        overridden(["env.videoStreamPort=high"])


@given(st.text(max_size=30) | st.text(alphabet="env.=[]{}~+,:'${}()a1 \\\"", max_size=20))
def test_whatever_stands_on_a_command_line_is_settings_or_a_setting_error(word: str) -> None:
    try:
        told = overridden([word])
    except SettingError:
        return
    assert set(told) <= set(KEYS)


@pytest.mark.parametrize(
    "text",
    [
        "env:\n  videoStreamPort: 8081\n  id: CartPole-v1\n",
        "videoStreamPort: 8081\n",
        "defaults: [stream]\nport: 8081\nenv:\n  video_stream_port: ${port}\n",
    ],
    ids=["with an env node", "without one", "with an interpolation"],
)
def test_a_file_holds_settings_and_words_win_over_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    assert overridden([], str(file)) == {"videoStreamPort": 8081}
    assert overridden(["env.videoFps=5", "env.videoStreamPort=1"], str(file)) == {
        "videoStreamPort": 1,
        "videoFps": 5.0,
    }


@pytest.mark.parametrize("text", ["a: [", "3", "env:\n  videoStreamPort: ${nothing}\n", "\0"])
def test_a_file_that_is_none_of_settings_is_named(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingError) as refusal:
        overridden([], str(file))
    said = str(refusal.value)
    assert said.startswith(f"{file} cannot be read as settings (") and "\n" not in said


@pytest.mark.parametrize("text", ["- a\n- b\n", "env: 3\n"])
def test_a_file_with_something_else_in_it_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text(text)
    with pytest.raises(SettingError, match=r"not as (list|int)"):
        overridden([], str(file))


@pytest.mark.parametrize("path", ["", "missing.yaml"])
def test_a_file_that_is_not_there_is_named(path: str, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be read as settings"):
        overridden([], str(tmp_path / path))


def test_a_wrong_key_in_a_file_names_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "settings.yaml"
    file.write_text("env:\n  videoStreamPrt: 8081\n")
    with pytest.raises(SettingError, match="did you mean 'videoStreamPort'"):
        overridden([], str(file))


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "settings.yaml").touch()
    assert overridden([], str(tmp_path / "settings.yaml")) == {}
