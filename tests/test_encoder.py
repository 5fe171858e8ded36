"""Encode once, serve many: who asks for the same picture gets the same picture."""

from __future__ import annotations

import gc
import json
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from envstream import codec
from envstream.cache import MOST_RUNGS
from envstream.config import PRESETS
from envstream.encoder import Encoder, Picture, Rung, encoding_pool
from envstream.frame import Frame, Source
from envstream.sent import SentFrame

MakeFrame = Callable[..., Frame]


class IdlePool(ThreadPoolExecutor):
    """A pool that never gets round to its work."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        return Future()


@pytest.fixture
def encoder(pool: ThreadPoolExecutor) -> Encoder:
    return Encoder("env", 3, pool)


def test_a_picture_is_encoded_once_however_often_it_is_asked_for(encoder: Encoder, frame: MakeFrame) -> None:
    seen = frame(1)
    pictures = {id(encoder.picture(seen, Rung()).result()) for _ in range(10)}
    assert (len(pictures), encoder.encodes, encoder.hits) == (1, 1, 9)


def test_who_asks_while_a_picture_is_being_made_waits_for_the_same_one(frame: MakeFrame) -> None:
    encoder = Encoder("env", 3, IdlePool())
    assert encoder.picture(frame(1), Rung()) is encoder.picture(frame(1), Rung())


def test_a_frame_is_known_by_its_number_and_not_by_its_address(encoder: Encoder, frame: MakeFrame) -> None:
    first = encoder.picture(frame(1), Rung()).result()
    assert encoder.picture(frame(1), Rung()).result() is first
    assert encoder.picture(frame(2), Rung()).result() is not first


@pytest.mark.parametrize("rung", [Rung(quality=40), Rung(format="png"), Rung(max_width=3), Rung(scale=2)])
def test_another_rung_is_another_picture(encoder: Encoder, frame: MakeFrame, rung: Rung) -> None:
    assert encoder.picture(frame(1), Rung()).result() is not encoder.picture(frame(1), rung).result()


def test_only_the_pictures_of_the_newest_frames_are_kept(encoder: Encoder, frame: MakeFrame) -> None:
    first, second, *_ = [encoder.picture(frame(number), Rung()) for number in (1, 2, 3, 4)]
    assert encoder.picture(frame(2), Rung()) is second
    assert encoder.picture(frame(1), Rung()) is not first


def test_one_frame_keeps_a_bounded_number_of_pictures(encoder: Encoder, frame: MakeFrame) -> None:
    seen = frame(1)
    first = weakref.ref(encoder.picture(seen, Rung(max_width=16)))
    for width in range(17, 1000):
        encoder.picture(seen, Rung(max_width=width)).result()
    gc.collect()
    assert first() is None


def test_a_picture_is_fitted_to_the_widest_that_is_wanted(encoder: Encoder, frame: MakeFrame) -> None:
    picture = encoder.picture(frame(1), Rung(max_width=3)).result()
    assert (picture.width, picture.height) == codec.decode_jpeg(picture.data).shape[1::-1] == (3, 2)


def test_a_picture_is_enlarged_after_it_was_fitted(encoder: Encoder, frame: MakeFrame) -> None:
    picture = encoder.picture(frame(1), Rung(max_width=3, scale=4)).result()
    assert (picture.width, picture.height) == (12, 8)


@pytest.mark.parametrize("format", codec.ENCODERS)
def test_a_picture_knows_its_mime_type(encoder: Encoder, frame: MakeFrame, format: str) -> None:
    assert encoder.picture(frame(1), Rung(format)).result().mime == f"image/{format}"


def test_a_failure_is_told_to_who_asked_and_the_next_frame_is_encoded(
    encoder: Encoder, frame: MakeFrame
) -> None:
    with pytest.raises(KeyError):
        encoder.picture(frame(1), Rung("bmp")).result()
    assert encoder.picture(frame(2), Rung()).result().data


def test_what_encoding_took_is_counted(encoder: Encoder, frame: MakeFrame) -> None:
    pictures = [encoder.picture(frame(number), Rung()).result() for number in (1, 2)]
    assert encoder.encoded_bytes == sum(len(picture.data) for picture in pictures)
    assert encoder.encode_seconds == pytest.approx(sum(picture.encode_seconds for picture in pictures))


def test_the_pool_that_encodes_has_a_thread_at_least() -> None:
    with encoding_pool() as pool:
        assert pool.submit(lambda: 1).result() == 1


# --- metadata ------------------------------------------------------------------------------------------


def described(frame: Frame) -> dict[str, Any]:
    """The metadata as a browser reads it, which knows no NaN."""
    text = Picture("env", frame, b"", "jpeg", 3, 2, 85, 0.0015, 12.0).described + ',"sent_at":1}'
    about: dict[str, Any] = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    return about


def test_the_metadata_tells_the_story_of_the_frame(frame: MakeFrame) -> None:
    assert described(frame(7, captured=11.5, cost=0.02, episode=3)) == {
        "type": "frame_metadata",
        "stream": "env",
        "frameNumber": 7,
        "timestamp": 11.5,
        "width": 3,
        "height": 2,
        "format": "jpeg",
        "quality": 85,
        "processing_time_ms": 1.5,
        "processed_at": 12.0,
        "sourceWidth": 6,
        "sourceHeight": 4,
        "renderMs": 20.0,
        "episode": 3,
        "sent_at": 1,
    }


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_metadata_is_json_for_browsers_whatever_the_return_is(frame: MakeFrame, value: float) -> None:
    assert described(frame(1, **{"return": value}))["return"] is None


def test_metadata_takes_what_json_does_not_know_as_text(frame: MakeFrame) -> None:
    assert described(frame(1, level=complex(1, 2)))["level"] == "(1+2j)"


# --- without loss, by itself ---------------------------------------------------------------------------

NOISE = np.random.default_rng(0).integers(0, 256, (144, 160, 3), np.uint8)
TILES = np.repeat((np.indices((144, 160)).sum(0) // 16 % 4 * 85).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def test_pixel_art_is_sent_without_loss(encoder: Encoder) -> None:
    picture = encoder.picture(Frame(TILES, 1, 1.0), Rung("auto")).result()
    assert (picture.format, picture.mime) == ("webp", "image/webp")
    assert json.loads(picture.described + "}")["format"] == "webp"


def test_a_photograph_is_sent_as_jpeg(encoder: Encoder) -> None:
    assert encoder.picture(Frame(NOISE, 1, 1.0), Rung("auto")).result().format == "jpeg"


def test_what_is_remembered_is_bounded(encoder: Encoder) -> None:
    for quality in range(1, 100):
        encoder.picture(Frame(TILES.copy(), quality, 1.0), Rung("auto", quality)).result()
    assert len(encoder._smaller) <= MOST_RUNGS


# --- pictures that came compressed ---------------------------------------------------------------------


def came(quality: int, number: int = 1) -> SentFrame:
    data = codec.encode(NOISE, "jpeg", quality)
    return SentFrame(Source(data, quality), 160, 144, number, 1.0, {})


@pytest.mark.parametrize(
    "rung", [Rung("jpeg", 85), Rung("auto", 85), Rung("auto", 90), Rung("auto", 85, 160)]
)
def test_what_came_as_it_is_wanted_is_passed_on_as_it_came(encoder: Encoder, rung: Rung) -> None:
    frame = came(85)
    made = encoder.picture(frame, rung)
    assert made.done(), "nobody had to compress anything"
    picture = made.result()
    assert frame.source is not None and picture.data is frame.source.data
    assert (picture.format, picture.width, picture.height) == ("jpeg", 160, 144)
    assert encoder.encodes == 0 and "pixels" not in vars(frame)
    assert encoder.picture(frame, rung).result() is picture


@pytest.mark.parametrize(
    "rung",
    [Rung("auto", 70), Rung("png", 85), Rung("auto", 85, 100), Rung("auto", 85, scale=2), Rung("webp", 85)],
)
def test_what_is_wanted_otherwise_is_compressed_anew(encoder: Encoder, rung: Rung) -> None:
    frame = came(85)
    picture = encoder.picture(frame, rung).result()
    assert frame.source is not None and picture.data != frame.source.data
    assert encoder.encodes == 1


# --- the quality of the stream -------------------------------------------------------------------------


def test_what_a_rung_leaves_open_is_the_streams_own(encoder: Encoder, frame: MakeFrame) -> None:
    encoder.choose(PRESETS["ultra"])
    own = encoder.picture(frame(1), Rung(scale=None)).result()
    assert (own.width, own.height) == (24, 16)
    assert own is encoder.picture(frame(1), Rung(quality=92, scale=4)).result()


def test_the_time_of_an_encode_is_measured_anew_at_another_quality(
    encoder: Encoder, frame: MakeFrame
) -> None:
    assert encoder.latency is None
    picture = encoder.picture(frame(1), Rung()).result()
    assert encoder.latency == picture.encode_seconds
    encoder.choose(PRESETS["low"])
    assert encoder.latency is None
