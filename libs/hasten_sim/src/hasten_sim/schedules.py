"""Schedules in virtual time: the second driver of ScheduleMachine.

A schedule is driven by the owner of its shard. When that dies its machine is lost, and the next one
begins with what was written.
"""

from math import inf
from typing import Final, Protocol

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.events import (
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    TimerCame,
    WakeAt,
    Wanted,
    Write,
)
from hasten_policy.scheduler.jobs.periods.machine import ScheduleMachine
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.jobs.periods.rhythm import Every
from hasten_policy.scheduler.jobs.periods.turns import CatchUp, Overlap, Plan, Progress
from hasten_sim.loop import Loop
from hasten_sim.scenario import TaskFlow

_US: Final = 1e6


class Turns(Protocol):
    """What a schedule asks of the queue: `SimQueue`."""

    def submit_turn(self, flow: int, wish: TaskWish, name: str) -> None:
        """A task is stored, to start at its time; nothing for one that is there or was."""
        ...


def plan_of(flow: TaskFlow) -> Plan:
    """What the schedule of a flow does."""
    rhythm = Every(round(flow.period_s * _US), round(flow.phase_s * _US))
    deadline_us = 0 if flow.slack_s == inf else round(flow.slack_s * _US)
    return Plan(rhythm, CatchUp(flow.catch_up), Overlap(flow.overlap), deadline_us, hard=flow.hard)


def reservation_of(flow: TaskFlow, name: str, model: str) -> Reservation:
    """What a hard one needs."""
    return Reservation(
        name, model, round(flow.period_s * _US), round(flow.slack_s * _US), elements=1
    )


class SimSchedule:
    """One schedule.

    Args:
        number: Of its flow.
        flow: What is run.
        name: As the ids of its tasks begin.
        loop: Virtual time.
        turns: Takes its tasks.

    Attributes:
        name: See above.
        progress: As it was written last.
    """

    def __init__(self, number: int, flow: TaskFlow, name: str, loop: Loop, turns: Turns) -> None:
        self.name = name
        self.progress = Progress(decided_us=round(flow.at_s * _US))
        self._number = number
        self._flow = flow
        self._loop = loop
        self._turns = turns
        self._machine: ScheduleMachine | None = None
        self._life = 0

    def begin(self) -> None:
        """An owner drives it from now on."""
        self._life += 1
        self._machine = ScheduleMachine(
            plan_of(self._flow), self.progress, priority=self._flow.priority
        )
        self._tell(Started(Wanted.ACTIVE))

    def lose(self) -> None:
        """Its owner is dead."""
        self._machine = None

    def ended(self, task_id: str, label: str) -> None:
        """A turn's task has ended; label says why without an answer, "" with one."""
        refusal = Refusal(Reason[label.upper()], label) if label else None
        self._tell(TaskEnded(task_id.rpartition("/")[2], refusal))

    def _tell(self, event: JobEvent) -> None:
        if self._machine is None:
            return
        for effect in self._machine.on(event, now_s=self._loop.now_s):
            match effect:
                case SubmitTasks():
                    for wish in effect.tasks:
                        self._turns.submit_turn(self._number, wish, self.name)
                case Write():
                    self.progress = self._machine.progress
                case WakeAt():
                    self._wake_at(effect.at_s)
                case _:
                    pass  # Ends are told anyway, and nothing here is paused or cancelled.

    def _wake_at(self, at_s: float) -> None:
        if at_s < min(self._flow.at_s + self._flow.for_s, inf):
            self._loop.at(max(at_s, self._loop.now_s), self._wake, self._life)

    def _wake(self, life: int) -> None:
        if life == self._life:
            self._tell(TimerCame())
