"""What this process knows of all schedules: who reserves what, and what is to come."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.periods.civil import SECOND_US
from hasten_policy.scheduler.jobs.periods.reserving import Misfit, Reservation
from hasten_policy.scheduler.jobs.periods.rhythm import times_us
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import JOBS_AT_ONCE, Job, JobState
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.naming import SCHEDULE
from hasten_scheduler.schedules.kind import stored_from
from hasten_scheduler.schedules.specs import plan_of
from hasten_scheduler.schedules.views import reservation_of, server_us

PACE_S: Final = 2.0
"""Pace at which all schedules are looked at, ..."""
REST: Final = 20.0
"""... but not more than one part in so many of the time."""
ASKING_S: Final = 30.0
"""A hard schedule that was not admitted for so long counts no more: its creator has left."""
AHEAD_S: Final = 60.0
"""Runs that are due so soon are exported."""
RUNS_COUNTED_MAX: Final = 10_000
"""Of one schedule."""

Known = tuple[Job, stored_pb.StoredSchedule]

_log = logs.logger(__name__)


class Reserving(Protocol):
    """Who knows the workers."""

    def misfits(self, wanted: Reservation, others: Sequence[Reservation]) -> tuple[Misfit, ...]:
        """Which hard schedules would find no place if there were this one beside the others."""
        ...


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told what is known.

    Attributes:
        reserved: Called with all reservations when they are others.
        due: Called with the runs that are due soon, by model.
    """

    reserved: Callable[[tuple[Reservation, ...]], None]
    due: Callable[[dict[str, int]], None]


class KnownSchedules:
    """All schedules, as they were a moment ago.

    Args:
        desk: Where schedules are found.
        reserving: Knows the workers.
        told: Hears of it.
        clock: The scheduler's.
    """

    def __init__(
        self,
        desk: JobDesk,
        reserving: Reserving,
        told: Told,
        clock: Clock,
    ) -> None:
        self._desk = desk
        self._reserving = reserving
        self._told = told
        self._clock = clock
        self._reserved: tuple[Reservation, ...] = ()

    async def run(self) -> None:
        """Looks at all schedules, again and again."""
        while True:
            begun_s = self._clock.now_s()
            try:
                await self.look()
            except MeshError as error:
                # What was known goes on: a store that is away makes no reservation void.
                _log.info("schedules.not_read", reason=str(error))
            took_s = self._clock.now_s() - begun_s
            await asyncio.sleep(max(PACE_S, REST * took_s))

    async def look(self) -> None:
        """Looks at all schedules now. Raises MeshError."""
        found = await self.every()
        reservations = tuple(
            sorted(
                (reservation_of(job, kept) for job, kept in found if kept.admitted and _hard(kept)),
                key=lambda each: each.name,
            )
        )
        if reservations != self._reserved:
            self._reserved = reservations
            self._told.reserved(reservations)
        self._told.due(_due_soon(found))

    async def every(self) -> list[Known]:
        """All schedules that there are, without their requests. Raises MeshError."""
        found: list[Known] = []
        token = ""
        while True:
            jobs, token = await self._desk.page(SCHEDULE, token, JOBS_AT_ONCE, is_there)
            for job in jobs:
                try:
                    found.append((job, stored_from(job)))
                except ValueError as error:
                    _log.error("schedule.unreadable", job_id=job.job_id, reason=str(error))
            if not token:
                return found

    async def check(self, job: Job, kept: stored_pb.StoredSchedule) -> None:
        """Raises MeshError: RESERVATION_INFEASIBLE unless a hard schedule has a place beside all
        that were there before it.
        """
        others = [
            reservation_of(other, theirs)
            for other, theirs in await self.every()
            if _hard(theirs) and other.job_id != job.job_id and _is_before(other, theirs, job)
        ]
        wanted = reservation_of(job, kept)
        misfits = self._reserving.misfits(wanted, others)
        if misfits:
            first = misfits[0]
            victim = "" if first.name == wanted.name else f"{first.name} would be late: "
            raise MeshError(
                Refusal(
                    Reason.RESERVATION_INFEASIBLE,
                    f"no worker can keep the deadline: {victim}{first.figure}",
                )
            )


def is_there(job: Job) -> bool:
    """It was not deleted."""
    return job.state in {JobState.ACTIVE, JobState.PAUSED}


def _hard(kept: stored_pb.StoredSchedule) -> bool:
    return kept.spec.hard


def _is_before(other: Job, theirs: stored_pb.StoredSchedule, job: Job) -> bool:
    """One that is being admitted too counts if it came first; so one of two that exclude each other
    gets its place, whoever looks first.
    """
    if theirs.admitted:
        return True
    fresh = other.read_s - other.created_s < ASKING_S
    return fresh and (other.created_s, other.job_id) < (job.created_s, job.job_id)


def _due_soon(found: Sequence[Known]) -> dict[str, int]:
    due: dict[str, int] = {}
    for job, kept in found:
        if job.state is JobState.ACTIVE and kept.admitted:
            now_us = server_us(job)
            until_us = now_us + int(AHEAD_S * SECOND_US)
            times = times_us(plan_of(kept.spec).rhythm, now_us, until_us, RUNS_COUNTED_MAX)
            due[kept.model] = due.get(kept.model, 0) + len(times)
    return due
