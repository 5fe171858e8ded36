"""Demand: what is enough for all page servers, for as long as they say so."""

from __future__ import annotations

from envstream.bus.demand import KEPT, MOST_SERVERS, Demand, Want, of_watches
from envstream.encoder import Rung
from envstream.viewer import Watch


def test_nobody_wants_anything_at_first() -> None:
    assert (Demand().wanted(0.0), Demand().ends_at) == ({}, None)


def test_of_two_servers_the_one_that_wants_more_is_followed() -> None:
    demand = Demand()
    demand.heard("a", {"x": Want(2, 320), "y": Want(5, 100)}, 0.0)
    demand.heard("b", {"x": Want(30, 160)}, 0.0)
    assert demand.wanted(1.0) == {"x": Want(30, 320), "y": Want(5, 100)}


def test_no_limit_is_more_than_any() -> None:
    assert Want(None, 320).and_(Want(2, None)) == Want(None, None)
    assert Want(2, 320).and_(Want()) == Want()


def test_a_server_that_is_not_heard_any_more_is_forgotten() -> None:
    demand = Demand()
    demand.heard("a", {"x": Want()}, 0.0)
    demand.heard("b", {"y": Want()}, 2.0)
    assert demand.ends_at == KEPT
    assert set(demand.wanted(KEPT - 0.01)) == {"x", "y"}
    assert set(demand.wanted(KEPT)) == {"y"}
    assert demand.ends_at == 2.0 + KEPT


def test_what_a_server_says_replaces_what_it_said_before() -> None:
    demand = Demand()
    demand.heard("a", {"x": Want()}, 0.0)
    demand.heard("a", {"y": Want()}, 1.0)
    assert set(demand.wanted(1.0)) == {"y"}
    demand.heard("a", {}, 2.0)
    assert (demand.wanted(2.0), demand.ends_at) == ({}, None)


def test_servers_without_number_are_not_remembered() -> None:
    demand = Demand()
    for number in range(MOST_SERVERS + 10):
        demand.heard(str(number), {str(number): Want()}, 0.0)
    wanted = demand.wanted(0.0)
    assert len(wanted) == MOST_SERVERS and str(MOST_SERVERS + 9) in wanted


def test_without_a_connection_nobody_wants_anything() -> None:
    demand = Demand()
    demand.heard("a", {"x": Want()}, 0.0)
    demand.forget()
    assert demand.wanted(0.0) == {}


def test_viewers_of_one_stream_are_asked_for_together() -> None:
    tile, large = Watch(Rung("auto", None, 320), 2.0), Watch(Rung("auto", None, 640), 10.0)
    assert of_watches([]) is None
    assert of_watches([tile]) == Want(2.0, 320)
    assert of_watches([tile, large]) == Want(10.0, 640)
    assert of_watches([tile, Watch(Rung())]) == Want()
