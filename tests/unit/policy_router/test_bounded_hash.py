"""Balancer "hash": each model on few workers, and none far above the mean."""

from collections import Counter
from math import ceil

from hasten_policy.fleet.balancers import BOUND
from hasten_policy.fleet.events import WeightSet, WorkerLost
from tests.unit.policy_router.harness import Router, model, sends

WORKERS = tuple(f"w{number}" for number in range(8))
MODELS = tuple(f"m{number}" for number in range(40))


def mesh(*workers: str, models: tuple[str, ...] = MODELS) -> Router:
    made = Router(balancer="hash", admission="open")
    for worker_id in workers:
        made.join(worker_id, *(model(name) for name in models), window=1000)
    return made


def first_choices(made: Router, models: tuple[str, ...] = MODELS, first: int = 1) -> dict[str, str]:
    """Where one call of each model goes, each answered before the next comes."""
    found = {}
    for call_id, name in enumerate(models, start=first):
        ((_, worker_id),) = sends(made.call(call_id, 5.0, model=name))
        made.answer(call_id, worker_id)
        found[name] = worker_id
    return found


def test_the_calls_of_a_model_meet_while_there_is_room() -> None:
    made = mesh(*WORKERS)
    before = first_choices(made)
    assert first_choices(made, first=1000) == before
    assert len(set(before.values())) == len(WORKERS)


def test_a_worker_that_leaves_moves_its_own_models_only() -> None:
    made = mesh(*WORKERS)
    before = first_choices(made)
    made.tell(WorkerLost("w3"))
    after = first_choices(made, first=1000)
    assert all(after[name] == where for name, where in before.items() if where != "w3")
    assert "w3" not in after.values()


def test_a_crowd_spills_over_and_none_is_far_above_the_mean() -> None:
    made = mesh(*WORKERS)
    there: Counter[str] = Counter()
    for call_id in range(1, 201):
        ((_, worker_id),) = sends(made.call(call_id, 5.0, model="m7"))
        there[worker_id] += 1
        assert there[worker_id] <= ceil(BOUND * call_id / len(WORKERS))
    # Not spread more than the bound asks for: the last in order get what the others may not.
    assert min(there[worker_id] for worker_id in WORKERS) < 200 / len(WORKERS)


def test_the_bound_follows_the_weights() -> None:
    made = mesh("a", "b", models=("m",))
    made.tell(WeightSet("a", 3.0))
    there = Counter(sends(made.call(call_id, 5.0, model="m"))[0][1] for call_id in range(1, 401))
    assert there["a"] <= ceil(BOUND * 400 * 3 / 4)
    assert there["b"] <= ceil(BOUND * 400 * 1 / 4)


def test_without_a_credit_within_the_bound_the_next_one_with_a_credit_gets_the_call() -> None:
    made = mesh("a", "b", models=("m",))
    ((_, home),) = sends(made.call(1, 5.0, model="m"))
    other = "b" if home == "a" else "a"
    made.report(other, model("m"), window=0)
    assert [sends(made.call(call_id, 5.0, model="m")) for call_id in range(2, 9)] == [
        [(call_id, home)] for call_id in range(2, 9)
    ]
