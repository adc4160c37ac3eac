"""A callback: waits for an end, tells it by HTTP, tells it again, and gives it up.

One that was given up is a dead letter: it is kept for a while, and a person can have it told again.
"""

from dataclasses import dataclass
from enum import Enum

from hasten_policy.chance import Chance
from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.jobs.events import (
    Ask,
    JobEffect,
    JobEvent,
    Started,
    Told,
    WakeAt,
    Wanted,
    Write,
)


class Answer(Enum):
    """What a receiver said."""

    TAKEN = "taken"
    NOT_NOW = "not now"
    """It was not reached, or may say otherwise later."""
    NEVER = "never"
    """It does not want to be told, or may not be: no repeat helps."""


def answer_of(status: int) -> Answer:
    """What an HTTP status means.

    2xx is taken, 410 says that nobody will be there again. All others may be faults of the moment,
    of the receiver or of what stands before it, 404 while it is deployed among them. A redirection
    is no answer: it would lead out of what is allowed.
    """
    if 200 <= status < 300:
        return Answer.TAKEN
    return Answer.NEVER if status == 410 else Answer.NOT_NOW


@dataclass(frozen=True, slots=True)
class CallbackPolicy:
    """How often, and how long.

    Attributes:
        attempts_max: Times that a callback is told at most.
        first_s: Longest pause after the first time; it doubles from time to time.
        pause_s_max: Longest pause.
        dead_keep_s: A dead one is kept for so long.
    """

    attempts_max: int = 20
    first_s: float = 2.0
    pause_s_max: float = 3600.0
    dead_keep_s: float = 7 * 86_400.0


def pause_s(policy: CallbackPolicy, attempts: int, asked_s: float, rng: Chance) -> float | None:
    """Seconds until the callback is told again; None when it is given up.

    The pause is drawn evenly from zero to a bound that doubles (full jitter: Brooker, "Exponential
    backoff and jitter", AWS 2015): receivers that come back are not met by all at once.

    Args:
        policy: How often.
        attempts: Times that it was told.
        asked_s: Shortest pause that the receiver asked for; it gets at most the longest.
        rng: For the draw.
    """
    if attempts >= policy.attempts_max:
        return None
    bound_s = min(policy.pause_s_max, policy.first_s * 2.0 ** (attempts - 1))
    return max(min(asked_s, policy.pause_s_max), rng.uniform(0.0, bound_s))


class CallbackState(Enum):
    """Where a callback is. Values are stored, and never change."""

    WAITING = 1
    """What it is about has not ended."""
    SENDING = 2
    DELIVERED = 3
    DEAD = 4


@dataclass(slots=True)
class CallbackProgress:
    """How far a callback is; what its owner stores.

    Attributes:
        state: Where it is.
        attempts: Times that it was told.
        not_before_s: It is not told again before; of a dead one: it is kept until then.
        refusal: Why the last time failed.
    """

    state: CallbackState
    attempts: int = 0
    not_before_s: float = 0.0
    refusal: Refusal | None = None


@dataclass(slots=True)
class AwaitEnd:
    """Wait for the end of what it is about: `EndCame`, or `NeverBegan`. Asked as slow."""


@dataclass(slots=True)
class Tell:
    """Tell it once: `WasTold`. Asked as slow."""


@dataclass(slots=True)
class EndCame:
    """What it is about has ended, and the event is known."""


@dataclass(slots=True)
class NeverBegan:
    """What it is about was not accepted: there is nothing to tell."""


@dataclass(slots=True)
class WasTold:
    """What came of telling.

    Attributes:
        answer: What the receiver said.
        asked_s: Seconds for which it asked to be left alone.
        refusal: Why it was not taken; None when it was.
    """

    answer: Answer
    asked_s: float = 0.0
    refusal: Refusal | None = None


class CallbackMachine:
    """Decides about one callback.

    Args:
        policy: How often, and how long.
        progress: How far it was under earlier machines.
        rng: For the pauses.

    Attributes:
        progress: How far it is now.
    """

    def __init__(self, policy: CallbackPolicy, progress: CallbackProgress, rng: Chance) -> None:
        self.progress = progress
        self._policy = policy
        self._rng = rng

    def on(self, event: JobEvent, *, now_s: float) -> list[JobEffect]:
        """What is to be done now."""
        if isinstance(event, Told):
            return self._answered(event.answer, now_s)
        if isinstance(event, Started) and event.wanted is Wanted.CANCELLED:
            return [Write("cancelled")]
        return self._go_on(now_s)

    def _answered(self, answer: object, now_s: float) -> list[JobEffect]:
        if isinstance(answer, WasTold):
            return self._was_told(answer, now_s)
        if isinstance(answer, EndCame):
            self.progress.state = CallbackState.SENDING
            return [Write(), Ask(Tell(), slow=True)]
        assert isinstance(answer, NeverBegan)  # noqa: S101  (nothing else was asked)
        return [Write("never_begun")]

    def _go_on(self, now_s: float) -> list[JobEffect]:
        progress = self.progress
        if progress.state is CallbackState.WAITING:
            return [Ask(AwaitEnd(), slow=True)]
        if progress.not_before_s > now_s:
            return [WakeAt(progress.not_before_s)]
        return [Write("dead")] if progress.state is CallbackState.DEAD else [Ask(Tell(), slow=True)]

    def _was_told(self, event: WasTold, now_s: float) -> list[JobEffect]:
        progress = self.progress
        progress.attempts += 1
        progress.refusal = event.refusal
        if event.answer is Answer.TAKEN:
            progress.state = CallbackState.DELIVERED
            return [Write("delivered")]
        again_s = None
        if event.answer is Answer.NOT_NOW:
            again_s = pause_s(self._policy, progress.attempts, event.asked_s, self._rng)
        if again_s is None:
            progress.state = CallbackState.DEAD
            again_s = self._policy.dead_keep_s
        progress.not_before_s = now_s + again_s
        return [Write(), WakeAt(progress.not_before_s)]
