"""Pace: two laws, the rate and the budget, whatever captures cost and however late they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envstream.pace import EXCUSED_EVERY, Budget, Pace, Rate, Steps

rates = st.floats(0.1, 240)
shares = st.floats(0.001, 1)
costs = st.floats(0, 5) | st.just(0.0)
delays = st.floats(0, 3) | st.just(0.0)
captures = st.lists(st.tuples(costs, delays), min_size=1, max_size=60)


def run(pace: Pace, captures: list[tuple[float, float]], start: float = 1000.0) -> list[float]:
    """Take captures of (cost, lateness) as early as `pace` lets it; the moments they began."""
    now, began = start, []
    for cost, late in captures:
        now = max(now, pace.next_at) + late
        began.append(now)
        pace.asked(now)
        now += cost
        pace.captured(now, cost)
    return began


# --- laws ----------------------------------------------------------------------------------------------


@given(rates, shares, captures)
def test_captures_never_exceed_their_share_of_the_run_by_more_than_a_few(
    fps: float, share: float, captures: list[tuple[float, float]]
) -> None:
    began = run(Pace(fps, Budget(share)), captures)
    spent, longest = 0.0, max(cost for cost, _ in captures)
    for (cost, _), moment in zip(captures, began, strict=True):
        excused = 1 + (moment - began[0]) // EXCUSED_EVERY
        assert spent <= share * (moment - began[0]) + (4 + excused) * longest + 1e-6
        spent += cost


@given(rates, captures)
def test_no_stretch_of_time_holds_more_captures_than_the_rate_allows(
    fps: float, captures: list[tuple[float, float]]
) -> None:
    began = run(Pace(fps, Budget(1.0)), captures)
    for first in range(len(began)):
        for last in range(first, len(began)):
            assert last - first + 1 <= (began[last] - began[first]) * fps + 1.5 + 1e-6


@given(rates, st.integers(2, 200))
def test_punctual_captures_that_cost_nothing_keep_the_full_rate(fps: float, count: int) -> None:
    began = run(Pace(fps, Budget(0.05)), [(0.0, 0.0)] * count)
    assert began[-1] - began[0] <= (count - 1) / fps + 1e-6


@given(shares, costs, st.integers(1, 20))
def test_captures_in_one_burst_are_all_paid_for(share: float, cost: float, count: int) -> None:
    pace = Pace(240, Budget(share))
    now = 1000.0
    for _ in range(count):
        now += cost
        pace.captured(now, cost)
    assert pace.next_at >= 1000.0 + count * cost / share - 1e-6


def test_one_capture_that_was_held_up_does_not_freeze_the_page_and_is_paid_off() -> None:
    pace = Pace(30, Budget(0.05))
    run(pace, [(0.002, 0.0)] * 50)
    before = pace.next_at
    run(pace, [(0.6, 0.0)], before)
    assert pace.next_at - before <= 3.0
    began = run(pace, [(0.002, 0.0)] * 400, pace.next_at)
    assert began[-1] - before >= 0.6 / 0.05


def test_one_in_which_the_machine_stood_still_does_not_count_though_it_took_minutes() -> None:
    pace = Pace(30, Budget(0.05))
    run(pace, [(0.001, 0.0)] * 50)
    before, usual = pace.next_at, pace.cost
    run(pace, [(600.0, 0.0)], before)
    assert pace.next_at <= before + 600.0 and pace.cost == usual and not pace.limited
    began = run(pace, [(0.001, 0.0)] * 31, before + 600.0)
    assert began[-1] - began[0] == pytest.approx(1.0, abs=0.1)


def test_what_is_slow_again_within_ten_minutes_is_costly() -> None:
    pace = Pace(30, Budget(0.05))
    run(pace, [(0.001, 0.0)] * 50)
    run(pace, [(3.0, 0.0)], 2000.0)
    run(pace, [(3.0, 0.0)], 2000.0 + EXCUSED_EVERY - 10)
    assert pace.limited
    later = Pace(30, Budget(0.05))
    run(later, [(0.001, 0.0)] * 50)
    run(later, [(3.0, 0.0)], 2000.0)
    run(later, [(3.0, 0.0)], 2010.0 + EXCUSED_EVERY)
    assert not later.limited


# --- examples ------------------------------------------------------------------------------------------


def test_the_first_capture_may_be_asked_for_at_once() -> None:
    assert Pace(30, Budget(0.05)).next_at == float("-inf")


def test_a_late_capture_does_not_shift_the_beat() -> None:
    pace = Pace(10, Budget(1.0))
    pace.asked(0.0)
    pace.asked(0.05)
    pace.asked(0.17)  # 0.02 s late
    assert pace.next_at == pytest.approx(0.25)


def test_a_quick_capture_is_charged_with_what_it_took() -> None:
    pace = Pace(30, Budget(0.05))
    pace.asked(10.0)
    pace.captured(10.004, 0.004)
    assert pace.next_at == pytest.approx(10.08)


def test_a_long_capture_is_charged_with_what_it_leaves_behind_as_well() -> None:
    pace = Pace(30, Budget(0.05))
    pace.asked(10.0)
    pace.captured(10.055, 0.055)
    assert pace.next_at == pytest.approx(10.0 + (0.055 + 0.01) / 0.05)


def test_the_budget_is_what_limits_an_expensive_render() -> None:
    pace = Pace(30, Budget(0.05))
    pace.captured(1.0, 0.0425)
    assert pace.budget_fps == pytest.approx(1.0)
    assert pace.limited


def test_the_rate_is_what_limits_a_cheap_render() -> None:
    pace = Pace(30, Budget(0.05))
    pace.captured(1.0, 0.001)
    assert not pace.limited


def test_nothing_is_known_before_the_first_capture() -> None:
    pace = Pace(30, Budget(0.05))
    assert (pace.cost, pace.budget_fps, pace.limited) == (None, None, False)


def test_the_cost_is_smoothed() -> None:
    pace = Pace(30, Budget(0.05))
    pace.captured(1.0, 0.01)
    pace.captured(2.0, 0.02)
    assert pace.cost == pytest.approx(0.012)


# --- one budget, several streams ----------------------------------------------------------------------


def test_streams_of_one_trainer_pay_from_the_same_budget() -> None:
    budget = Budget(0.05)
    one, other = Pace(30, budget), Pace(30, budget)
    one.captured(10.004, 0.004)
    assert other.next_at == pytest.approx(10.08)


def test_what_the_budget_allows_is_divided_among_those_that_are_wanted() -> None:
    budget = Budget(0.05)
    one, other = Pace(30, budget), Pace(30, budget)
    one.captured(10.0, 0.005)
    one.share(True)
    assert one.budget_fps == pytest.approx(10.0)
    other.share(True)
    assert one.budget_fps == pytest.approx(5.0)
    other.share(False)
    assert one.budget_fps == pytest.approx(10.0)


def test_of_streams_with_different_rates_the_one_that_has_to_wait_is_limited() -> None:
    budget = Budget(0.05)
    quick, slow = Pace(30, budget), Pace(1, budget)
    quick.share(True)
    slow.share(True)
    now = 10.0
    for _ in range(300):
        pace = min(quick, slow, key=lambda pace: pace.next_at)
        now = max(now, pace.next_at)
        pace.asked(now)
        pace.captured(now + 0.003, 0.003)
    assert (quick.limited, slow.limited) == (True, False)


# --- rates ---------------------------------------------------------------------------------------------


def test_steady_events_have_their_rate() -> None:
    rate = Rate(window=3.0)
    for n in range(100):
        rate.add(n / 10)
    assert rate.at(9.9) == pytest.approx(10.0)


def test_one_event_is_no_rate() -> None:
    rate = Rate()
    rate.add(1.0)
    assert rate.at(1.0) == 0.0


def test_a_rate_sinks_when_events_stop() -> None:
    rate = Rate(window=3.0)
    for n in range(10):
        rate.add(n / 10)
    assert 0 < rate.at(2.0) < rate.at(1.0)


def test_events_out_of_the_window_are_forgotten() -> None:
    rate = Rate(window=3.0)
    for n in range(10):
        rate.add(n / 10)
    assert rate.at(100.0) == 0.0


def test_events_at_the_same_moment_give_a_number() -> None:
    rate = Rate()
    rate.add(1.0)
    rate.add(1.0)
    assert rate.at(1.0) > 0


def test_a_rate_is_right_for_more_events_than_are_remembered() -> None:
    rate = Rate(window=1000.0)
    for n in range(10_000):
        rate.add(n / 100)
    assert rate.at(99.99) == pytest.approx(100.0)


def test_a_long_debt_can_be_paid_off_over_the_next_captures_and_none_of_it_is_forgiven() -> None:
    budget = Budget(0.05)
    for number in range(500):  # An episode in a burst: half a second, for which ten are to be paid.
        budget.captured(10.0 + number / 1000, 0.001)
    assert budget.paid_until == pytest.approx(20.0, abs=0.1)
    budget.ease(11.0)
    assert budget.paid_until == pytest.approx(13.0)
    now = budget.paid_until
    for _ in range(20):
        budget.captured(now, 0.001)
        assert budget.paid_until - now <= 2.0 + 1e-9
        now = max(budget.paid_until, now + 1 / 30)
    assert 20.3 < now < 21.0, "what the twenty more cost included"


# --- steps ---------------------------------------------------------------------------------------------


def counted(*told: tuple[float, int]) -> Steps:
    steps = Steps()
    for now, total in told:
        steps.note(now, total)
    return steps


def test_of_steps_nothing_is_known_before_they_are_told() -> None:
    steps = Steps()
    assert (steps.newest, steps.a_second(5.0)) == (None, None)


def test_one_total_is_no_rate_of_steps() -> None:
    steps = counted((1.0, 500))
    assert (steps.newest, steps.a_second(1.0)) == ((1.0, 500), None)


def test_steady_steps_have_their_rate() -> None:
    steps = counted(*((10 + number / 5, 100 * number) for number in range(20)))
    assert steps.a_second(13.8) == pytest.approx(500)


def test_the_same_total_again_is_no_standstill() -> None:
    steps = counted((1.0, 0), (2.0, 100), (2.5, 100), (3.0, 100))
    assert steps.newest == (2.0, 100) and steps.a_second(3.0) == pytest.approx(100)


def test_steps_that_are_counted_anew_forget_what_was() -> None:
    steps = counted((1.0, 0), (2.0, 1000), (3.0, 10))
    assert (steps.newest, steps.a_second(3.0)) == ((3.0, 10), None)
    steps.note(4.0, 60)
    assert steps.a_second(4.0) == pytest.approx(50)


def test_steps_of_long_ago_do_not_count() -> None:
    steps = counted((1.0, 0), (2.0, 1_000_000), (100.0, 1_000_100), (101.0, 1_000_200))
    assert steps.a_second(101.0) == pytest.approx(100)
    assert steps.a_second(101.0 + Steps.WINDOW + 1) is None


@given(st.lists(st.tuples(st.floats(0, 0.05), st.integers(0, 50)), min_size=20, max_size=100))
def test_a_rate_of_steps_is_that_of_the_last_seconds_however_often_totals_come(
    told: list[tuple[float, int]],
) -> None:
    now, total, steps = 0.0, 0, Steps()
    rates = []
    for wait, more in told:
        now, total = now + wait, total + more
        steps.note(now, total)
        rates.append(steps.a_second(now))
    assert all(rate is None or 0 <= rate <= 50 * 400 / 0.1 for rate in rates)
    assert steps.newest is None or total - 50 * 400 <= steps.newest[1] <= total
