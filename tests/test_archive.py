"""The archive: bounded; the best and the worst stay longest, and the rest thins out with age."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from envstream.archive import SNAPSHOTS, Archive
from envstream.clip import Clip, Still


def clip(
    number: int, total: float = 0.0, size: int = 100, stream: str = "env", ended: str = "terminated"
) -> Clip:
    made = Clip(f"e{number}", stream, "title", at=1000.0 + number, made=1000.0 + number)
    values = {"episode": number, "step": 5, "return": total}
    made.add(Still(b"x" * size, "jpeg", 0.0, 0.0, 6, 4, values))
    made.finish(ended)
    return made


def filled(count: int, most: int, totals: dict[int, float] | None = None) -> Archive:
    archive = Archive(most, 10**9)
    for number in range(count):
        archive.add(clip(number, (totals or {}).get(number, 0.5)))
    return archive


def numbers(archive: Archive, stream: str = "env") -> list[int]:
    return [one.episode or 0 for one in archive.of(stream)]


@given(st.lists(st.floats(-100, 100), min_size=1, max_size=80), st.integers(3, 12))
def test_the_best_the_worst_and_the_newest_stay(totals: list[float], most: int) -> None:
    archive = Archive(most, 10**9)
    for number, total in enumerate(totals):
        archive.add(clip(number, total))
    kept = archive.of("env")
    assert len(kept) == min(most, len(totals))
    assert kept[-1].episode == len(totals) - 1
    returns = [one.total for one in kept]
    assert max(totals) in returns and min(totals) in returns


def test_the_rest_thins_out_with_age() -> None:
    kept = numbers(filled(200, 10, {0: -1.0, 1: 9.0}))
    gaps = [after - before for before, after in pairwise(kept[2:])]
    assert kept[:2] == [0, 1] and kept[-1] == 199
    assert gaps[0] > 3 * gaps[-1], kept


def test_bytes_are_bounded_over_all_streams_and_the_largest_gives_way() -> None:
    archive = Archive(100, 1000)
    for number in range(3):
        archive.add(clip(number, number, 100, "small"))
    for number in range(20):
        archive.add(clip(number, number, 100, "large"))
    assert archive.bytes <= 1000
    assert numbers(archive, "small") == [0, 1, 2]
    assert numbers(archive, "large")[-1] == 19


def test_one_clip_larger_than_all_that_is_allowed_can_still_be_looked_at() -> None:
    archive = Archive(100, 50)
    archive.add(clip(1, size=100))
    assert numbers(archive) == [1]
    archive.add(clip(2, size=100))
    assert numbers(archive) == [2]


def test_what_was_cut_is_neither_best_nor_worst() -> None:
    archive = Archive(10, 10**9)
    for number, (total, ended) in enumerate([(5.0, "cut"), (2.0, "terminated"), (3.0, "truncated")]):
        archive.add(clip(number, total, ended=ended))
    best, worst = archive.extremes("env")
    assert best is not None and worst is not None and (best.total, worst.total) == (3.0, 2.0)


def test_a_clip_is_found_by_its_name_until_it_goes() -> None:
    archive = filled(1, 3)
    assert archive.get("e0") is not None and archive.get("e1") is None


def test_of_replays_of_live_pictures_the_newest_are_kept_beside() -> None:
    archive = Archive(3, 10**9)
    for number in range(SNAPSHOTS + 2):
        archive.add(Clip(f"r{number}", "env", "title", kind="live"))
    assert archive.get("r1") is None and archive.get(f"r{SNAPSHOTS + 1}") is not None
    assert archive.of("env") == []


def test_its_edition_changes_with_its_list() -> None:
    archive = filled(1, 3)
    before = archive.edition["env"]
    archive.add(clip(5))
    assert archive.edition["env"] != before


def test_names_are_never_given_twice() -> None:
    archive = Archive(3, 10)
    assert len({archive.name("episode") for _ in range(50)}) == 50


def test_replays_of_live_pictures_count_among_the_bytes_and_go_first() -> None:
    archive = Archive(100, 1000)
    archive.add(clip(1, size=400))
    for number in range(4):
        snapshot = Clip(f"r{number}", "env", "title", kind="live")
        snapshot.add(Still(b"x" * 300, "jpeg", 0.0, 0.0, 6, 4, {}))
        archive.add(snapshot)
    assert archive.bytes <= 1000
    assert [archive.get(name) is not None for name in ("e1", "r1", "r2", "r3")] == [True, False, True, True]


def test_a_stream_that_is_gone_leaves_nothing_behind() -> None:
    archive = filled(3, 10)
    archive.forget("env")
    assert (archive.of("env"), archive.bytes, archive.edition) == ([], 0, {})


def test_a_clock_that_was_set_changes_nothing_of_what_is_kept() -> None:
    def kept(step: float) -> list[str]:
        archive = Archive(4, 10**9)
        for number in range(12):
            one = clip(number, total=0.5)
            one.at = 1000.0 + number - (step if number > 6 else 0.0)
            archive.add(one)
        return [each.name for each in archive.of("env")]

    assert kept(0.0) == kept(3600.0) == kept(-3600.0) == kept(2.0)
