"""Erlang C against a simulation, and the least number of servers."""

from heapq import heapify, heapreplace
from math import inf
from random import Random

import pytest

from hasten_policy.scaling.queueing import (
    BatchCurve,
    at_use,
    erlang_c,
    servers_for,
    wait_above,
)


def waits_in_a_simulation(servers: int, offered: float, wait_s: float, calls: int) -> float:
    """Share of the calls of M/M/c at rate 1 a server that wait longer than wait_s."""
    rng = Random(f"{servers}/{offered}")
    free_s = [0.0] * servers
    heapify(free_s)
    now_s, waited = 0.0, 0
    for _ in range(calls):
        now_s += rng.expovariate(offered)
        begin_s = max(now_s, free_s[0])
        waited += begin_s - now_s > wait_s
        heapreplace(free_s, begin_s + rng.expovariate(1.0))
    return waited / calls


@pytest.mark.parametrize(
    ("servers", "offered", "wait_s"), [(1, 0.6, 0.0), (4, 3.0, 0.0), (4, 3.0, 0.5), (12, 9.0, 0.2)]
)
def test_erlang_c_is_what_a_simulation_finds(servers: int, offered: float, wait_s: float) -> None:
    found = waits_in_a_simulation(servers, offered, wait_s, calls=300_000)
    assert wait_above(servers, offered, 1.0, wait_s) == pytest.approx(found, rel=0.05)


def test_as_many_as_are_offered_always_wait() -> None:
    assert erlang_c(3, 3.0) == 1.0
    assert erlang_c(3, 7.0) == 1.0


def test_the_least_number_keeps_the_promise_and_one_less_does_not() -> None:
    for offered in (0.1, 1.0, 7.3, 40.0):
        least = servers_for(offered, 10.0, 0.05, 0.01)
        assert wait_above(least, offered, 10.0, 0.05) <= 0.01
        assert wait_above(least - 1, offered, 10.0, 0.05) > 0.01 if least > 1 else True


def test_more_demand_never_needs_fewer() -> None:
    needed = [servers_for(offered / 4, 10.0, 0.05, 0.01) for offered in range(200)]
    assert needed == sorted(needed)
    assert needed[0] == 0


def test_uneven_arrivals_need_more() -> None:
    assert servers_for(20.0, 10.0, 0.05, 0.01, 4.0) > servers_for(20.0, 10.0, 0.05, 0.01)


def test_a_batch_grows_until_the_wait_for_the_one_before_is_in_the_way() -> None:
    curve = BatchCurve(0.01, 0.01, batch_max=16)
    # 0.01 + 0.01 b, twice, fits 100 ms up to b = 4.
    assert curve.rows_per_s(0.1) == pytest.approx(4 / 0.05)
    # With many workers hardly anybody waits for a batch: 0.1 / (1 + 1/100) allows b = 8.
    assert curve.rows_per_s(0.1, workers=100) == pytest.approx(8 / 0.09)
    assert curve.rows_per_s(inf) == pytest.approx(16 / 0.17)
    # What is in time at no size is run one by one.
    assert curve.rows_per_s(0.001) == pytest.approx(1 / 0.02)


def test_lanes_multiply_what_a_worker_does() -> None:
    one, two = BatchCurve(0.01, 0.0), BatchCurve(0.01, 0.0, lanes=2)
    assert two.rows_per_s(1.0) == 2 * one.rows_per_s(1.0)


def test_a_use_that_comes_out_even_is_not_rounded_up() -> None:
    assert at_use(0.7, 0.1) == 7
    assert at_use(0.71, 0.1) == 8
    assert at_use(0.0, 0.5) == 0
