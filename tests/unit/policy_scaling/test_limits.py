"""Bounds, budget, steps and changes: the last word on every path."""

import pytest

from hasten_policy.scaling.limits import Bounds, LimitPolicy, Limits


def kinds(reasons: list[object]) -> list[str]:
    return [getattr(each, "kind", "") for each in reasons]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"workers_min": 5, "workers_max": 4}, "workers_min 5 is above workers_max 4"),
        ({"workers_max": 0}, "workers_max must be at least 1"),
        ({"price_per_h": -1.0}, "price_per_h must not be negative"),
        (
            {"workers_min": 3, "price_per_h": 2.0, "budget_per_h": 4.0},
            "budget_per_h pays for 2 workers, fewer than workers_min 3",
        ),
    ],
)
def test_bounds_that_contradict_each_other_are_refused(values: dict[str, float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Bounds(**values)  # type: ignore[arg-type]


def test_a_budget_buys_whole_workers() -> None:
    assert Bounds(workers_max=9, price_per_h=0.1, budget_per_h=0.3).most == 3
    assert Bounds(workers_max=9, price_per_h=0.0, budget_per_h=0.3).most == 9


def test_what_is_not_granted_is_said() -> None:
    limits = Limits(LimitPolicy())
    bounds = Bounds(workers_max=9, price_per_h=1.0, budget_per_h=5.0)
    found, reasons = limits.apply(0.0, 4, 8, bounds)
    assert found == 5
    assert kinds(list(reasons)) == ["budget"]
    assert reasons[0].facts == (("not_granted", 3.0),)


def test_a_step_up_doubles_or_adds_four() -> None:
    limits, bounds = Limits(LimitPolicy()), Bounds(workers_max=1000)
    assert limits.apply(0.0, 1, 500, bounds)[0] == 5
    assert Limits(LimitPolicy()).apply(0.0, 20, 500, bounds)[0] == 40


def test_a_quarter_leaves_in_a_minute_and_one_always_may() -> None:
    limits, bounds = Limits(LimitPolicy()), Bounds(workers_min=0, workers_max=1000)
    desired, path = 40, []
    for tick in range(13):
        desired, _ = limits.apply(10.0 * tick, desired, 0, bounds)
        path.append(desired)
    assert path[:7] == [30] * 7
    assert path[7] == 23
    few = Limits(LimitPolicy())
    assert few.apply(0.0, 2, 0, bounds)[0] == 1


def test_a_floor_that_was_raised_is_reached_whatever_else_holds() -> None:
    limits = Limits(LimitPolicy(changes_per_h_max=1))
    assert limits.apply(0.0, 1, 2, Bounds())[0] == 2
    assert limits.apply(10.0, 2, 3, Bounds())[0] == 2
    assert limits.apply(20.0, 2, 2, Bounds(workers_min=6))[0] == 6
