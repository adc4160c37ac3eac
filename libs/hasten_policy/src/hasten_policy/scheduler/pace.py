"""How fast tasks may follow each other to a worker while calls of its models are refused.

What tasks take of calls need not be time of a lane: where they share cores, memory or the way,
calls are late although none waits at the worker. Whatever it is, it ends in calls that routers
refuse for want of time, and workers tell of those. So that is what the pace follows: additive
increase, multiplicative decrease (Chiu and Jain, 1989).
"""

from typing import Final

from hasten_policy.load import LoadSample
from hasten_policy.scheduler.policy import SlackPolicy

FREE: Final = float("inf")
"""The pace of a worker at which nothing was refused for long."""
LOOK_S: Final = 0.25
"""Between two changes of the pace."""
CALLS_MIN: Final = 4
"""Of fewer calls a share says nothing: they are counted together with the next ones."""
DECREASE: Final = 0.5
INCREASE: Final = 1.0 / 32.0
"""Busy seconds a second, at each look at which nothing was refused."""
LEAST: Final = 1.0 / 64.0
"""A pace that is never gone below: a task that never runs would not be a guest but an outcast."""
GROUP_S: Final = 0.02
"""Tasks go in groups worth so many seconds of the pace: each alone costs the scheduler more."""


class Pace:
    """That of one worker.

    Args:
        policy: Parameters.

    Attributes:
        per_s: Busy seconds of tasks that a lane may be given in a second; FREE without a limit.
        refused_share: Of the calls that were last looked at.
        due_s: When the next group may go.
    """

    __slots__ = (
        "_at_s",
        "_begun_s",
        "_calls",
        "_policy",
        "_refused",
        "_told_s",
        "_waits",
        "due_s",
        "per_s",
        "refused_share",
    )

    def __init__(self, policy: SlackPolicy) -> None:
        self._policy = policy
        self.per_s = FREE
        self.refused_share = 0.0
        self.due_s = float("-inf")
        self._told_s = self.due_s
        self._waits = False
        self._begun_s = 0.0
        self._at_s = float("-inf")
        self._calls = self._refused = 0

    def hear(self, load: LoadSample, lanes: int, now_s: float) -> None:
        """The worker has told its load: changes the pace when it is time for that."""
        passed_s = now_s - self._at_s
        if passed_s < LOOK_S:
            return
        calls = load.arrived - load.arrived_batch
        came, refused = calls - self._calls, load.refused - self._refused
        if came < 0 or refused < 0 or passed_s == float("inf"):
            self._begin_anew(calls, load.refused, now_s)  # Its process is a new one.
            return
        if 0 < came + refused < CALLS_MIN:
            return
        self.refused_share = refused / (came + refused) if refused else 0.0
        if self.refused_share > self._policy.slack_refused_max:
            used = self._begun_s / (passed_s * lanes)
            self.per_s = max(LEAST, DECREASE * min(used, self.per_s))
        elif self.per_s < FREE:
            self.per_s += INCREASE
            if self.per_s >= 1.0:
                self.per_s = FREE
        self._begin_anew(calls, load.refused, now_s)

    def _begin_anew(self, calls: int, refused: int, now_s: float) -> None:
        self._calls, self._refused, self._at_s = calls, refused, now_s
        self._begun_s = 0.0

    def begins(self, hold_s: float, lanes: int, now_s: float) -> None:
        """An attempt of so many busy seconds goes there."""
        self._begun_s += hold_s
        if self.per_s < FREE:
            self.due_s = max(self.due_s, now_s) + hold_s / (self.per_s * lanes)

    def waits(self, now_s: float) -> bool:
        """No attempt may go before `due_s`."""
        if self.per_s >= FREE or now_s >= self.due_s:
            self._waits = False
        elif self.due_s > now_s + GROUP_S:
            self._waits = True
        return self._waits

    def next_s(self, now_s: float) -> float | None:
        """When the next attempt may go; None where none waits for that, or it was said before."""
        if not self.waits(now_s) or self._told_s == self.due_s:
            return None
        self._told_s = self.due_s
        return self.due_s
