"""Schedules as jobs: what the driver needs to know of them."""

from collections.abc import Iterable
from typing import Protocol

from google.protobuf.message import DecodeError

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as tasks_pb
from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.events import JobEffect, JobEvent, TaskEnded, TaskWish
from hasten_policy.scheduler.jobs.periods.civil import SECOND_US
from hasten_policy.scheduler.jobs.periods.machine import ScheduleMachine
from hasten_policy.scheduler.jobs.periods.turns import OUTCOMES, Counts, Progress
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import State, TaskRecord
from hasten_scheduler import stored
from hasten_scheduler.naming import SCHEDULE
from hasten_scheduler.schedules.specs import plan_of, task_of

CANCELLED = Refusal(Reason.CANCELLED, "the task was cancelled")


class TurnObserver(Protocol):
    """Told what people want to count."""

    def turns(self, outcome: str, count: int) -> None:
        """So many turns of schedules came to this."""
        ...


class ScheduleKind:
    """See JobKind.

    Args:
        observer: Counts turns.
    """

    name = SCHEDULE

    def __init__(self, observer: TurnObserver) -> None:
        self._observer = observer

    async def load(self, job: Job) -> "ScheduleRun":
        """A schedule from the store. Raises ValueError for one that cannot be read."""
        return ScheduleRun(job, self._observer)


class ScheduleRun:
    """One schedule; see JobRun.

    Args:
        job: As the store has it.
        observer: Counts turns.
    """

    def __init__(self, job: Job, observer: TurnObserver) -> None:
        self._request = job.spec
        self._stored = stored_from(job)
        self._observer = observer
        try:
            plan = plan_of(self._stored.spec)
        except MeshError as error:
            raise ValueError(str(error)) from None
        self._machine = ScheduleMachine(
            plan,
            progress_of(self._stored, job),
            priority=self._stored.priority,
            admitted=self._stored.admitted,
        )
        self._counted = self._machine.progress.counts

    @property
    def traceparent(self) -> str:
        """Of the span that created it: runs of later days belong to no such trace."""
        return ""

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        return self._machine.on(event, now_s=now_s)

    def body(self) -> bytes:
        """How far it is."""
        progress = self._machine.progress
        kept = self._stored
        set_progress(kept, progress)
        for outcome in OUTCOMES:
            more = getattr(progress.counts, outcome) - getattr(self._counted, outcome)
            if more > 0:
                self._observer.turns(outcome, more)
        self._counted = progress.counts
        return kept.SerializeToString()

    async def task(self, wish: TaskWish) -> tasks_pb.NewTask:
        """What each run does."""
        del wish
        return task_of(self._stored.spec, self._request)

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """How a run ended."""
        if record.state is State.DONE:
            return TaskEnded(key)
        if record.state is State.CANCELLED:
            return TaskEnded(key, CANCELLED)
        return TaskEnded(key, stored.refusal_of(record.result))

    async def answer(self, what: object) -> object:
        """A schedule asks nothing."""
        raise NotImplementedError(what)


def stored_from(job: Job) -> stored_pb.StoredSchedule:
    """What is kept of a schedule. Raises ValueError for what cannot be read."""
    try:
        return stored_pb.StoredSchedule.FromString(job.body)
    except DecodeError as error:
        raise ValueError(str(error)) from None


def progress_of(kept: stored_pb.StoredSchedule, job: Job) -> Progress:
    """How far a schedule is."""
    counts = Counts(**{outcome: getattr(kept.counts, outcome) for outcome in OUTCOMES})
    return Progress(
        decided_us=kept.decided_us or int(job.created_s * SECOND_US),
        open_us=tuple(kept.open_us),
        held_us=tuple(kept.held_us),
        asked_us=tuple(kept.asked_us),
        counts=counts,
        pending_us=tuple(kept.pending_us),
        handed_us=kept.handed_us,
    )


def set_progress(kept: stored_pb.StoredSchedule, progress: Progress) -> None:
    """It is so far now."""
    kept.decided_us = progress.decided_us
    kept.open_us[:] = progress.open_us
    kept.held_us[:] = progress.held_us
    kept.asked_us[:] = progress.asked_us
    kept.pending_us[:] = progress.pending_us
    kept.handed_us = progress.handed_us
    counts = {outcome: max(0, getattr(progress.counts, outcome)) for outcome in OUTCOMES}
    kept.counts.CopyFrom(pb.ScheduleCounts(**counts))
