"""Settings: every key has one name, one default and one range, and a wrong one is told so."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envstream.config import KEYS, StreamConfig
from envstream.errors import SettingError
from envstream.settings import read

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.just(10**400) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=4,
)


@pytest.mark.parametrize("key", KEYS)
def test_every_key_says_what_it_means(key: str) -> None:
    assert KEYS[key].metadata["help"].strip()


# --- values --------------------------------------------------------------------------------------------


def test_the_defaults_are_the_documented_ones() -> None:
    settings = StreamConfig()
    assert settings.videoStream is False
    assert (settings.videoStreamHost, settings.videoStreamPort) == ("127.0.0.1", 8080)
    assert (settings.videoStreamQuality, settings.videoStreamBufferSize, settings.videoFps) == (85, 10, 30.0)
    assert (settings.videoStreamMaxOverhead, settings.videoStreamWorker) == (0.05, "process")
    assert settings.videoStreamQualityLevels == [90, 70, 50]


def test_two_configs_do_not_share_a_list() -> None:
    assert StreamConfig().videoStreamEnvs is not StreamConfig().videoStreamEnvs


def test_settings_do_not_change_once_read() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        StreamConfig().videoStreamPort = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("videoStream", "yes", "true or false"),
        ("videoStream", 1, "true or false"),
        ("videoStreamHost", "", "a text that is not empty"),
        ("videoStreamHost", None, "a text that is not empty"),
        ("videoStreamPort", 65536, "a whole number from 0 to 65535"),
        ("videoStreamPort", -1, "a whole number from 0 to 65535"),
        ("videoStreamPort", True, "a whole number from 0 to 65535"),
        ("videoStreamPort", "8080", "a whole number from 0 to 65535"),
        ("videoStreamPort", 8080.0, "a whole number from 0 to 65535"),
        ("videoStreamQuality", 0, "a JPEG quality from 1 to 100 or a preset (low, medium, high, ultra)"),
        ("videoStreamQuality", "best", "a JPEG quality from 1 to 100 or a preset (low, medium, high, ultra)"),
        ("videoFps", 0, "a number from 0.1 to 240"),
        ("videoFps", float("nan"), "a number from 0.1 to 240"),
        ("videoFps", "30", "a number from 0.1 to 240"),
        ("videoFps", True, "a number from 0.1 to 240"),
        pytest.param("videoFps", 10**400, "a number from 0.1 to 240", id="a huge number"),
        ("videoResolution", [640], "[width, height]"),
        ("videoResolution", [640, 15], "[width, height]"),
        ("videoResolution", 640, "[width, height]"),
        ("videoStreamWorker", "fork", "one of process, thread"),
        ("videoStreamView", "both", "one of auto, live, episode"),
        ("videoStreamMaxOverhead", 0, "a number from 0.001 to 1"),
        ("videoStreamQualityLevels", [], "best to worst"),
        ("videoStreamQualityLevels", [50, 70], "best to worst"),
        ("videoStreamQualityLevels", [90, 90], "best to worst"),
        ("videoStreamQualityLevels", 90, "best to worst"),
        ("videoStreamEnvs", [], "'all' or a list of sub-env indices"),
        ("videoStreamEnvs", [-1], "'all' or a list of sub-env indices"),
        ("videoStreamEnvs", "0", "'all' or a list of sub-env indices"),
        ("videoStreamAllowedHosts", "hub.example.org", "a list of names"),
        ("videoStreamAllowedHosts", [""], "a list of names"),
        ("videoStreamAllowedHosts", 5, "a list of names"),
        ("videoStreamTlsCert", "/nowhere.pem", "an existing file"),
        ("videoStreamTrustedProxies", "10.0.0.1", "a list of addresses or networks"),
        ("videoStreamTrustedProxies", ["proxy.example"], "a list of addresses or networks"),
        ("videoStreamTrustedProxies", [7], "a list of addresses or networks"),
        ("videoStreamMaxHandshakes", -1, "a number from 0 to 10000"),
        ("videoStreamCameras", "cam-1", "a list of names"),
        ("videoStreamCameras", [1], "a list of names"),
        ("videoStreamDetect", "/nowhere.onnx", "shapes, or the file of a model"),
        ("videoStreamDetect", "", "shapes, or the file of a model"),
        ("videoStreamDetect", True, "shapes, or the file of a model"),
        ("videoStreamDetectSize", [640, 320], "[least, greatest], each from 32 to 4096"),
        ("videoStreamDetectSize", [31, 320], "[least, greatest], each from 32 to 4096"),
        ("videoStreamDetectSize", [320, 4097], "[least, greatest], each from 32 to 4096"),
        ("videoStreamDetectSize", [320.5, 640], "[least, greatest], each from 32 to 4096"),
        ("videoStreamDetectSize", 320, "[least, greatest], each from 32 to 4096"),
        ("videoStreamDetectConfidence", [0.0, 0.5], "[least, greatest], each from 0.01 to 1"),
        ("videoStreamDetectConfidence", [0.15, 1.5], "[least, greatest], each from 0.01 to 1"),
        ("videoStreamDetectConfidence", [0.15], "[least, greatest], each from 0.01 to 1"),
        ("videoStreamDetectFps", [0, 30], "[least, greatest], each from 0.1 to 240"),
        ("videoStreamDetectFps", [1, 241], "[least, greatest], each from 0.1 to 240"),
        ("videoStreamDetectFps", ["1", 30], "[least, greatest], each from 0.1 to 240"),
        ("videoStreamDetectBudget", 0, "a number from 0.001 to 10"),
        ("videoStreamDetectBudget", 11, "a number from 0.001 to 10"),
        ("videoStreamMinQuality", 96, "at most videoStreamMaxQuality (95)"),
    ],
)
def test_a_value_out_of_range_is_refused_and_the_range_is_named(key: str, value: Any, expected: str) -> None:
    with pytest.raises(SettingError) as refusal:
        read({key: value})
    assert str(refusal.value).startswith(f"{key}={value!r}: expected ")
    assert expected in str(refusal.value)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("videoStreamPort", 0),
        ("videoStreamQuality", "ultra"),
        ("videoStreamEnvs", "all"),
        ("videoStreamEnvs", [0, 3]),
        ("videoResolution", [640, 480]),
        ("videoStreamTargetBitrate", None),
        ("videoStreamCameras", ["cam-1"]),
        ("videoStreamCameras", []),
        ("videoStreamDetect", "shapes"),
        ("videoStreamDetect", None),
        ("videoStreamDetectSize", [320, 320]),
        ("videoStreamDetectConfidence", [0.01, 1.0]),
        ("videoStreamDetectFps", [0.1, 240.0]),
        ("videoStreamDetectBudget", 0.001),
        ("videoStreamToken", "auto"),
        ("videoStreamTokens", None),
        ("videoStreamTokens", {"view": "auto", "admin": "auto"}),
        ("videoStreamTokens", {"publish": "12345678"}),
        ("videoStreamTlsCert", "auto"),
        ("videoStreamTrustedProxies", ["10.0.0.7/32", "2001:db8::/48"]),
        ("videoStreamMaxHandshakes", None),
        ("videoStreamMaxOverhead", 1.0),
    ],
)
def test_a_value_within_its_range_is_kept(key: str, value: Any) -> None:
    assert getattr(read({key: value}), key) == value


def test_numbers_of_numpy_become_plain_numbers() -> None:
    settings = read(
        videoStreamPort=np.int64(9001), videoFps=np.float32(20), videoResolution=(64, np.int32(48))
    )
    assert json.dumps(dataclasses.asdict(settings))
    assert settings.videoResolution == [64, 48]


@pytest.mark.parametrize("key", KEYS)
@settings(max_examples=40)
@given(value=JSON)
def test_any_value_is_taken_or_refused_with_a_sentence(key: str, value: Any) -> None:
    try:
        taken = StreamConfig(**{key: value})
    except SettingError:
        return
    assert json.dumps(dataclasses.asdict(taken))


@pytest.mark.parametrize(
    ("tokens", "said"),
    [
        ("many-eyes", "tokens by role"),
        (["many-eyes"], "tokens by role"),
        ({"views": "many-eyes"}, "roles are view, control, publish, admin"),
        ({"view": "seven77"}, "the role view is to be a text of at least 8"),
        ({"view": 12345678}, "the role view is to be a text of at least 8"),
        ({"view": "        "}, "the role view is to be a text of at least 8"),
    ],
)
def test_tokens_by_role_that_cannot_be_meant_are_refused_and_not_shown(tokens: Any, said: str) -> None:
    with pytest.raises(SettingError, match=said) as refusal:
        read(videoStreamTokens=tokens)
    assert "many-eyes" not in str(refusal.value) and "seven77" not in str(refusal.value)


def test_a_role_without_a_token_is_no_role() -> None:
    assert read(videoStreamTokens={"view": None}).videoStreamTokens is None
    assert read(videoStreamTokens={"view": None, "admin": "auto"}).videoStreamTokens == {"admin": "auto"}


@pytest.mark.parametrize(
    "settings",
    [
        {"videoStreamTokens": {"view": "the-same-one", "admin": "the-same-one"}},
        {"videoStreamToken": "the-same-one", "videoStreamTokens": {"view": "the-same-one"}},
    ],
)
def test_a_token_has_one_role(settings: dict[str, Any]) -> None:
    with pytest.raises(SettingError, match="are to differ"):
        read(settings)


def test_certificate_and_key_go_together(tmp_path: Path) -> None:
    file = tmp_path / "cert.pem"
    file.touch()
    with pytest.raises(SettingError, match="go together"):
        read(videoStreamTlsCert=str(file))


def test_a_relative_file_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.pem").touch()
    monkeypatch.chdir(tmp_path)
    settings = read(videoStreamTlsCert="a.pem", videoStreamTlsKey="a.pem")
    assert settings.videoStreamTlsCert == str(tmp_path.resolve() / "a.pem")


# --- what follows from them ----------------------------------------------------------------------------


def test_a_preset_stands_for_scale_rate_and_compression() -> None:
    settings = StreamConfig(videoStreamQuality="medium")
    assert settings.preset == (2, 10.0, 75)
    assert settings.capture_fps == 10.0


def test_the_capture_rate_is_the_lower_of_two() -> None:
    assert StreamConfig(videoStreamQuality="ultra", videoFps=12).capture_fps == 12


def test_a_quality_in_numbers_leaves_the_rate_alone() -> None:
    assert StreamConfig(videoStreamQuality=40, videoFps=12).preset == (1, 12, 40)


def test_megapixels_become_pixels() -> None:
    assert StreamConfig(videoStreamMaxPixels=0.5).max_pixels == 500_000


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "localhost", "::1"])
def test_loopback_addresses_are_known(host: str) -> None:
    assert StreamConfig(videoStreamHost=host).loopback


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "127.example.org", "localhost.example.org"])
def test_other_addresses_are_not_loopback(host: str) -> None:
    assert not StreamConfig(videoStreamHost=host).loopback


def test_another_quality_leaves_everything_else_as_it_is() -> None:
    before = StreamConfig(videoFps=12, videoStreamName="a")
    after = before.with_quality("low")
    assert (before.videoStreamQuality, after.videoStreamQuality, after.capture_fps) == (85, "low", 5.0)
    assert after == dataclasses.replace(before, videoStreamQuality="low")


@pytest.mark.parametrize("quality", ["best", 0, 101, None, True, 8.5])
def test_another_quality_is_checked(quality: Any) -> None:
    with pytest.raises(SettingError, match="low, medium, high, ultra"):
        StreamConfig().with_quality(quality)
