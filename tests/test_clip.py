"""A clip: pictures with their moments and values."""

from __future__ import annotations

from envstream.clip import Clip, Still


def still(time: float, data: bytes = b"x", **values: object) -> Still:
    return Still(data, "jpeg", time, 100 + time, 60, 40, values)


def clip(times: list[float], **fields: object) -> Clip:
    made = Clip("e1", "env", "CartPole-v1", **fields)  # type: ignore[arg-type]
    for step, time in enumerate(times):
        made.add(still(time, bytes([step]) * (step + 1), episode=3, step=step, **{"return": float(step)}))
    return made


def test_the_picture_to_be_seen_is_the_last_one_whose_moment_has_come() -> None:
    one = clip([0.0, 0.1, 0.2])
    assert [one.index(at) for at in (-1, 0, 0.05, 0.1, 0.19, 0.2, 9)] == [0, 0, 0, 1, 1, 2, 2]


def test_the_last_picture_is_seen_for_as_long_as_its_steps_take() -> None:
    assert clip([0.0, 0.1], fps=20, every=2).seconds == 0.2
    assert Clip("e1", "env", "t").seconds == 0


def test_it_says_what_the_last_picture_says_of_the_episode() -> None:
    said = clip([0.0, 0.1, 0.2]).about()
    assert (said["episode"], said["steps"], said["return"], said["frames"]) == (3, 2, 2.0, 3)
    assert said["bytes"] == 6


def test_each_picture_is_found_by_its_place_in_the_data() -> None:
    one = clip([0.0, 0.1, 0.2])
    data = b"".join(one.data())
    parts = [data[p["offset"] : p["offset"] + p["size"]] for p in one.described()["pictures"]]
    assert parts == [bytes([0]), bytes([1]) * 2, bytes([2]) * 3]


def test_it_is_cut_where_the_episode_goes_on_without_it() -> None:
    one = clip([0.0])
    assert not one.cut and not one.done
    one.finish("cut")
    assert one.cut and one.done
    other = clip([0.0])
    other.finish("terminated")
    assert not other.cut
