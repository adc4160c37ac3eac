"""What a front may refuse by itself is what the machine would refuse."""

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.router.bars import BAR_S
from hasten_policy.router.events import BarLifted, BarSet, CallsBarred, RouterEffect
from tests.unit.policy_router.harness import Router, model, refusals, router

FULL = {"alpha_s": 0.0, "beta_s": 0.010, "best_s": 0.010, "batch_max": 1}
"""Its calls take 10 ms each."""


def bars(effects: list[RouterEffect]) -> list[BarSet]:
    return [effect for effect in effects if isinstance(effect, BarSet)]


def lifted(effects: list[RouterEffect]) -> list[BarLifted]:
    return [effect for effect in effects if isinstance(effect, BarLifted)]


def crowded(count: int = 6) -> Router:
    """A router whose worker has so many calls of 10 ms."""
    made = Router()
    made.join("w", model(**FULL))
    for call_id in range(count):
        made.call(call_id, 10.0)
    return made


def test_a_refusal_says_what_calls_alike_must_have_left() -> None:
    made = crowded()
    effects = made.call(100, 0.05)
    assert refusals(effects)
    (bar,) = bars(effects)
    assert (bar.model, bar.version, bar.priority, bar.rows) == ("m", "", 1, 1)
    assert bar.left_s > 0.05
    assert bar.life_s == BAR_S


@given(st.floats(0.001, 0.2), st.floats(0.0, BAR_S))
def test_whom_a_bar_keeps_out_the_machine_would_refuse(left_s: float, later_s: float) -> None:
    made = crowded()
    (bar,) = bars(made.call(100, 0.05))
    made.pass_time(later_s)
    # The bar goes by the moment of the deadline, which does not move.
    if left_s < bar.left_s - later_s:
        assert refusals(made.call(101, left_s))


@given(st.floats(0.0, BAR_S))
def test_whom_the_machine_would_let_in_no_bar_keeps_out(later_s: float) -> None:
    made = crowded()
    (bar,) = bars(made.call(100, 0.05))
    made.pass_time(later_s)
    assert not refusals(made.call(101, bar.left_s + 0.001))


def test_calls_of_one_worker_alone_set_no_bar() -> None:
    made = crowded()
    effects = made.call(100, 0.05, affinity="sequence")
    assert refusals(effects)
    assert not bars(effects)


def test_a_model_with_a_time_of_its_own_has_no_bar() -> None:
    made = Router()
    made.join("w", model(**FULL, default_timeout_s=0.05))
    effects = [effect for call_id in range(20) for effect in made.call(call_id, 10.0)]
    assert refusals(effects)
    assert not bars(effects)


def test_a_worker_that_has_nothing_to_do_lifts_the_bar_at_once() -> None:
    made = crowded(2)
    effects = made.call(100, 0.015)
    assert bars(effects)
    assert not lifted(made.answer(0, "w", received=2, depth=1, backlog_s=0.01))
    assert lifted(made.answer(1, "w", received=2)) == [BarLifted("m", "")]


def test_a_bar_that_has_fallen_is_not_lifted() -> None:
    made = crowded(1)
    made.call(100, 0.015)
    made.pass_time(2 * BAR_S)
    assert not lifted(made.answer(0, "w", received=1))


def test_calls_that_a_front_has_refused_count_as_arrived() -> None:
    made = router("w")
    view = made.machine._state.fleet.registry.find("m", "")
    assert view is not None
    before = view.arrivals
    assert not made.tell(CallsBarred("m", "", 5))
    assert view.arrivals == before + 5
    assert not made.tell(CallsBarred("of nobody", "", 5))
