"""What is remembered of inputs that workers died of, and for how long."""

from hasten_policy.content import Asked, Content
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.reasons import ENDED, Reason, Refusal
from hasten_policy.router.events import AttemptRefused, InputBanned, Send
from hasten_policy.router.suspicion import Input, Suspicions
from tests.unit.policy_router.harness import Router, delivers, model, refusals, router, sends

X = Content(5, "x")
Y = Content(6, "y")


def given(content: Content, model_name: str = "m") -> Input:
    return Input(model_name, "1", content)


def test_a_process_dies_of_an_input_once() -> None:
    memory = Suspicions(9, 10.0)
    assert memory.died(given(X), "a/1", 0.0) == ("a/1",)
    assert memory.died(given(X), "a/1", 1.0) == ("a/1",)
    assert memory.died(given(X), "a/2", 2.0) == ("a/1", "a/2")
    assert memory.deaths(given(X), 2.0) == ("a/1", "a/2")
    assert memory.deaths(given(X, "other"), 2.0) == ()
    assert set(memory.sizes_of("m")) == {5}


def test_an_input_is_forgotten_when_it_is_answered_and_when_its_time_is_over() -> None:
    memory = Suspicions(9, 10.0)
    memory.died(given(X), "a/1", 0.0)
    memory.died(given(Y), "a/1", 5.0)
    memory.died(given(X), "b/1", 8.0)
    assert memory.deaths(given(Y), 15.0) == ()
    assert memory.deaths(given(X), 17.9) == ("a/1", "b/1")
    memory.answered(given(X))
    assert memory.deaths(given(X), 17.9) == ()
    assert not memory.sizes_of("m")
    assert len(memory) == 0


def test_the_memory_is_bounded_and_the_oldest_death_goes_first() -> None:
    memory = Suspicions(3, 10.0)
    for number in range(5):
        memory.died(Input("m", "1", Content(number, "x")), "a/1", float(number))
    assert set(memory.sizes_of("m")) == {2, 3, 4}
    assert len(Suspicions(0, 10.0).died(given(X), "a/1", 0.0)) == 1
    nothing = Suspicions(0, 10.0)
    nothing.died(given(X), "a/1", 0.0)
    assert len(nothing) == 0


def test_a_process_that_lives_was_not_killed() -> None:
    memory = Suspicions(9, 10.0)
    memory.died(given(X), "a/1", 0.0)
    memory.died(given(X), "b/1", 0.0)
    memory.died(given(Y), "a/1", 0.0)
    memory.lives("a/1")
    assert memory.deaths(given(X), 0.0) == ("b/1",)
    assert memory.deaths(given(Y), 0.0) == ()


def dies(made: Router, worker_id: str, *call_ids: int, content: Content = X) -> list[object]:
    ran = tuple(Asked(call_id, content) for call_id in call_ids)
    return list(made.tell(WorkerLost(worker_id, ran)))


def test_a_call_whose_worker_died_is_tried_once_more_alone_and_then_never() -> None:
    made = router("a", "b", "c")
    ((_, first),) = sends(made.call(1))
    again = dies(made, first, 1)
    (sent,) = [effect for effect in again if isinstance(effect, Send)]
    assert (sent.alone, sent.attempt) == (True, 2)
    over = dies(made, sent.worker_id, 1)
    assert refusals(over) == {1: Reason.POISONOUS}  # type: ignore[arg-type]  # effects
    (banned,) = [effect for effect in over if isinstance(effect, InputBanned)]
    assert (banned.model, banned.version, banned.digest) == ("m", "1", "x")
    assert 5 in made.machine.suspect_sizes("m")
    assert refusals(made.call(2, content=X)) == {2: Reason.POISONOUS}
    assert refusals(made.call(3, content=X, version="1")) == {3: Reason.POISONOUS}
    assert sends(made.call(4, content=Y))
    assert sends(made.call(5))
    made.pass_time(600.0)
    made.report("c")
    made.report("b")
    assert sends(made.call(6, content=X))


def test_another_version_of_the_model_may_be_asked_the_same() -> None:
    made = Router()
    both = (model(), model(version="2", serves_unversioned=False))
    for worker_id in "abc":
        made.join(worker_id, *both)
    ((_, first),) = sends(made.call(1))
    ((_, second),) = sends(dies(made, first, 1))  # type: ignore[arg-type]  # effects
    dies(made, second, 1)
    assert refusals(made.call(2, content=X)) == {2: Reason.POISONOUS}
    assert sends(made.call(3, content=X, version="2"))


def test_what_only_waited_goes_elsewhere_as_before() -> None:
    made = router("a", "b", "c")
    ((_, first),) = sends(made.call(1))
    moved = dies(made, first)
    (sent,) = [effect for effect in moved if isinstance(effect, Send)]
    assert not sent.alone
    assert not made.machine.suspect_sizes("m")


def test_a_link_that_broke_while_the_process_lived_blames_nothing_for_long() -> None:
    made = router("a", "b")
    ((_, first),) = sends(made.call(1))
    dies(made, first, 1)
    assert made.machine.suspect_sizes("m")
    made.join(first)
    assert not made.machine.suspect_sizes("m")


def test_an_input_whose_runs_do_not_stop_is_as_bad_as_one_that_ends_its_workers() -> None:
    made = router("a", "b", "c")
    for call_id in (1, 2):
        ((_, worker_id),) = sends(made.call(call_id, content=X))
        refusal = Refusal(Reason.RUN_OVERSTAYED, "no", metadata=((ENDED, "run-1"),), started=True)
        event = AttemptRefused(call_id, worker_id, made.load(worker_id), refusal, X)
        assert delivers(made.tell(event)) == [call_id]
        dies(made, worker_id)
    assert refusals(made.call(3, content=X)) == {3: Reason.POISONOUS}
    assert sends(made.call(4, content=Y))


def test_an_input_that_ends_processes_of_its_model_is_refused_after_the_second() -> None:
    made = router("a", "b", "c")
    for call_id, ended in ((1, "7"), (2, "9")):
        ((_, worker_id),) = sends(made.call(call_id, content=X))
        refusal = Refusal(Reason.MODEL_FAILED, "no", metadata=((ENDED, ended),), started=True)
        event = AttemptRefused(call_id, worker_id, made.load(worker_id), refusal, X)
        assert delivers(made.tell(event)) == [call_id]
    assert refusals(made.call(3, content=X)) == {3: Reason.POISONOUS}
    assert sends(made.call(4, content=Y))
    # Both at once, as when it shared a batch before it ran alone.
    ((_, worker_id),) = sends(made.call(5, content=Y))
    refusal = Refusal(Reason.MODEL_FAILED, "no", metadata=((ENDED, "11,12"),), started=True)
    made.tell(AttemptRefused(5, worker_id, made.load(worker_id), refusal, Y))
    assert refusals(made.call(6, content=Y)) == {6: Reason.POISONOUS}


def test_equal_calls_wait_for_the_one_on_trial_and_others_run_meanwhile() -> None:
    made = router("a", "b", "c")
    ((_, first),) = sends(made.call(1))
    ((_, second),) = sends(dies(made, first, 1))  # type: ignore[arg-type]  # effects
    assert not any(sends(made.call(call_id, content=X)) for call_id in range(2, 6))
    assert len({worker for n in range(6, 20) for _, worker in sends(made.call(n))}) == 2
    after = [effect for effect in made.answer(1, second) if isinstance(effect, Send)]
    assert {sent.call_id for sent in after} == {2, 3, 4, 5}
    assert not any(sent.alone for sent in after)
    assert not made.machine.suspect_sizes("m")


def test_equal_calls_that_wait_are_refused_with_the_one_on_trial() -> None:
    made = router("a", "b", "c")
    ((_, first),) = sends(made.call(1))
    ((_, second),) = sends(dies(made, first, 1))  # type: ignore[arg-type]  # effects
    for call_id in range(2, 6):
        made.call(call_id, content=X)
    over = refusals(dies(made, second, 1))  # type: ignore[arg-type]  # effects
    assert over == dict.fromkeys(range(1, 6), Reason.POISONOUS)


def test_equal_calls_that_ran_together_are_tried_on_one_worker() -> None:
    made = router("a", "b", "c")
    for call_id in range(1, 20):
        made.call(call_id)
    together = [n for n, worker in sent_to(made) if worker == "a"]
    moved = [e for e in dies(made, "a", *together) if isinstance(e, Send)]
    assert {sent.call_id for sent in moved} == set(together)
    assert len({sent.worker_id for sent in moved}) == 1
    assert all(sent.alone for sent in moved)


def sent_to(made: Router) -> list[tuple[int, str]]:
    return [pair for _, _, effects in made.log for pair in sends(effects)]
