"""Exposition: Prometheus' text format, which others' names must not break."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.histogram import Histogram
from envstream.web.exposition import Exposition, escaped, number


def test_a_family_is_described_before_its_samples() -> None:
    out = Exposition()
    out.family("frames_total", "counter", "Frames.\nAll of them.")
    out.add(3, stream="CartPole-v1")
    out.add(1.5)
    assert out.text() == (
        "# HELP frames_total Frames.\\nAll of them.\n# TYPE frames_total counter\n"
        'frames_total{stream="CartPole-v1"} 3\nframes_total 1.5\n'
    )


def test_of_what_is_not_known_there_is_no_sample() -> None:
    out = Exposition()
    out.family("age_seconds", "gauge", "Age.")
    out.add(None, stream="a")
    assert out.text().count("\n") == 2


def test_no_series_stands_twice() -> None:
    out = Exposition()
    out.family("viewers", "gauge", "Viewers.")
    out.add(1, stream="a")
    out.add(2, stream="a")
    assert "} 2" not in out.text()


def test_a_histogram_is_told_by_its_buckets_sum_and_count() -> None:
    histogram = Histogram((0.5,))
    histogram.observe(0.25)
    histogram.observe(2.0)
    out = Exposition()
    out.family("took_seconds", "histogram", "Took.")
    out.histogram(histogram, stage="paint")
    assert out.text().splitlines()[2:] == [
        'took_seconds_bucket{stage="paint",le="0.5"} 1',
        'took_seconds_bucket{stage="paint",le="+Inf"} 2',
        'took_seconds_sum{stage="paint"} 2.25',
        'took_seconds_count{stage="paint"} 2',
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (3.0, "3"), (0.25, "0.25"), (1e300, "1e+300"), (math.nan, "NaN")]
)
def test_numbers_have_no_more_digits_than_they_need(value: float, text: str) -> None:
    assert number(value) == text


def test_infinite_numbers_are_written_as_prometheus_reads_them() -> None:
    assert (number(math.inf), number(-math.inf)) == ("+Inf", "-Inf")


@given(st.text(st.characters(), max_size=300))
def test_no_name_breaks_out_of_its_quotation_marks_or_its_line(name: str) -> None:
    said = escaped(name)
    assert "\n" not in said
    assert '"' not in said.replace("\\\\", "").replace('\\"', "")
    said.encode()  # What is no text was replaced.
