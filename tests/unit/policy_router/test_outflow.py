"""How fast held work really goes out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.admission.outflow import CALLS_MIN, FORGOTTEN_S, Outflow


def drained(
    outflow: Outflow, calls: int, gap_s: float, *, at_s: float = 0.0, burst: int = 1
) -> float:
    """Sends calls of 1 ms of work, so many at a time, while others wait; when it ends."""
    for number in range(calls):
        if number and number % burst == 0:
            at_s += gap_s
        outflow.sent(0.001, at_s, more=True)
    return at_s


def test_nothing_is_known_before_some_calls_went_out() -> None:
    outflow = Outflow()
    assert outflow.of_work == 0.0
    drained(outflow, int(CALLS_MIN), 0.005)
    assert outflow.of_work == 0.0


@given(st.floats(0.0005, 0.01), st.integers(1, 8))
def test_it_is_the_time_between_sendings_however_they_come(gap_s: float, burst: int) -> None:
    outflow = Outflow()
    drained(outflow, 100 * burst, gap_s, burst=burst)
    assert outflow.of_work == pytest.approx(gap_s / (0.001 * burst), rel=0.05)


def test_time_in_which_nothing_waits_does_not_count() -> None:
    outflow, at_s = Outflow(), 0.0
    for _ in range(10):
        at_s = drained(outflow, 20, 0.002, at_s=at_s)
        outflow.sent(0.001, at_s, more=False)
        at_s += 0.5
    assert outflow.of_work == pytest.approx(2.0, rel=0.1)


def test_what_was_long_ago_is_forgotten() -> None:
    outflow = Outflow()
    at_s = drained(outflow, 100, 0.010)
    outflow.sent(0.001, at_s, more=False)
    drained(outflow, 40, 0.001, at_s=at_s + FORGOTTEN_S + 0.1)
    assert outflow.of_work == pytest.approx(1.0, rel=0.05)


def test_a_change_of_speed_is_seen_within_its_memory() -> None:
    outflow = Outflow()
    at_s = drained(outflow, 200, 0.010)
    drained(outflow, 600, 0.001, at_s=at_s)
    assert outflow.of_work < 1.6
