"""Who leaves."""

from hasten_policy.scaling.leaving import Candidate, who_leaves


def worker(name: str, *, ready: bool = True, calls: int = 0, since_s: float = 0.0) -> Candidate:
    return Candidate(name, ready=ready, calls=calls, backlog_s=calls * 0.1, since_s=since_s)


def names(found: list[Candidate]) -> list[str]:
    return [each.worker_id for each in found]


def test_a_busy_worker_is_not_picked_while_an_idle_one_is_there() -> None:
    pool = [worker("busy", calls=7), worker("idle"), worker("busier", calls=9)]
    assert names(who_leaves(pool, 1, ())) == ["idle"]
    assert names(who_leaves(pool, 2, ())) == ["idle", "busy"]


def test_one_that_only_starts_goes_first_and_of_alike_ones_the_newest() -> None:
    pool = [worker("old"), worker("new", since_s=5.0), worker("starts", ready=False)]
    assert names(who_leaves(pool, 2, ())) == ["starts", "new"]


def test_the_last_copy_of_a_model_that_is_asked_for_stays() -> None:
    pool = [
        Candidate("a", ready=True, calls=0, backlog_s=0.0, since_s=0.0, models=("x", "y")),
        Candidate("b", ready=True, calls=3, backlog_s=0.3, since_s=0.0, models=("y",)),
    ]
    assert names(who_leaves(pool, 1, ("x", "y"))) == ["b"]
    # Without "b" the last copy of y would go too.
    assert names(who_leaves(pool, 2, ("x", "y"))) == ["b"]
    assert names(who_leaves(pool, 1, ())) == ["a"]
