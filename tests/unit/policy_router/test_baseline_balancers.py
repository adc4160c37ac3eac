"""The balancers to compare with do what those do whose names they bear."""

from collections import Counter
from math import exp
from random import Random

import pytest

from hasten_policy.fleet.balancers import BALANCERS, EWMA_S, PeakEwma
from hasten_policy.fleet.subset import affinity_score
from hasten_policy.fleet.workers import WorkerRecord
from tests.unit.policy_router.harness import model, names, router, sends


def test_round_robin_takes_turns_for_each_model() -> None:
    made = router(balancer="round_robin")
    for worker_id in ("a", "b", "c"):
        made.join(worker_id, model("m"), model("n"))
    chosen = [sends(made.call(call_id))[0][1] for call_id in range(1, 5)]
    other = [sends(made.call(call_id, model="n"))[0][1] for call_id in range(5, 7)]
    assert (chosen, other) == (["a", "b", "c", "a"], ["a", "b"])


def test_the_snapshot_is_as_old_as_the_last_report() -> None:
    made = router("a", "b", balancer="snapshot_least_connections")
    made.report("a", depth=3)
    # Replies say that a is idle and b is not; they are not looked at, nor what was sent since.
    for call_id in range(1, 20):
        assert sends(made.call(call_id)) == [(call_id, "b")]
        if call_id % 2:
            made.answer(call_id, "b", depth=9)
    made.report("b", depth=9)
    assert sends(made.call(20)) == [(20, "a")]


def test_own_sends_are_added_to_the_snapshot() -> None:
    made = router("a", "b", balancer="snapshot_own")
    made.report("a", depth=3)
    chosen = Counter(sends(made.call(call_id))[0][1] for call_id in range(1, 9))
    assert chosen["b"] - chosen["a"] in {2, 3, 4}


def test_least_connections_counts_own_calls_and_nothing_else() -> None:
    made = router("a", "b", balancer="least_connections")
    made.report("a", depth=50)
    chosen = Counter(sends(made.call(call_id))[0][1] for call_id in range(1, 9))
    assert chosen == {"a": 4, "b": 4}


def test_static_weights_know_the_depth_and_no_measured_time() -> None:
    made = router("a", "b", balancer="wlc_static")
    for call_id in range(1, 9):
        ((_, worker_id),) = sends(made.call(call_id))
        made.answer(call_id, worker_id, service_s=1.0 if worker_id == "a" else 0.001)
    made.report("a", depth=0)
    made.report("b", depth=1)
    assert sends(made.call(9)) == [(9, "a")]


@pytest.mark.parametrize("name", ["weighted_random", "p2c"])
def test_random_choices_follow_the_weights(name: str) -> None:
    made = router("a", "b", balancer=name)
    entries = made.machine._state.fleet.registry.views["m"].open
    entries[0].worker.inverse_share = 1 / 3.0
    balancer = BALANCERS.get(name)()
    rng = Random(1)
    drawn = [balancer.pick("m", entries, rng, 0.0) for _ in range(4000)]
    share = sum(entry is entries[0] for entry in drawn) / 4000
    # p2c: b only when it is drawn twice.
    assert share == pytest.approx({"weighted_random": 3 / 4, "p2c": 15 / 16}[name], abs=0.03)


def test_a_peak_counts_at_once_and_fades_slowly() -> None:
    balancer = PeakEwma()
    worker = WorkerRecord("a", 1.0, 0.0)
    balancer.answered(worker, 0.010, 0.0)
    balancer.answered(worker, 0.500, 1.0)
    assert balancer.load(worker, 1.0) == 0.5
    assert balancer.load(worker, 1.0 + EWMA_S) == pytest.approx(0.5 * exp(-1))
    balancer.answered(worker, 0.1, 1.0 + EWMA_S)
    kept = exp(-1)
    assert balancer.load(worker, 1.0 + EWMA_S) == pytest.approx(0.5 * kept + 0.1 * (1 - kept))


def test_a_worker_that_has_calls_and_never_answered_is_avoided() -> None:
    made = router("a", "b", balancer="peak_ewma")
    balancer = made.machine._state.fleet.balancer
    assert isinstance(balancer, PeakEwma)
    for call_id in range(1, 60):
        ((_, worker_id),) = sends(made.call(call_id))
        if worker_id == "a":
            made.answer(call_id, "a")
    workers = made.machine._state.fleet.registry.workers
    # b is drawn twice in a quarter of the cases, else a wins once b has a call.
    assert len(workers["b"].calls) < 30
    assert balancer.load(workers["b"], made.now_s) > balancer.load(workers["a"], made.now_s)


def test_a_partition_keeps_a_model_to_its_workers_until_they_are_shut() -> None:
    made = router(*names(8), balancer="partition", partition_share=0.25)

    def used(first: int) -> set[str]:
        return {sends(made.call(call_id))[0][1] for call_id in range(first, first + 20)}

    part = used(1)
    assert len(part) == 2
    again = router(*names(8), balancer="partition", partition_share=0.25)
    assert {sends(again.call(call_id))[0][1] for call_id in range(1, 20)} == part
    gone = min(part)
    made.report(gone, draining=True)
    assert len(used(100)) == 2
    assert gone not in used(200)
    assert part - {gone} <= used(300)


def test_models_are_spread_over_the_partitions() -> None:
    made = router(balancer="partition", partition_share=0.25)
    models = [model(f"m{number}") for number in range(40)]
    for worker_id in names(8):
        made.join(worker_id, *models)
    views = made.machine._state.fleet.registry.views
    held = Counter(entry.worker.worker_id for m in models for entry in views[m.name].open)
    assert len(held) == 8
    assert max(held.values()) < 3 * min(held.values())
    assert all(views[m.name].open != [] for m in models)


@pytest.mark.parametrize("count", [3, 5])
def test_ranks_of_different_keys_have_nothing_to_do_with_each_other(count: int) -> None:
    best = Counter(
        max(names(count), key=lambda worker_id, key=key: affinity_score(f"k{key:05d}", worker_id))
        for key in range(5000)
    )
    assert all(abs(best[name] / 5000 * count - 1) < 0.1 for name in names(count))
