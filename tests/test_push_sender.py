"""What is owed and what is said: nothing is forgotten before it is acknowledged, nothing kept after."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.push.owed import AHEAD, TRIES, Owed, Picture
from envstream.push.sender import Message, Sender

START = {
    "session_id": "one",
    "resume_token": "t" * 20,
    "width": 4,
    "height": 3,
    "fps": 30,
    "encoding": "auto",
}


def picture(number: int, size: int = 10, key: bool = True, encoding: str = "jpeg") -> Picture:
    return Picture(number / 10, encoding, 4, 3, bytes([number % 256]) * size, key)


def opened(sender: Sender, **said: Any) -> list[Message]:
    """What is said first on a connection on which the server answers."""
    sender.connected()
    (start,) = sender.messages()
    assert json.loads(str(start))["type"] == "session_start"
    ack = {
        "type": "session_ack",
        "resumed": True,
        "state": "receiving",
        "next": 1,
        "missing": [],
        "credits": 8,
    }
    sender.heard({**ack, **said})
    return sender.messages()


def texts(messages: Sequence[Message]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages if isinstance(message, str)]


def numbers(messages: Sequence[Message]) -> list[int]:
    """Of the frames among messages."""
    return [text["number"] for text in texts(messages) if text["type"] == "frame"]


def ack(sender: Sender, up_to: int, missing: Sequence[int] = (), credits: int = 8) -> list[Message]:
    sender.heard({"type": "frame_ack", "up_to": up_to, "missing": list(missing), "credits": credits})
    return sender.messages()


def offered(sender: Sender, count: int) -> Sender:
    for number in range(1, count + 1):
        assert sender.offer(picture(number), 0.0)
    return sender


# --- the usual way -------------------------------------------------------------------------------------


def test_nothing_but_the_start_is_said_before_the_server_answers() -> None:
    sender = offered(Sender(START), 2)
    assert sender.messages() == []
    sender.connected()
    (start,) = texts(sender.messages())
    assert start == {"type": "session_start", "protocol": 1, **START}
    assert sender.messages() == []


def test_a_picture_is_announced_and_its_very_bytes_follow() -> None:
    sender = Sender(START)
    shown = Picture(0.5, "h264", 8, 3, b"bytes", False, 7.25, {"step": 3})
    sender.offer(shown, 0.0)
    said, data = opened(sender)
    assert data is shown.data
    assert json.loads(str(said)) == {
        "type": "frame",
        "number": 1,
        "timestamp": 0.5,
        "size": 5,
        "encoding": "h264",
        "width": 8,
        "height": 3,
        "key": False,
        "captured": 7.25,
        "info": {"step": 3},
    }


def test_what_the_session_says_already_is_not_said_with_each_picture() -> None:
    sender = offered(Sender({**START, "encoding": "jpeg"}), 1)
    (said,) = texts(opened(sender))
    assert said == {"type": "frame", "number": 1, "timestamp": 0.1, "size": 10, "key": True}


def test_no_more_are_under_way_than_there_are_credits() -> None:
    sender = offered(Sender(START), 12)
    assert numbers(opened(sender, credits=5)) == [1, 2, 3, 4, 5]
    assert sender.messages() == []
    assert numbers(ack(sender, 2, credits=5)) == [6, 7]
    assert numbers(ack(sender, 4, credits=2)) == []
    assert numbers(ack(sender, 7, credits=2)) == [8, 9]


def test_much_is_not_handed_out_at_once() -> None:
    sender = Sender(START)
    for number in range(1, 6):
        sender.offer(picture(number, 2**17), 0.0)
    assert numbers(opened(sender)) == [1, 2]
    assert (numbers(sender.messages()), numbers(sender.messages())) == ([3, 4], [5])


def test_what_is_acknowledged_is_kept_no_longer() -> None:
    sender = offered(Sender(START), 4)
    opened(sender)
    ack(sender, 3)
    counts = sender.counts()
    assert (counts["acknowledged"], counts["waiting"], counts["bytes_waiting"]) == (3, 1, 10)
    assert (counts["bytes_acknowledged"], counts["bytes_sent"], counts["sent"]) == (30, 40, 4)


def test_a_full_window_takes_nothing_more_until_something_is_acknowledged() -> None:
    sender = Sender(START)
    opened(sender, credits=2)
    offered(sender, 2 + AHEAD)
    assert not sender.room and not sender.offer(picture(99), 0.0)
    ack(sender, 1, credits=2)
    assert sender.room and sender.offer(picture(99), 0.0)


def test_memory_is_bounded_except_for_a_single_picture() -> None:
    sender = Sender(START, memory=100)
    assert sender.offer(picture(1, 500), 0.0)
    assert not sender.offer(picture(2, 1), 0.0)
    other = Sender(START, memory=100)
    assert other.offer(picture(1, 60), 0.0) and not other.offer(picture(2, 41), 0.0)
    assert other.offer(picture(2, 40), 0.0)


def test_the_end_is_said_once_and_after_the_last_picture() -> None:
    sender = offered(Sender(START), 3)
    sender.end()
    said = texts(opened(sender, credits=2))
    assert [text["type"] for text in said] == ["frame", "frame"]
    assert texts(ack(sender, 2))[-1] == {"type": "session_end", "frames": 3}
    assert ack(sender, 3) == []


def test_the_result_is_the_end_of_it() -> None:
    sender = offered(Sender(START), 1)
    opened(sender)
    sender.end()
    sender.messages()
    sender.heard({"type": "session_ended", "frames": 1, "received": 1, "lost": 0})
    assert (sender.state, sender.over, sender.done) == ("processing", True, False)
    sender.heard({"type": "process_progress", "stage": "processing", "percent": 40})
    assert sender.progress["percent"] == 40
    sender.heard({"type": "process_complete", "result": {"frames": 1}})
    assert (sender.state, sender.done, sender.result) == ("complete", True, {"frames": 1})


def test_the_backlog_is_the_age_of_the_oldest_that_is_kept() -> None:
    sender = Sender(START)
    assert sender.backlog(5.0) == 0
    sender.offer(picture(1), 1.0)
    sender.offer(picture(2), 2.0)
    opened(sender)
    assert sender.backlog(4.0) == 3
    ack(sender, 1)
    assert sender.backlog(4.0) == 2


# --- again ---------------------------------------------------------------------------------------------


def test_after_a_reconnect_it_goes_on_where_the_server_is() -> None:
    sender = offered(Sender(START), 6)
    opened(sender)
    sender.lost()
    assert numbers(opened(sender, next=4)) == [4, 5, 6]
    assert sender.counts()["resent"] == 3


def test_after_a_reconnect_holes_come_first_and_what_arrived_does_not_come_again() -> None:
    sender = offered(Sender(START), 8)
    opened(sender)
    sender.lost()
    assert numbers(opened(sender, next=2, missing=[2, 5], credits=1)) == [2, 5]
    assert numbers(ack(sender, 5, credits=3)) == [6, 7, 8]


def test_what_the_server_was_not_sure_of_is_kept_until_it_is() -> None:
    sender = offered(Sender(START), 5)
    opened(sender)
    sender.lost()
    assert numbers(opened(sender, next=2, missing=[2, 5])) == [2, 5]
    sender.lost()
    # The server was started anew, and 3 had not come to its disk.
    assert numbers(opened(sender, next=3, missing=[3])) == [3, 4, 5]


def test_what_arrived_on_the_old_connection_after_all_is_not_sent() -> None:
    sender = offered(Sender(START), 6)
    opened(sender, credits=6)
    sender.lost()
    assert numbers(opened(sender, next=1, credits=2)) == [1, 2]
    assert numbers(ack(sender, 4, credits=2)) == [5, 6]


def test_a_missing_picture_is_sent_again_once_however_often_it_is_asked_for() -> None:
    sender = offered(Sender(START), 4)
    opened(sender)
    again = ack(sender, 1, [2])
    assert numbers(again) == [2]
    mark = texts(again)[-1]
    assert mark["type"] == "ping"
    assert ack(sender, 1, [2]) == []
    sender.heard({"type": "pong", "t": mark["t"], "now": 1.0})
    assert numbers(ack(sender, 1, [2])) == [2]


def test_a_refused_picture_is_sent_three_times_more_and_then_given_up() -> None:
    sender = offered(Sender(START), 2)
    opened(sender)
    error = {"type": "error", "code": "not_an_image", "message": "no", "recoverable": True, "number": 1}
    for _ in range(TRIES):
        sender.heard(error)
        assert numbers(sender.messages()) == [1]
    sender.heard(error)
    assert texts(sender.messages()) == [{"type": "frames_lost", "from": 1, "to": 1}]
    assert sender.counts()["lost"] == 1 and sender.problems["not_an_image"] == "no"
    assert sender.take_key() and not sender.take_key()


def test_what_was_given_up_is_said_again_after_a_reconnect_until_it_is_known() -> None:
    sender = offered(Sender(START), 3)
    sender.cut()
    lost = {"type": "frames_lost", "from": 1, "to": 3}
    assert texts(opened(sender)) == [lost]
    sender.lost()
    assert texts(opened(sender)) == [lost]
    sender.lost()
    assert texts(opened(sender, next=4)) == []


def test_a_server_that_forgot_what_it_had_is_told_that_it_comes_no_more() -> None:
    sender = offered(Sender(START), 5)
    opened(sender)
    ack(sender, 3)
    sender.lost()
    said = texts(opened(sender, resumed=False, next=1))
    assert said[0] == {"type": "frames_lost", "from": 1, "to": 3}
    assert [text.get("number") for text in said[1:]] == [4, 5]


def test_a_publisher_that_was_started_again_goes_on_behind_what_the_server_has() -> None:
    sender = offered(Sender(START), 2)
    assert texts(opened(sender, next=5, highest=4)) == []
    said = [text.get("number") for text in texts(offered(sender, 4).messages())]
    assert said == [5, 6] and sender.counts()["acknowledged"] == 4


def test_what_neither_side_has_is_given_up() -> None:
    sender = Sender(START)
    opened(sender, next=3, highest=2)
    assert [sender.skip(there=False) for _ in range(3)] == [True] * 3
    assert not sender.skip()
    said = texts(offered(sender, 1).messages())
    assert said[0] == {"type": "frames_lost", "from": 3, "to": 3}
    assert [text.get("number") for text in said[1:]] == [4]
    assert sender.counts()["acknowledged"] == 2


def test_the_end_is_said_again_after_a_reconnect_unless_the_server_knows() -> None:
    sender = offered(Sender(START), 1)
    opened(sender)
    sender.end()
    sender.messages()
    sender.lost()
    assert texts(opened(sender, next=2)) == [{"type": "session_end", "frames": 1}]
    sender.lost()
    assert opened(sender, next=2, state="ending") == []


@pytest.mark.parametrize("state", ["ended", "processing", "complete"])
def test_a_session_that_is_over_is_sent_nothing_more(state: str) -> None:
    sender = offered(Sender(START), 3)
    opened(sender)
    sender.lost()
    assert opened(sender, state=state) == []
    assert sender.offer(picture(4), 0.0) and sender.counts()["waiting"] == 0
    assert "session_ended" in sender.problems and sender.state == "processing"


@pytest.mark.parametrize("state", ["ended", "processing", "complete"])
def test_a_publisher_that_is_started_again_when_all_is_there_has_nothing_left_to_send(state: str) -> None:
    sender = offered(Sender(START), 3)
    assert opened(sender, state=state, next=8, highest=7) == []
    assert sender.problems == {} and sender.state == "processing"


# --- a source that goes on -----------------------------------------------------------------------------


def test_a_source_that_goes_on_begins_behind_what_a_publisher_before_it_sent() -> None:
    sender = offered(Sender(START, goes_on=True), 2)
    said = texts(opened(sender, next=5, missing=[5], highest=7))
    assert [text["number"] for text in said if text["type"] == "frame"] == [8, 9]
    assert said[0] == {"type": "frames_lost", "from": 5, "to": 5}
    assert not sender.skip()
    ack(sender, 9)
    # From now on the numbers are its own.
    sender.lost()
    assert texts(opened(sender, next=10, highest=9)) == []
    assert [text["number"] for text in texts(offered(sender, 1).messages())] == [10]


def test_a_source_that_goes_on_loses_its_oldest_pictures_and_says_so() -> None:
    sender = Sender(START, memory=50, goes_on=True)
    offered(sender, 8)
    assert sender.counts()["bytes_waiting"] == 50
    said = texts(opened(sender))
    assert said[0] == {"type": "frames_lost", "from": 1, "to": 3}
    assert [text["number"] for text in said[1:]] == [4, 5, 6, 7, 8]
    assert sender.take_key()


def test_what_builds_on_a_picture_that_is_given_up_is_given_up_with_it() -> None:
    sender = Sender(START, memory=50, goes_on=True)
    for number in range(1, 7):
        sender.offer(picture(number, key=number in (1, 4), encoding="h264"), 0.0)
    said = texts(opened(sender))
    assert said[0] == {"type": "frames_lost", "from": 1, "to": 3}
    assert [text["number"] for text in said[1:]] == [4, 5, 6]


def test_cutting_lets_a_session_end_with_what_is_under_way() -> None:
    sender = offered(Sender(START), 6)
    opened(sender, credits=2)
    sender.end()
    sender.cut()
    assert texts(sender.messages()) == [
        {"type": "frames_lost", "from": 3, "to": 6},
        {"type": "session_end", "frames": 6},
    ]


# --- what goes wrong -----------------------------------------------------------------------------------


def test_a_fatal_error_is_the_end() -> None:
    sender = offered(Sender(START), 1)
    opened(sender)
    sender.heard({"type": "error", "code": "flooding", "message": "too much", "recoverable": False})
    assert sender.refused == ("flooding", "too much") and sender.done and sender.messages() == []


def test_any_error_before_the_session_has_begun_is_the_end() -> None:
    sender = Sender(START)
    sender.connected()
    sender.heard({"type": "error", "code": "bad_start", "message": "no fps", "recoverable": True})
    assert sender.refused == ("bad_start", "no fps")


def test_a_processor_that_failed_does_not_end_the_session() -> None:
    sender = Sender(START)
    opened(sender)
    sender.heard({"type": "error", "code": "processor_failed", "message": "oh", "recoverable": False})
    assert (sender.failed, sender.refused) == ("oh", None)


def test_a_first_picture_that_is_too_large_ends_it_and_a_later_one_is_left_out() -> None:
    sender = Sender(START)
    sender.offer(picture(1, 101), 0.0)
    opened(sender, max_message=100)
    assert sender.refused is not None and "picture 1 has 101 bytes" in sender.refused[1]
    other = offered(Sender(START), 1)
    opened(other, max_message=100)
    ack(other, 1)
    other.offer(picture(2, 101), 0.0)
    other.offer(picture(3), 0.0)
    assert [text["type"] for text in texts(other.messages())] == ["frames_lost", "frame"]
    assert "too_large" in other.problems


def test_a_signal_goes_before_pictures_and_again_until_it_is_acknowledged() -> None:
    sender = offered(Sender(START), 1)
    sender.signal("eeg.csv", b"1,2")
    said = opened(sender)
    assert json.loads(str(said[0]))["name"] == "eeg.csv" and said[1] == b"1,2"
    sender.lost()
    said = opened(sender, next=2, state="ended")
    assert said[1] == b"1,2"
    sender.heard({"type": "signal_ack", "size": 3})
    sender.lost()
    assert opened(sender, state="ended") == []


ANYTHING = (
    st.none() | st.integers() | st.booleans() | st.text(max_size=4) | st.lists(st.integers(), max_size=4)
)
FIELDS = ["up_to", "missing", "credits", "next", "t", "number", "code", "message", "recoverable", "state"]
FIELDS += ["result", "max_message", "resumed"]


@given(st.fixed_dictionaries(dict.fromkeys(FIELDS, ANYTHING)))
def test_whatever_a_server_says_is_survived(fields: dict[str, Any]) -> None:
    for kind in ("session_ack", "frame_ack", "error", "pong", "process_complete", "session_ended", "else"):
        sender = offered(Sender(START), 2)
        opened(sender)
        sender.heard({**fields, "type": kind})
        sender.messages()


# --- all together --------------------------------------------------------------------------------------


@given(st.data())
def test_every_picture_arrives_in_the_end_whatever_breaks(data: st.DataObject) -> None:
    """A server that keeps what comes, behind connections that break in the middle of anything."""
    owed, kept = Owed(), set[int]()
    count = data.draw(st.integers(0, 25))

    def connection(steps: int) -> None:
        owed.disconnected()
        owed.resumed(up_to(), missing())
        for _ in range(steps):
            if owed.number < count:
                owed.offer(picture(owed.number + 1), 0.0, 4)
            taken = owed.take(4)
            if taken is not None:
                kept.add(taken[0])
            if taken is None and data.draw(st.booleans()):
                owed.account(up_to(), missing())
                for number in missing():
                    owed.ask(number)

    def up_to() -> int:
        return next(number for number in range(count + 1) if number + 1 not in kept)

    def missing() -> set[int]:
        return {number for number in range(1, max(kept, default=0)) if number not in kept}

    for _ in range(data.draw(st.integers(0, 8))):
        connection(data.draw(st.integers(0, 12)))
        kept -= {number for number in kept if number > up_to() and data.draw(st.booleans())}
    while up_to() < count:
        before = up_to()
        connection(count + 5)
        assert up_to() > before
    owed.account(up_to(), missing())
    assert (len(owed), owed.lost, owed.bytes, owed.acknowledged) == (0, 0, 0, count)
