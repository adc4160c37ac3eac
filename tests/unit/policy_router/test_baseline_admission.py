"""The kinds of admission to compare with do what those do whose names they bear."""

from random import Random

import pytest

from hasten_policy.admission.codel import INTERVAL_S, SLOUGH, TARGET_S, CoDel
from hasten_policy.admission.dagor import USERS, Dagor
from hasten_policy.admission.gradient import LIMIT_FIRST, LIMIT_MAX, LIMIT_MIN, Gradient2
from hasten_policy.reasons import Reason
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import CallArrived
from tests.unit.policy_router.harness import Router, router, sends


def some_call(made: Router, call_id: int = 1, *, priority: int = 1, tenant: str = "") -> CallRecord:
    event = CallArrived(call_id, "m", "", 1.0, priority, tenant, 100)
    return CallRecord(event, made.machine._state.fleet.registry.views["m"], 0.0, 1.0)


# --- a fixed limit --------------------------------------------------------------------


def test_a_fixed_limit_is_so_many_full_batches_a_lane() -> None:
    made = router("a", "b", admission="fixed_limit", fixed_limit_factor=0.25)
    # 2 lanes, 32 rows a batch: 16 calls.
    for call_id in range(1, 17):
        assert sends(made.call(call_id, 0.2))
    made.call(17, 0.2)
    assert made.reason(17) is Reason.OVERLOADED
    made.answer(1, "a" if 1 in made.machine._state.fleet.registry.workers["a"].calls else "b")
    assert sends(made.call(18, 0.2))


def test_calls_that_wait_count_against_the_limit() -> None:
    made = router("a", admission="fixed_limit", fixed_limit_factor=0.25)
    made.report("a", window=0)
    for call_id in range(1, 12):
        made.call(call_id, 5.0)
    assert made.machine.held == 8
    assert made.reason(9) is Reason.OVERLOADED


# --- Gradient2 ------------------------------------------------------------------------


def loaded(gate: Gradient2, made: Router, per_lane: float) -> bool:
    """Tells the gate how much is in flight; whether it would admit one more."""
    return not gate.refuses(some_call(made), int(per_lane), 0.0)


def test_the_gradient_lets_more_in_while_latency_is_as_ever() -> None:
    gate, made = Gradient2(), router("a")
    for _ in range(100):
        assert loaded(gate, made, gate.limit - 1)
        gate.answered(0.05)
    # +20 % of 4 a sample.
    assert gate.limit == pytest.approx(LIMIT_FIRST + 100 * 0.8)
    for _ in range(1000):
        loaded(gate, made, gate.limit - 1)
        gate.answered(0.05)
    assert gate.limit == LIMIT_MAX


def test_the_gradient_lets_fewer_in_when_latency_jumps() -> None:
    gate, made = Gradient2(), router("a")
    for _ in range(150):
        loaded(gate, made, gate.limit - 1)
        gate.answered(0.05)
    before = gate.limit
    loaded(gate, made, gate.limit - 1)
    gate.answered(0.5)
    assert gate.limit < before
    for _ in range(50):
        loaded(gate, made, gate.limit - 1)
        gate.answered(0.5)
    assert gate.limit < 0.8 * before
    assert gate.limit >= LIMIT_MIN


def test_the_gradient_learns_nothing_from_an_idle_pool() -> None:
    gate, made = Gradient2(), router("a")
    for _ in range(100):
        loaded(gate, made, 1)
        gate.answered(0.05)
    assert gate.limit == LIMIT_FIRST
    assert not loaded(gate, made, LIMIT_FIRST + 1)


# --- CoDel ----------------------------------------------------------------------------


def test_codel_drops_what_waited_while_the_queue_stood_for_an_interval() -> None:
    gate = CoDel()
    long_s = SLOUGH * TARGET_S + 0.001
    assert not gate.drops(long_s, 0.0)
    assert not gate.drops(long_s, INTERVAL_S / 2)
    # The interval is over and nothing in it waited less than the target.
    assert not gate.drops(long_s, INTERVAL_S)
    assert gate.drops(long_s, INTERVAL_S * 1.1)
    assert not gate.drops(TARGET_S, INTERVAL_S * 1.2)
    # One short wait in an interval ends it with the interval.
    gate.drops(0.0, INTERVAL_S * 1.3)
    gate.drops(long_s, INTERVAL_S * 2.01)
    assert not gate.drops(long_s, INTERVAL_S * 2.1)


def test_a_dropped_call_hears_that_it_was_overload() -> None:
    made = router("a", admission="codel", keeps_deadlines=False)
    made.report("a", window=0)
    for call_id in range(1, 40):
        made.call(call_id, 60.0)
    for _ in range(8):
        made.pass_time(0.05)
        for call_id, _ in sends(made.report("a", window=1)):
            made.answer(call_id, "a", window=0)
    reasons = [made.reason(call_id) for call_id in range(1, 40)]
    assert reasons.count(Reason.OVERLOADED) > 20
    assert set(reasons) == {None, Reason.OVERLOADED}


# --- DAGOR ----------------------------------------------------------------------------


class Stream:
    """500 calls a second of all classes, and those that come in wait."""

    def __init__(self, gate: Dagor) -> None:
        self.gate = gate
        self.made = router("a")
        self.rng = Random(1)
        self.now_s = 0.0

    def flow(self, seconds: float, *, waits_s: float) -> tuple[list[int], list[int]]:
        """Admitted and offered by class."""
        admitted, offered = [0] * 4, [0] * 4
        for call_id in range(int(seconds * 500)):
            self.now_s += 0.002
            priority = self.rng.randrange(4)
            offered[priority] += 1
            if not self.gate.refuses(
                some_call(self.made, call_id, priority=priority), 0, self.now_s
            ):
                admitted[priority] += 1
                self.gate.drops(waits_s, self.now_s)
        return admitted, offered


def test_dagor_cuts_from_below_and_comes_back() -> None:
    stream = Stream(Dagor())
    admitted, offered = stream.flow(3, waits_s=0.001)
    assert admitted == offered
    stream.flow(10, waits_s=0.05)
    admitted, offered = stream.flow(1, waits_s=0.05)
    assert admitted[0] == offered[0]
    assert admitted[3] < offered[3]
    low = stream.gate.cut
    stream.flow(5, waits_s=0.001)
    assert stream.gate.cut > low
    stream.flow(60, waits_s=0.001)
    assert stream.gate.cut == 4 * USERS - 1


def test_dagor_treats_all_calls_of_a_tenant_alike() -> None:
    gate, made = Dagor(), router("a")
    calls = [some_call(made, tenant=tenant) for tenant in ("one", "two", "three", "four")]
    for turn in range(400):
        for call in calls:
            if not gate.refuses(call, 0, turn * 0.01):
                gate.drops(0.05, turn * 0.01)
    refused = [bool(gate.refuses(call, 0, 4.0)) for call in calls]
    assert refused == [bool(gate.refuses(call, 0, 4.0)) for call in calls]
    assert True in refused


def test_dagor_never_shuts_altogether() -> None:
    stream = Stream(Dagor())
    stream.flow(200, waits_s=1.0)
    assert stream.gate.cut >= 0
