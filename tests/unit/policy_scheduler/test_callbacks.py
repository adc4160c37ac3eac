"""A callback is told until it is taken, and is a dead letter when it is not."""

from random import Random

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.callbacks import (
    Answer,
    AwaitEnd,
    CallbackMachine,
    CallbackPolicy,
    CallbackProgress,
    CallbackState,
    EndCame,
    NeverBegan,
    Tell,
    WasTold,
)
from hasten_policy.scheduler.jobs.events import (
    Ask,
    JobEffect,
    Started,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)

POLICY = CallbackPolicy(attempts_max=4, first_s=2.0, dead_keep_s=1000.0)
WHY = Refusal(Reason.CALLBACK_FAILED, "no")
NOT_NOW = Told(Tell(), WasTold(Answer.NOT_NOW, refusal=WHY))


def machine(state: CallbackState = CallbackState.WAITING) -> CallbackMachine:
    return CallbackMachine(POLICY, CallbackProgress(state), Random(1))


def wake_of(effects: list[JobEffect]) -> float:
    (wake,) = [effect for effect in effects if isinstance(effect, WakeAt)]
    return wake.at_s


def test_it_waits_tells_and_is_done() -> None:
    callback = machine()
    assert callback.on(Started(Wanted.ACTIVE), now_s=0.0) == [Ask(AwaitEnd(), slow=True)]
    assert callback.on(Told(AwaitEnd(), EndCame()), now_s=1.0) == [Write(), Ask(Tell(), slow=True)]
    assert callback.on(Told(Tell(), WasTold(Answer.TAKEN)), now_s=1.0) == [Write("delivered")]
    assert (callback.progress.state, callback.progress.attempts) == (CallbackState.DELIVERED, 1)


def test_it_is_told_again_up_to_a_bound_and_then_kept() -> None:
    callback = machine()
    callback.on(Told(AwaitEnd(), EndCame()), now_s=0.0)
    now_s = 0.0
    for attempts in range(1, POLICY.attempts_max):
        wake_s = wake_of(callback.on(NOT_NOW, now_s=now_s))
        assert now_s <= wake_s <= now_s + 2.0**attempts
        # The next owner tells it no sooner.
        again = CallbackMachine(POLICY, callback.progress, Random(2))
        assert again.on(Started(Wanted.ACTIVE), now_s=now_s) in (
            [WakeAt(wake_s)],
            [Ask(Tell(), slow=True)],
        )
        now_s = wake_s
        assert again.on(TimerCame(), now_s=now_s) == [Ask(Tell(), slow=True)]
    assert wake_of(callback.on(NOT_NOW, now_s=now_s)) == now_s + 1000.0
    assert callback.progress.state is CallbackState.DEAD
    assert callback.progress.refusal is WHY
    assert callback.on(TimerCame(), now_s=now_s + 1000.0) == [Write("dead")]


def test_who_does_not_want_to_be_told_is_not_told_again() -> None:
    callback = machine(CallbackState.SENDING)
    assert callback.on(Started(Wanted.ACTIVE), now_s=0.0) == [Ask(Tell(), slow=True)]
    assert (
        wake_of(callback.on(Told(Tell(), WasTold(Answer.NEVER, refusal=WHY)), now_s=0.0)) == 1000.0
    )
    assert callback.progress.state is CallbackState.DEAD


def test_a_task_that_was_not_accepted_tells_nothing() -> None:
    assert machine().on(Told(AwaitEnd(), NeverBegan()), now_s=0.0) == [Write("never_begun")]
    assert machine().on(Started(Wanted.CANCELLED), now_s=0.0) == [Write("cancelled")]
