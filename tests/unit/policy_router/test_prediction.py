"""What a router predicts from what workers tell, and from what it can guess of other routers."""

import pytest

from hasten_policy.fleet.events import LoadTold
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.events import AttemptRefused, CallAbandoned
from tests.unit.policy_router.harness import Router, model, refusals, router, sends


def finish_s(made: Router, worker_id: str, name: str = "m") -> float:
    """Predicted seconds until a call sent there now would be done."""
    view = made.machine._state.fleet.registry.views[name]
    return view.by_worker[worker_id].finish_in_s(made.now_s)


def test_an_idle_worker_begins_at_once() -> None:
    assert finish_s(router("w"), "w") == pytest.approx(0.011)


def test_a_call_joins_what_waits_of_its_model_and_not_what_waits_of_another() -> None:
    made = Router()
    both = (model("m"), model("n"))
    made.join("w", *both)
    made.report("w", *both, depth=5, waiting=4, waiting_of=((0, 4),), backlog_s=0.05)
    assert finish_s(made, "w", "m") == pytest.approx(0.051), "a row more"
    assert finish_s(made, "w", "n") == pytest.approx(0.061), "a batch of its own"


def test_a_call_that_joins_a_batch_waits_for_what_goes_before_it_and_no_more() -> None:
    made = Router()
    both = (model("m"), model("n"))
    made.join("w", *both)
    # 20 ms are left of what runs; m's batch of four goes next, then n's of sixteen.
    load = {"depth": 36, "waiting": 20, "waiting_of": ((1, 16), (0, 4)), "backlog_s": 0.06}
    made.report("w", *both, **load)
    assert finish_s(made, "w", "m") == pytest.approx(0.061), "an old worker: all goes first"
    made.report("w", *both, **load, starts_s=(0.034, 0.02))
    assert finish_s(made, "w", "m") == pytest.approx(0.02 + 0.015)
    assert finish_s(made, "w", "n") == pytest.approx(0.034 + 0.027)
    made.now_s += 0.01
    assert finish_s(made, "w", "m") == pytest.approx(0.01 + 0.015)


def test_a_batch_that_has_begun_since_the_report_is_joined_no_more() -> None:
    made = router("w")
    made.report("w", depth=5, waiting=4, waiting_of=((0, 4),), backlog_s=0.034, starts_s=(0.02,))
    made.now_s += 0.025
    # The batch of four has nine of its fourteen milliseconds to go.
    assert finish_s(made, "w") == pytest.approx(0.009 + 0.011)


def test_a_batch_that_is_about_to_begin_is_not_counted_on() -> None:
    made = router("w")
    made.report("w", depth=5, waiting=4, waiting_of=((0, 4),), backlog_s=0.034, starts_s=(0.02,))
    made.now_s += 0.0169
    assert finish_s(made, "w") == pytest.approx(0.0031 + 0.015)
    made.now_s += 0.0002
    assert finish_s(made, "w") == pytest.approx(0.0169 + 0.011), "the next one"


def test_what_does_not_fit_the_waiting_batch_waits_for_all_and_for_a_full_one() -> None:
    made = router("w")
    full = {"depth": 64, "waiting": 32, "waiting_of": ((0, 32),), "backlog_s": 0.06}
    made.report("w", **full, starts_s=(0.018,))
    assert finish_s(made, "w") == pytest.approx(0.06 + 0.042)


def test_batches_are_planned_as_large_as_the_worker_forms_them() -> None:
    made = router("w")
    small = model(target_rows=4, target_s=0.014)
    made.report("w", small, depth=8, waiting=4, waiting_of=((0, 4),), backlog_s=0.02)
    assert finish_s(made, "w") == pytest.approx(0.02 + 0.014)


def test_a_longer_call_takes_longer_and_brings_its_rows() -> None:
    made = router("w")
    sized = model(size=24.0, gamma_s=0.0001)
    made.report("w", sized)
    entry = made.machine._state.fleet.registry.views["m"].open[0]
    assert entry.finish_in_s(made.now_s, 1, 24.0) == pytest.approx(0.011)
    assert entry.finish_in_s(made.now_s, 1, 124.0) == pytest.approx(0.021)
    assert entry.finish_in_s(made.now_s, 3, 124.0) == pytest.approx(0.01 + 3 * 0.011)
    assert entry.finish_in_s(made.now_s, 1, 1.0) == pytest.approx(0.011), "no less than the least"


def test_beyond_what_ever_ran_nothing_is_known_and_nothing_is_charged() -> None:
    made = router("w")
    made.report("w", model(size=24.0, gamma_s=0.0001, work_max=224.0))
    entry = made.machine._state.fleet.registry.views["m"].open[0]
    assert entry.finish_in_s(made.now_s, 1, 1e6) == pytest.approx(0.011 + 0.02)


def test_calls_of_many_shapes_are_planned_one_after_the_other() -> None:
    made = router("w")
    mixed = model(unlike=0.9, size=24.0, gamma_s=0.0001)
    made.report("w", mixed, depth=3, waiting=2, waiting_of=((0, 2),), backlog_s=0.03)
    made.call(1, 1.0, elements=124)
    made.call(2, 1.0, elements=24)
    assert finish_s(made, "w") == pytest.approx(0.03 + 0.021 + 0.011 + 0.011)


def test_a_waiting_batch_is_expected_to_grow_to_the_size_of_late() -> None:
    made = router("w")
    made.report(
        "w", model(batch_rows=10.0), depth=2, waiting=1, waiting_of=((0, 1),), backlog_s=0.02
    )
    # One waits and is in the backlog; it will run as ten.
    assert finish_s(made, "w") == pytest.approx(0.02 + 0.009)
    made.report("w", model(batch_rows=10.0))
    assert finish_s(made, "w") == pytest.approx(0.011), "an idle worker waits for nobody"


def test_what_was_sent_since_the_report_is_ahead() -> None:
    made = router("w")
    made.report("w", depth=1, backlog_s=0.05, received=0)
    for call_id in (1, 2, 3):
        assert sends(made.call(call_id, 10.0)) == [(call_id, "w")]
    assert finish_s(made, "w") == pytest.approx(0.05 + 0.014)
    made.report("w", depth=4, waiting=3, waiting_of=((0, 3),), backlog_s=0.063, received=3)
    assert finish_s(made, "w") == pytest.approx(0.064)


def test_other_routers_are_expected_to_go_on_as_they_did() -> None:
    made = router("w")
    state = made.machine._state
    state.fleet.registry.views["m"].demand_per_s = 100.0
    from hasten_policy.fleet.homes import lay_out

    lay_out([state.fleet.registry.views["m"]])
    alone_s = 0.0
    for tick in range(100):
        made.pass_time(0.05)
        made.report("w", depth=9, backlog_s=0.05, arrived=10 * tick)
        alone_s = finish_s(made, "w")
    made.now_s += 0.025
    # 200 a second: five more by now, though the backlog ran down by 25 ms.
    assert finish_s(made, "w") == pytest.approx(alone_s - 0.025 + 0.005, abs=0.0015)


def test_a_load_that_comes_alone_counts_as_hearing_from_the_worker_and_frees_credits() -> None:
    made = router("w", "v", "u")
    for worker_id in "wvu":
        made.report(worker_id, window=0)
    assert sends(made.call(1, 1.0)) == []
    effects = made.tell(LoadTold("w", made.load("w")))
    assert sends(effects) == [(1, "w")]
    assert made.tell(LoadTold("gone", made.load("gone"))) == []


def test_calls_that_were_taken_back_are_not_taken_for_those_of_other_routers() -> None:
    made = router("w")
    made.report("w", window=40)
    for call_id in range(1, 41):
        made.call(call_id, 5.0)
    made.report("w", depth=40, waiting=39, waiting_of=((0, 39),), backlog_s=0.1, window=40)
    for call_id in range(3, 41):
        made.tell(CallAbandoned(call_id))
    made.report("w", depth=40, waiting=39, waiting_of=((0, 39),), backlog_s=0.1, window=2)
    for call_id in range(41, 61):
        made.call(call_id, 0.5)
    assert made.machine.held == 20, "as if for each of ours there were nineteen of others"


def test_an_older_load_changes_nothing() -> None:
    made = router("w")
    late = made.load("w", depth=40, backlog_s=9.0)
    made.report("w")
    made.tell(LoadTold("w", late))
    assert finish_s(made, "w") == pytest.approx(0.011)


def test_places_beyond_the_models_known_are_ignored() -> None:
    made = router("w")
    made.report("w", depth=3, waiting=2, waiting_of=((7, 2),), backlog_s=0.02)
    assert finish_s(made, "w") == pytest.approx(0.031)


def test_a_worker_that_refuses_an_admitted_call_teaches_theta() -> None:
    made = router("w", theta_outcomes_min=0)
    theta = made.machine._state.thetas.of("m")
    before = theta.values[1]
    made.call(1, 1.0)
    made.turn_down(1, "w", Reason.OVERLOADED)
    assert theta.values[1] < before


def test_a_call_that_was_shed_as_another_run_overran_teaches_theta_nothing() -> None:
    made = router("w", theta_outcomes_min=0)
    theta = made.machine._state.thetas.of("m")
    before = list(theta.values)
    made.call(1, 1.0)
    refusal = Refusal(Reason.SHED_BEFORE_START, "", metadata=(("overran", "1"),))
    made.tell(AttemptRefused(1, "w", made.load("w"), refusal))
    assert theta.values == before
    assert refusals([]) == {}


def test_what_goes_after_every_call_keeps_no_call_waiting() -> None:
    made = router("w")
    made.report("w", depth=9, waiting=8, backlog_s=0.031, residual_s=0.011, backlog_guests_s=0.02)
    assert finish_s(made, "w") == pytest.approx(0.011 + 0.011)


def test_tasks_that_come_are_no_calls_of_other_routers() -> None:
    made = router("w")
    state = made.machine._state
    state.fleet.registry.views["m"].demand_per_s = 100.0
    from hasten_policy.fleet.homes import lay_out

    lay_out([state.fleet.registry.views["m"]])
    for tick in range(100):
        made.pass_time(0.05)
        # Of 800 a second there are 200 calls of another router.
        came = {"arrived": 40 * tick, "arrived_batch": 30 * tick}
        made.report("w", depth=9, backlog_s=0.05, **came)
    assert state.fleet.workers["w"].others_per_s == pytest.approx(200.0, rel=0.05)


def test_our_own_calls_of_the_lowest_class_hide_those_of_others_and_no_more() -> None:
    made = router("w")
    for tick in range(10):
        made.pass_time(0.05)
        made.report("w", arrived=10 * tick, received=10 * tick, arrived_batch=10 * tick)
    assert made.machine._state.fleet.workers["w"].others_per_s == 0.0


@pytest.mark.parametrize(("guests", "expected_s"), [(3, 0.011 + 0.011), (2, 0.011 + 0.011 + 0.017)])
def test_a_batch_of_tasks_that_wait_is_not_expected_to_grow(guests: int, expected_s: float) -> None:
    made = router("w")
    both = (model("m"), model("n", batch_rows=20.0))
    # Three of "n" wait, worth 13 ms; as a batch of calls they would grow to 20 rows.
    said = {"depth": 4, "waiting": 3, "waiting_of": ((1, 3),), "backlog_s": 0.024}
    made.report("w", *both, **said, waiting_batch=guests, backlog_guests_s=0.013)
    assert finish_s(made, "w") == pytest.approx(expected_s)
