"""What the host took of late becomes a margin, and goes again."""

from math import inf, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.host_lag import MARGIN_S_MAX, MEMORY_S, HostMargin
from hasten_policy.load import HostLag
from tests.unit.policy_router.harness import Router

LAG_S = st.one_of(st.floats(0.0, 1.0), st.sampled_from([inf, nan, -1.0, -inf, 1e300]))
MEASURED = st.lists(st.tuples(st.floats(0.0, 0.5), LAG_S, LAG_S), max_size=40)


def told(measured: list[tuple[float, float, float]]) -> tuple[HostMargin, float]:
    host, now_s = HostMargin(), 100.0
    for passed_s, lag_s, stolen in measured:
        now_s += passed_s
        host.heard(HostLag(lag_s, stolen), now_s)
    return host, now_s


def test_without_a_measurement_there_is_no_margin() -> None:
    host = HostMargin()
    assert host.margin_s(5.0) == host.stolen(5.0) == 0.0
    assert not host.stood_still_since(5.0)


@given(MEASURED, st.floats(0.0, 3.0))
def test_the_margin_is_bounded_and_no_larger_than_what_was_measured(
    measured: list[tuple[float, float, float]], later_s: float
) -> None:
    host, now_s = told(measured)
    margin_s = host.margin_s(now_s + later_s)
    real = [lag_s for _, lag_s, _ in measured if lag_s > 0.0]
    assert 0.0 <= margin_s <= min(MARGIN_S_MAX, max(real, default=0.0))
    assert 0.0 <= host.stolen(now_s + later_s) <= 1.0


@given(MEASURED)
def test_the_newest_measurement_counts_in_full(measured: list[tuple[float, float, float]]) -> None:
    host, now_s = told([*measured, (0.1, 0.02, 0.5)])
    assert host.margin_s(now_s) >= 0.02
    assert host.stolen(now_s) == 0.5


@given(MEASURED)
def test_two_seconds_later_all_is_forgotten(measured: list[tuple[float, float, float]]) -> None:
    host, now_s = told(measured)
    assert host.margin_s(now_s + MEMORY_S) == host.stolen(now_s + MEMORY_S) == 0.0


@given(MEASURED)
def test_two_good_seconds_forget_it_too(measured: list[tuple[float, float, float]]) -> None:
    host, now_s = told(measured + [(0.25, 0.0, 0.0)] * 8)
    assert host.margin_s(now_s) == host.stolen(now_s) == 0.0


def test_a_lag_counts_less_the_older_it_is() -> None:
    host = HostMargin()
    host.heard(HostLag(0.2, 0.0), 10.0)
    host.heard(HostLag(0.01, 0.0), 11.0)
    assert host.margin_s(11.0) == pytest.approx(0.1)
    host.heard(HostLag(0.15, 0.0), 11.0)
    assert host.margin_s(11.0) == 0.15


def test_a_measurement_takes_the_place_of_all_that_count_less() -> None:
    host = HostMargin()
    for tick in range(10_000):
        host.heard(HostLag(0.001 * (tick % 7), 0.1), 10.0 + tick / 1000)
    assert len(host._heard) <= 7


def test_a_trip_during_which_the_router_stood_still_says_nothing_of_the_wire() -> None:
    router = Router()
    router.join("w")
    net_s = router.machine._state.way.net.value
    router.call(1)
    router.pass_time(0.030)
    router.tell(HostLag(0.030, 0.0, 0.030))
    router.answer(1, "w")
    assert router.machine._state.way.net.value == net_s
    router.call(2)
    router.pass_time(0.015)
    router.answer(2, "w")
    assert router.machine._state.way.net.value != net_s
