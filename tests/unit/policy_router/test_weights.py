"""A worker's weight may change while it stays."""

from collections import Counter
from math import nan

import pytest

from hasten_policy.eventlog import types_of
from hasten_policy.fleet.events import WeightSet, WorkerJoined
from tests.unit.policy_router.harness import Router, model, sends


def pair(**policy: object) -> Router:
    made = Router(balancer="wlc_static", admission="open", **policy)
    for worker_id in ("a", "b"):
        made.join(worker_id, model(), window=1000)
    return made


def shares(made: Router, count: int = 300, *, first: int = 1) -> Counter[str]:
    """Where `count` calls go, none of which is answered."""
    return Counter(sends(made.call(call_id, 5.0))[0][1] for call_id in range(first, first + count))


def test_shares_follow_the_new_weight() -> None:
    made = pair()
    assert made.tell(WeightSet("a", 2.0)) == []
    there = shares(made)
    assert there["a"] == pytest.approx(200, abs=2)
    made.tell(WeightSet("a", 0.5))
    there += shares(made, 600, first=1000)
    assert there["b"] == pytest.approx(2 * there["a"], abs=3)


@pytest.mark.parametrize("weight", [0.0, -1.0, nan])
def test_what_is_no_weight_counts_as_the_normal_one(weight: float) -> None:
    made = pair()
    made.tell(WeightSet("a", 5.0))
    made.tell(WeightSet("a", weight))
    assert shares(made) == {"a": 150, "b": 150}


def test_a_worker_that_is_not_there_has_no_weight() -> None:
    made = pair()
    assert made.tell(WeightSet("c", 9.0)) == []
    made.tell(WorkerJoined("c"))
    assert made.machine._state.fleet.workers["c"].weight == 1.0


def test_a_slow_start_goes_on_under_the_new_weight() -> None:
    made = pair(slow_start_s=10.0)
    made.pass_time(20.0)
    for worker_id in ("a", "b"):
        made.report(worker_id, model(), window=1000)
    made.join("c", model(), window=1000)
    assert made.standing("c") == "slow_start"
    worker = made.machine._state.fleet.workers["c"]
    assert 1.0 / worker.inverse_share == pytest.approx(0.1)
    assert made.tell(WeightSet("c", 4.0)) == []
    assert 1.0 / worker.inverse_share == pytest.approx(0.4)
    assert made.standing("c") == "slow_start"
    for _ in range(30):
        made.pass_time(0.5)
        for worker_id in ("a", "b", "c"):
            made.report(worker_id, model(), window=1000)
    assert made.standing("c") == "ready"
    assert 1.0 / worker.inverse_share == pytest.approx(4.0)


def test_the_event_is_part_of_a_routers_log() -> None:
    assert types_of("router")["WeightSet"] is WeightSet
