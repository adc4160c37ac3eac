"""When a callback is told again, and when it is given up."""

from dataclasses import dataclass
from enum import Enum

from hasten_policy.chance import Chance


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
    """

    attempts_max: int = 20
    first_s: float = 2.0
    pause_s_max: float = 3600.0


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
