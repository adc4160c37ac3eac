"""The machine of one schedule."""

from math import inf

from hasten_policy.reasons import Reason
from hasten_policy.scheduler.jobs.events import (
    CancelTasks,
    FollowTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    TimerCame,
    Told,
    WakeAt,
    Wanted,
    Write,
)
from hasten_policy.scheduler.jobs.periods.civil import SECOND_US, iso, time_us
from hasten_policy.scheduler.jobs.periods.turns import (
    Ending,
    Plan,
    Progress,
    Turn,
    again,
    ended,
    hold,
    step,
    step_paused,
)


class ScheduleMachine:
    """Starts the turns of one schedule and follows them. The task of a turn is named by its time,
    so that whoever starts it anew finds it.

    Args:
        plan: What the schedule is.
        progress: How far it is.
        priority: Class of its tasks.
        admitted: Its runs go on by themselves; a hard one waits for its place.

    Attributes:
        progress: How far it is now.
    """

    __slots__ = (
        "_admitted",
        "_plan",
        "_priority",
        "_wanted",
        "progress",
    )

    def __init__(
        self, plan: Plan, progress: Progress, *, priority: int, admitted: bool = True
    ) -> None:
        self._admitted = admitted
        self._plan = plan
        self._priority = priority
        self._wanted = Wanted.ACTIVE
        self.progress = progress

    def on(self, event: JobEvent, *, now_s: float) -> list[JobEffect]:
        """Handles one event."""
        now_us = int(now_s * SECOND_US)
        match event:
            case Started():
                self._wanted = event.wanted
                if event.wanted is Wanted.ACTIVE and not self._admitted:
                    self._wanted = Wanted.PAUSED
                return self._begin(now_us)
            case TaskEnded():
                return self._ended(event, now_us)
            case TimerCame():
                return self._step(now_us)
            case Told():
                return []  # It asks nothing.

    def _begin(self, now_us: int) -> list[JobEffect]:
        before = self.progress
        effects: list[JobEffect] = []
        keeps = self._plan if self._wanted is Wanted.ACTIVE else None
        self.progress, early = hold(before, now_us, keeps)
        if early:
            effects.append(CancelTasks(tuple(map(iso, early))))
        if self._wanted is Wanted.CANCELLED:
            # What has begun has a name of its own, and goes on.
            return [*effects, Write(ended="deleted")]
        anew = again(self._plan, self.progress, now_us)
        if anew:
            effects.append(SubmitTasks(tuple(map(self._wish, anew))))
        known = {turn.at_us for turn in anew}
        follow = tuple(iso(at_us) for at_us in self.progress.open_us if at_us not in known)
        if follow:
            effects.append(FollowTasks(follow))
        if self.progress != before:
            effects.append(Write())
        return [*effects, *self._step(now_us)]

    def _ended(self, event: TaskEnded, now_us: int) -> list[JobEffect]:
        refusal = event.refusal
        if refusal is not None and refusal.reason is Reason.TASK_CONTENT_DIFFERS:
            # It was handed over before the schedule was changed.
            return [FollowTasks((event.task,))]
        if refusal is None:
            ending = Ending.DONE
        elif refusal.reason is Reason.CANCELLED:
            ending = Ending.CANCELLED
        else:
            ending = Ending.FAILED
        before = self.progress
        self.progress = ended(before, time_us(event.task), ending)
        if self.progress is before:
            return []
        # A turn may have waited for this.
        return self._step(now_us) if before.held_us else [Write()]

    def _step(self, now_us: int) -> list[JobEffect]:
        """Decides. What was decided is written before it is done: so nothing is handed over that
        the next machine does not know of.
        """
        if self._wanted is Wanted.ACTIVE:
            taken = step(self._plan, self.progress, now_us)
            wake_s = taken.wake_us / SECOND_US
        else:
            taken = step_paused(self._plan, self.progress, now_us)
            wake_s = inf
        effects: list[JobEffect] = []
        if taken.progress != self.progress:
            self.progress = taken.progress
            effects.append(Write())
        if taken.cancel:
            effects.append(CancelTasks(tuple(map(iso, taken.cancel))))
        wishes = tuple(map(self._wish, taken.start))
        if wishes:
            effects.append(SubmitTasks(wishes))
        return [*effects, WakeAt(wake_s)]

    def _wish(self, turn: Turn) -> TaskWish:
        return TaskWish(
            key=iso(turn.at_us),
            start_s=turn.start_us / SECOND_US,
            deadline_s=turn.due_us / SECOND_US if turn.due_us else inf,
            priority=self._priority,
            period_s=self._plan.rhythm.gap_us / SECOND_US,
            reserved_s=self._plan.deadline_us / SECOND_US if turn.reserved else 0.0,
        )
