"""Placements: what fits, what is better, and how one is reached from another."""

import numpy as np
import pytest

from hasten_plan.placement.aims import aims, dominates, hypervolume
from hasten_plan.placement.exact import solve
from hasten_plan.placement.explorers import EXPLORERS
from hasten_plan.placement.greedy import greedy
from hasten_plan.placement.local import LocalSearch
from hasten_plan.placement.placing import place, worth_moving
from hasten_plan.placement.problem import NoRoomError, Problem
from hasten_plan.placement.steps import Step, steps
from loadtest.placement import LARGE, MIDDLE, SMALL, Size, problem

TINY = Size(6, 3, 5.0, 200)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def two_workers(**change: object) -> Problem:
    """Two models, one busy and one idle, both on the first of two workers."""
    said: dict[str, object] = {
        "memory_gb": np.array([1.0, 1.0]),
        "load": np.array([0.9, 0.1]),
        "copies": np.array([1, 1]),
        "room_gb": np.array([2.0, 2.0]),
        "speed": np.array([1.0, 1.0]),
        "current": np.array([[True, False], [True, False]]),
    }
    return Problem(**{**said, **change})  # type: ignore[arg-type]


def test_the_cheaper_of_two_moves_evens_the_load_out() -> None:
    given = two_workers(load=np.array([0.6, 0.6]), memory_gb=np.array([1.9, 0.1]))
    placed = place(given, rng())
    assert placed.tolist() == [[True, False], [False, True]]
    assert worth_moving(given, placed)


def test_what_is_already_best_stays() -> None:
    given = two_workers(current=np.array([[True, False], [False, True]]))
    assert (place(given, rng()) == given.current).all()
    assert steps(given, given.current) == []
    assert not worth_moving(given, given.current)


@pytest.mark.parametrize("size", [SMALL, MIDDLE, LARGE])
def test_local_search_fits_and_is_never_worse_than_now(size: Size) -> None:
    given = problem(size, 3)
    placed = place(given, rng(), 60)
    assert given.fits(placed)
    assert given.objective(placed) <= given.objective(given.current)
    # Idempotent on its own output, but for what a longer search still finds.
    again = LocalSearch(given, rng()).improved(placed, 20)
    assert given.objective(again) <= given.objective(placed)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_exact_method_is_never_beaten_and_its_bound_holds(seed: int) -> None:
    given = problem(TINY, seed)
    found = solve(given, 5.0)
    assert given.fits(found.placed)
    assert found.gap <= 1e-6
    assert given.objective(place(given, rng(), 300)) >= found.objective - 1e-9


def test_pinned_copies_stay_and_forbidden_workers_stay_empty() -> None:
    pinned, allowed = np.zeros((2, 2), dtype=bool), np.ones((2, 2), dtype=bool)
    pinned[0, 0] = True
    allowed[1, 1] = False
    given = two_workers(pinned=pinned, allowed=allowed)
    for placed in (place(given, rng()), solve(given, 5.0).placed, greedy(given, keep=False)):
        assert placed[0, 0]
        assert not placed[1, 1]


def test_copies_that_do_not_fit_are_refused() -> None:
    given = two_workers(room_gb=np.array([0.5, 0.5]))
    with pytest.raises(NoRoomError, match="do not fit"):
        place(given, rng())
    with pytest.raises(NoRoomError):
        solve(given, 1.0)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"copies": np.array([3, 1])}, "more copies than workers"),
        ({"speed": np.array([1.0, 0.0])}, "speed must be above 0"),
        ({"load": np.array([1.0])}, "load must have 2 values"),
        ({"memory_gb": np.array([-1.0, 1.0])}, "must not be negative"),
        ({"pinned": np.ones((2, 2), dtype=bool)}, "more pinned copies"),
        ({"allowed": np.ones((3, 2), dtype=bool)}, "allowed must have 2 rows"),
    ],
)
def test_problems_that_contradict_themselves_are_refused(
    change: dict[str, object], says: str
) -> None:
    with pytest.raises(ValueError, match=says):
        two_workers(**change)


def test_the_last_ready_copy_is_made_elsewhere_before_it_is_broken() -> None:
    given = two_workers()
    placed = np.array([[False, True], [True, False]])
    assert steps(given, placed) == [[Step(0, 1, load=True)], [Step(0, 0, load=False)]]


@pytest.mark.parametrize("seed", range(1, 9))
def test_no_step_overfills_a_worker_or_leaves_a_model_without_a_copy(seed: int) -> None:
    given = problem(SMALL, seed)
    there, ready = given.current.copy(), given.ready.copy()
    placed = place(given, rng(), 100)
    for together in steps(given, placed):
        assert len({step.worker for step in together if step.load}) == sum(
            step.load for step in together
        )
        for step in together:
            there[step.model, step.worker] = step.load
        ready = (ready | there) & there
        assert (given.used_gb(there) <= given.room_gb + 1e-9).all()
        assert ready.any(axis=1).all()


@pytest.mark.parametrize("name", EXPLORERS)
def test_explorers_are_never_worse_than_their_seeds(name: str) -> None:
    given = problem(SMALL, 2)
    seeds = [given.current, place(given, rng(), 50)]
    archive = EXPLORERS[name](given, seeds, 150, rng())
    assert all(given.fits(each.placed) for each in archive.found)
    for seed in seeds:
        told = aims(given, seed)
        assert any((each.aims <= told).all() for each in archive.found)
    for one in archive.found:
        assert not any(dominates(other.aims, one.aims) for other in archive.found)


def test_the_hypervolume_of_a_point_is_the_box_that_it_dominates() -> None:
    found = hypervolume(np.array([[0.5, 0.5]]), np.array([1.0, 1.0]), rng())
    assert found == pytest.approx(0.25, abs=0.01)


def test_one_worker_holds_everything() -> None:
    given = Problem(
        np.array([1.0, 1.0]),
        np.array([0.2, 0.3]),
        np.array([1, 1]),
        np.array([4.0]),
        np.array([1.0]),
        np.array([[True], [False]]),
    )
    assert place(given, rng()).all()
