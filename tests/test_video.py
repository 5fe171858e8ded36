"""H.264: every picture comes out at once, in its own colours, and decoders get what they need."""

from __future__ import annotations

import base64
import itertools
import re
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

import pages
from envstream import codec, video
from envstream.errors import EnvstreamError
from envstream.frame import Pixels
from envstream.video import VideoEncoder, crf_of

av = pytest.importorskip("av", reason='pip install "gymnasium-envstream[record]"')

browser = pages.browser

LOW_DELAY = 0x80000  # A decoder that holds nothing back.
SLICE, KEY_SLICE, SPS, PPS = 1, 5, 7, 8
COLOURS = list(itertools.product((0, 96, 255), repeat=3))


class Decoder:
    """What any decoder makes of access units; colours by the formula that the stream names."""

    def __init__(self) -> None:
        self._context: Any = av.CodecContext.create("h264", "r")
        self._context.flags |= LOW_DELAY

    def decode(self, unit: bytes) -> Any:
        (frame,) = self._context.decode(av.Packet(unit))
        return frame

    def pixels(self, unit: bytes, height: int, width: int) -> Pixels:
        planes = self.decode(unit).to_ndarray(format="yuv420p").astype(float)
        full = planes.shape[0] * 2 // 3
        grey = (planes[:full] - 16) / 219
        blue, red = (planes[full:].reshape(2, full // 2, -1).repeat(2, 1).repeat(2, 2) - 128) / 112
        # Rec. 601: 0.299 of red, 0.587 of green, 0.114 of blue.
        r, b = grey + 0.701 * red, grey + 0.886 * blue
        g = (grey - 0.299 * r - 0.114 * b) / 0.587
        picture = np.clip(np.stack([r, g, b], 2) * 255 + 0.5, 0, 255).astype(np.uint8)
        return picture[:height, :width]


def encoded(pictures: Sequence[Pixels], quality: int = 80, keys: Sequence[int] = (0,)) -> list[bytes]:
    height, width = pictures[0].shape[:2]
    encoder = VideoEncoder(width, height, 30.0, quality, flat=codec.is_flat(pictures[0]))
    return [encoder.encode(picture, index in keys) for index, picture in enumerate(pictures)]


def kinds(unit: bytes) -> list[int]:
    return [head[0] & 31 for head in re.findall(b"\0\0\1(.)", unit, re.DOTALL)]


def moving(count: int) -> list[Pixels]:
    """A red bar that goes right, on a shaded ground."""
    pictures = np.full((count, 96, 128, 3), 200, np.uint8)
    pictures[..., 1] -= np.arange(128, dtype=np.uint8) // 2
    for index, picture in enumerate(pictures):
        picture[16:80, 4 * index : 4 * index + 8] = (230, 30, 30)
    return list(pictures)


def noise(count: int) -> list[Pixels]:
    return list(np.random.default_rng(1).integers(0, 256, (count, 96, 128, 3), np.uint8))


def patches(side: int = 16) -> Pixels:
    return np.array([COLOURS], np.uint8).repeat(side, 0).repeat(side, 1)


def centres(picture: Pixels, side: int = 16) -> Pixels:
    return picture[side // 2, side // 2 :: side]


def off(one: Pixels, other: Pixels) -> int:
    return int(np.abs(one.astype(int) - other).max())


def error(pictures: Sequence[Pixels], units: Sequence[bytes]) -> float:
    """By how many levels pixels differ on average."""
    decoder = Decoder()
    shown = np.array([decoder.pixels(unit, *pictures[0].shape[:2]) for unit in units], int)
    return float(np.abs(shown - np.array(pictures)).mean())


# ---- pictures


def test_colours_are_those_of_the_picture() -> None:
    picture = patches()
    (unit,) = encoded([picture], 90)
    assert off(centres(Decoder().pixels(unit, *picture.shape[:2])), centres(picture)) <= 4


def test_the_stream_says_how_its_colours_are_meant() -> None:
    frame = Decoder().decode(encoded([patches()])[0])
    said = frame.colorspace, frame.color_range, frame.color_primaries, frame.color_trc
    assert said == (6, 1, 1, 13)  # Rec. 601's matrix, limited, Rec. 709's primaries, sRGB's curve.


def test_no_picture_is_held_back_not_even_the_first() -> None:
    decoder = Decoder()
    assert all(decoder.decode(unit) is not None for unit in encoded(moving(8)))


def test_each_picture_is_the_one_that_was_given() -> None:
    assert error(moving(8), encoded(moving(8))) < 2
    assert error(moving(8)[1:], encoded(moving(8))[:-1]) > 4


def test_noise_goes_through_as_well() -> None:
    assert error(noise(3), encoded(noise(3))) < 64  # Its colour is halved, its light is not.


@pytest.mark.parametrize("size", [(1, 1), (1, 2), (5, 3), (16, 16), (601, 401)], ids=str)
def test_any_size_can_be_encoded_and_odd_ones_are_a_pixel_larger(size: tuple[int, int]) -> None:
    height, width = size
    picture = np.full((height, width, 3), (40, 160, 90), np.uint8)
    unit, again = encoded([picture] * 2)
    decoder = Decoder()
    assert off(decoder.pixels(unit, height, width), picture) <= 4
    frame = decoder.decode(again)
    assert (frame.height, frame.width) == (height + height % 2, width + width % 2)


def test_the_edge_of_an_odd_picture_keeps_its_colour() -> None:
    picture = np.full((31, 33, 3), 255, np.uint8)
    picture[-1] = picture[:, -1] = (0, 0, 200)
    shown = Decoder().pixels(encoded([picture], 95)[0], 31, 33)
    assert max(off(shown[-1], picture[-1]), off(shown[:, -1], picture[:, -1])) <= 12


# ---- keys


def test_a_key_picture_comes_when_it_is_asked_for_and_never_else() -> None:
    found = [kinds(unit) for unit in encoded([*moving(3), *noise(1), *moving(3)], keys=(0, 5))]
    key, others = [SPS, PPS, KEY_SLICE], [[SLICE]] * 4
    assert found == [key, *others, key, [SLICE]]


def test_a_chain_decodes_from_each_of_its_key_pictures() -> None:
    pictures = moving(9)
    units = encoded(pictures, keys=(0, 3, 6))
    whole, *late = Decoder(), Decoder(), Decoder()
    for index, unit in enumerate(units):
        shown = whole.pixels(unit, 96, 128)
        for decoder, start in zip(late, (3, 6), strict=True):
            if index >= start:
                assert np.array_equal(decoder.pixels(unit, 96, 128), shown), (start, index)


def test_a_picture_that_does_not_change_takes_next_to_nothing() -> None:
    first, *_, last = map(len, encoded(moving(1) * 6))
    assert last < 40 < 120 < first


def test_the_codec_is_that_of_the_stream() -> None:
    encoder = VideoEncoder(600, 400, 30.0, 80)
    assert encoder.codec == ""
    unit = encoder.encode(np.zeros((400, 600, 3), np.uint8), True)
    start = unit.index(b"\0\0\1\x67") + 4
    assert unit[start : start + 3] == bytes((100, 0, 30))  # High, 3.0.
    encoder.encode(np.full((400, 600, 3), 99, np.uint8), True)
    assert encoder.codec == "avc1.64001e"


# ---- quality


def test_more_quality_takes_more_bytes_and_is_nearer_to_the_picture() -> None:
    pictures = [one // 2 + two // 8 for one, two in zip(moving(4), noise(4), strict=True)]
    rows = []
    for quality in (1, 30, 60, 80, 95, 100):
        units = encoded(pictures, quality)
        rows.append((sum(map(len, units)), -error(pictures, units)))
    assert all(one[0] < two[0] and one[1] < two[1] for one, two in itertools.pairwise(rows))


def test_each_quality_has_a_factor_of_its_own() -> None:
    factors = [crf_of(quality) for quality in range(1, 101)]
    assert factors == sorted(set(factors), reverse=True)


def test_a_low_rate_changes_neither_bytes_nor_looks() -> None:
    slow, usual = VideoEncoder(128, 96, 0.5, 80), VideoEncoder(128, 96, 30.0, 80)
    for index, picture in enumerate(moving(4)):
        assert slow.encode(picture, not index) == usual.encode(picture, not index)


# ---- what cannot be


@pytest.mark.parametrize("size", [(0, 5), (5, 0), (16385, 8), (8, 20000)], ids=str)
def test_a_size_that_cannot_be_is_a_sentence(size: tuple[int, int]) -> None:
    with pytest.raises(EnvstreamError, match=r"x.* cannot be H\.264: it takes 1 to 16384 pixels either way"):
        VideoEncoder(*size, 30.0, 80)


def test_a_picture_of_another_size_is_a_sentence_and_the_stream_goes_on() -> None:
    encoder = VideoEncoder(128, 96, 30.0, 80)
    first, second = moving(2)
    units = [encoder.encode(first, True)]
    with pytest.raises(EnvstreamError, match=r"of 128x96 cannot go on with a picture of 128x48"):
        encoder.encode(second[:48], False)
    assert error([first, second], [*units, encoder.encode(second, False)]) < 4


def test_what_is_no_picture_is_a_sentence() -> None:
    with pytest.raises(EnvstreamError, match=r"a picture of 8x8 cannot be H\.264: .*float64"):
        VideoEncoder(8, 8, 30.0, 80).encode(np.zeros((8, 8, 3)), True)  # type: ignore[arg-type]


def test_what_x264_says_is_a_sentence() -> None:
    encoder = VideoEncoder(8, 8, 30.0, 80)
    encoder._context.pix_fmt = "rgb24"
    with pytest.raises(EnvstreamError, match=r"a picture of 8x8 cannot be H\.264: ."):
        encoder.encode(np.zeros((8, 8, 3), np.uint8), True)


def test_after_its_end_a_stream_takes_no_more_pictures() -> None:
    encoder = VideoEncoder(128, 96, 30.0, 80)
    encoder.close()
    with pytest.raises(EnvstreamError, match="was closed"):
        encoder.encode(moving(1)[0], True)


def test_without_pyav_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    assert video.missing() is None
    monkeypatch.setitem(sys.modules, "av", None)
    video.missing.cache_clear()
    try:
        assert 'pip install "gymnasium-envstream[record]"' in (video.missing() or "")
        with pytest.raises(EnvstreamError, match="needs PyAV with x264: pip install"):
            VideoEncoder(128, 96, 30.0, 80)
    finally:
        video.missing.cache_clear()


# ---- a browser

DECODE = """async ({codec, units, width, height}) => {
  const { supported } = await VideoDecoder.isConfigSupported({ codec, optimizeForLatency: true });
  if (!supported) return null;
  const shown = [];
  const canvas = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
  await new Promise((done, error) => {
    const output = (image) => {
      canvas.drawImage(image, 0, 0, width, height, 0, 0, width, height);
      shown.push(Array.from(canvas.getImageData(0, 0, width, height).data));
      image.close();
      feed();
    };
    const decoder = new VideoDecoder({ error, output });
    // The next one only when the last has come out: a decoder that waits for more never ends.
    const feed = () => {
      if (shown.length === units.length) return done();
      const data = Uint8Array.from(atob(units[shown.length]), (c) => c.charCodeAt(0));
      const type = shown.length ? 'delta' : 'key';
      decoder.decode(new EncodedVideoChunk({ type, timestamp: shown.length, data }));
    };
    decoder.configure({ codec, optimizeForLatency: true });
    feed();
  });
  return shown;
}"""


@pytest.mark.browser
@pytest.mark.parametrize("full_colour", [False, True])
def test_a_browser_paints_each_picture_at_once_and_in_its_colours(browser: Any, full_colour: bool) -> None:
    picture = patches()[:, :-1]  # Of an odd width.
    height, width = picture.shape[:2]
    encoder = VideoEncoder(width, height, 30.0, 90, flat=True, full_colour=full_colour)
    pictures = [picture, picture[:, ::-1], picture]
    units = [base64.b64encode(encoder.encode(one, not at)).decode() for at, one in enumerate(pictures)]
    tab = browser.new_page()
    try:
        # Decoders are for pages of a server that is trusted, as this machine is.
        tab.route("**/*", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
        tab.goto("http://localhost/")
        shown = tab.evaluate(
            DECODE, {"codec": encoder.codec, "units": units, "width": width, "height": height}
        )
    finally:
        tab.close()
    if shown is None:
        pytest.skip("this browser has no decoder for H.264")
    for one, painted in zip(pictures, shown, strict=True):
        found = np.array(painted, np.uint8).reshape(height, width, 4)[..., :3]
        assert off(centres(found), centres(one)) <= 5
