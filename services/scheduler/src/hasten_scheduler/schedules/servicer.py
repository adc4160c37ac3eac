"""hasten.scheduler.v1.ScheduleService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

import heapq
import math
from collections.abc import Callable
from hashlib import blake2b
from typing import Final

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten.scheduler.v1.schedule_service_pb2_grpc import ScheduleServiceServicer
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.events import TaskWish
from hasten_policy.scheduler.jobs.periods.civil import SECOND_US, iso
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_runtime.telemetry import current_traceparent
from hasten_scheduler.accepting import Acceptor
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.naming import SCHEDULE, check_tenant, refuse_field
from hasten_scheduler.schedules.kind import stored_from
from hasten_scheduler.schedules.known import KnownSchedules, is_there
from hasten_scheduler.schedules.specs import plan_of, stored_of, task_of
from hasten_scheduler.schedules.views import run_id, schedule_to_wire, server_us

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1000
RUNS_DEFAULT: Final = 10
RUNS_MAX: Final = 1000
RUNS_ALL_MAX: Final = 10_000
"""Of all schedules together."""
ASKED_MAX: Final = 100
"""Runs that were triggered and not yet made."""
_DIGEST_BYTES: Final = 16

Change = Callable[[Job, stored_pb.StoredSchedule], JobState | None]


class ScheduleServicer(ScheduleServiceServicer):
    """Answers the callers of one scheduler.

    Args:
        acceptor: Reads tasks.
        desk: Where schedules lie.
        known: What is known of all of them.
        tasks: Of jobs.
    """

    def __init__(
        self, acceptor: Acceptor, desk: JobDesk, known: KnownSchedules, tasks: JobTasks
    ) -> None:
        self._tasks = tasks
        self._acceptor = acceptor
        self._desk = desk
        self._known = known

    async def CreateSchedule(
        self, request: pb.CreateScheduleRequest, _: Context
    ) -> pb.CreateScheduleResponse:
        """Creates a schedule; a hard one when it has a place."""
        name, spec = request.name, request.spec
        check_tenant(name.tenant)
        kept = stored_of(self._acceptor, spec, spec.request, name.tenant)
        digest = blake2b(spec.SerializeToString(deterministic=True), digest_size=_DIGEST_BYTES)
        repeated = await self._desk.create(
            SCHEDULE,
            name.tenant,
            name.name,
            digest=digest.digest(),
            keep_s=0.0,
            spec=spec.request,
            body=kept.SerializeToString(),
        )
        job = await self._desk.find(SCHEDULE, name.tenant, name.name)
        if not is_there(job):
            raise MeshError(
                Refusal(Reason.JOB_STATE, f"schedule {name.name!r} is being deleted: repeat it")
            )
        kept = stored_from(job)
        if not kept.admitted:
            job = await self._admit(job, kept)
        return pb.CreateScheduleResponse(schedule=_view(job), repeated=repeated)

    async def _admit(self, job: Job, kept: stored_pb.StoredSchedule) -> Job:
        try:
            await self._known.check(job, kept)
        except MeshError as error:
            if error.refusal.reason is Reason.RESERVATION_INFEASIBLE:
                await self._change(job, lambda *_: JobState.CANCELLING)
            raise

        def admit(there: Job, now: stored_pb.StoredSchedule) -> JobState:
            now.admitted = True
            now.decided_us = server_us(there)
            return there.state

        admitted = await self._change(job, admit)
        await self._known.look()
        return admitted

    async def GetSchedule(
        self, request: pb.GetScheduleRequest, _: Context
    ) -> pb.GetScheduleResponse:
        """A schedule as it is now."""
        return pb.GetScheduleResponse(schedule=_view(await self._find(request.name)))

    async def ListSchedules(
        self, request: pb.ListSchedulesRequest, _: Context
    ) -> pb.ListSchedulesResponse:
        """Schedules, page by page."""
        if request.page_size > PAGE_MAX:
            refuse_field("page_size", f"must be at most {PAGE_MAX}, not {request.page_size}")
        tenant = request.tenant if request.HasField("tenant") else None

        def wanted(job: Job) -> bool:
            return is_there(job) and tenant in {None, job.tenant}

        jobs, token = await self._desk.page(
            SCHEDULE, request.page_token, request.page_size or PAGE_DEFAULT, wanted
        )
        schedules = [_view(job) for job in jobs]
        return pb.ListSchedulesResponse(
            schedules=[each for each in schedules if each.spec.hard or not request.hard],
            next_page_token=token,
        )

    async def UpdateSchedule(
        self, request: pb.UpdateScheduleRequest, _: Context
    ) -> pb.UpdateScheduleResponse:
        """Makes a schedule another one."""
        job = await self._find(request.name)
        if request.spec.request not in {b"", job.spec}:
            refuse_field("request", "of a schedule stays: create another one for another request")
        wanted = stored_of(self._acceptor, request.spec, job.spec, job.tenant)
        if request.spec.hard:
            await self._known.check(job, wanted)

        def change(there: Job, now: stored_pb.StoredSchedule) -> JobState:
            now.spec.CopyFrom(wanted.spec)
            now.priority = wanted.priority
            now.admitted = True
            now.decided_us = min(now.decided_us or server_us(there), server_us(there))
            return there.state

        changed = await self._change(job, change)
        await self._known.look()
        return pb.UpdateScheduleResponse(schedule=_view(changed))

    async def PauseSchedule(
        self, request: pb.PauseScheduleRequest, _: Context
    ) -> pb.PauseScheduleResponse:
        """Lets its times go by."""
        job = await self._find(request.name)
        await self._change(job, lambda *_: JobState.PAUSED)
        return pb.PauseScheduleResponse()

    async def ResumeSchedule(
        self, request: pb.ResumeScheduleRequest, _: Context
    ) -> pb.ResumeScheduleResponse:
        """Goes on with its next time."""

        def resume(there: Job, now: stored_pb.StoredSchedule) -> JobState | None:
            if there.state is JobState.ACTIVE:
                return None
            now.decided_us = max(now.decided_us, server_us(there))
            return JobState.ACTIVE

        await self._change(await self._find(request.name), resume)
        return pb.ResumeScheduleResponse()

    async def DeleteSchedule(
        self, request: pb.DeleteScheduleRequest, _: Context
    ) -> pb.DeleteScheduleResponse:
        """Ends a schedule."""
        job = await self._find(request.name)
        await self._change(job, lambda *_: JobState.CANCELLING)
        await self._known.look()
        return pb.DeleteScheduleResponse()

    async def NextRuns(self, request: pb.NextRunsRequest, _: Context) -> pb.NextRunsResponse:
        """The times to come."""
        if request.runs_max > RUNS_MAX:
            refuse_field("runs_max", f"must be at most {RUNS_MAX}, not {request.runs_max}")
        most = request.runs_max or RUNS_DEFAULT
        if request.HasField("name"):
            job = await self._find(request.name)
            found = [(job, stored_from(job))]
        else:
            every = await self._known.every()
            found = [each for each in every if each[0].state is JobState.ACTIVE]
        return pb.NextRunsResponse(runs=_next_runs(found, most, request.within_us))

    async def TriggerNow(self, request: pb.TriggerNowRequest, _: Context) -> pb.TriggerNowResponse:
        """Runs a schedule once: the task is stored here, and its owner follows it."""
        job = await self._find(request.name)
        kept = stored_from(job)
        now_us = server_us(job)
        at_us = request.at_us or now_us
        if at_us > now_us:
            refuse_field("at_us", f"must not be later than now, {now_us}, but is {at_us}")
        while not request.at_us and at_us in kept.open_us:
            at_us += 1
        await self._submit(job, kept, at_us)

        def ask(there: Job, now: stored_pb.StoredSchedule) -> JobState | None:
            if at_us in now.open_us or at_us in now.asked_us:
                return None
            if len(now.asked_us) >= ASKED_MAX:
                raise MeshError(
                    Refusal(
                        Reason.OVERLOADED,
                        f"{ASKED_MAX} runs that were triggered are not followed yet",
                        retry_after_s=1.0,
                    )
                )
            now.asked_us.append(at_us)
            return there.state

        await self._change(job, ask)
        return pb.TriggerNowResponse(request_id=run_id(job, at_us))

    async def _submit(self, job: Job, kept: stored_pb.StoredSchedule, at_us: int) -> None:
        plan = plan_of(kept.spec)
        left_s = plan.deadline_us / SECOND_US if plan.deadline_us else math.inf
        wish = TaskWish(iso(at_us), left_s, kept.priority)
        said = task_of(kept.spec, job.spec)
        said.priority = wish.priority
        traceparent = current_traceparent()
        await self._tasks.submit(job, said, wish, left_s=left_s, traceparent=traceparent)

    # --- inner ------------------------------------------------------------------------------

    async def _find(self, name: pb.ScheduleName) -> Job:
        job = await self._desk.find(SCHEDULE, name.tenant, name.name)
        if not is_there(job):
            raise MeshError(_deleted(job))
        return job

    async def _change(self, job: Job, change: Change) -> Job:
        def changed(there: Job) -> tuple[JobState, bytes] | None:
            if not is_there(there):
                raise MeshError(_deleted(there))
            kept = stored_from(there)
            state = change(there, kept)
            return None if state is None else (state, kept.SerializeToString())

        return await self._desk.change(SCHEDULE, job.tenant, job.name, changed)


def _deleted(job: Job) -> Refusal:
    return Refusal(Reason.JOB_NOT_FOUND, f"schedule {job.name!r} was deleted")


def _view(job: Job) -> pb.Schedule:
    return schedule_to_wire(job, stored_from(job))


def _next_runs(
    found: list[tuple[Job, stored_pb.StoredSchedule]], most: int, within_us: int
) -> list[pb.NextRun]:
    """The first `most` times of each, in their order."""
    row = [
        (plan_of(kept.spec).rhythm.next_us(server_us(job)), number)
        for number, (job, kept) in enumerate(found)
    ]
    heapq.heapify(row)
    given = [0] * len(found)
    runs: list[pb.NextRun] = []
    while row and len(runs) < RUNS_ALL_MAX:
        at_us, number = heapq.heappop(row)
        job, kept = found[number]
        in_us = at_us - server_us(job)
        if within_us and in_us > within_us:
            continue
        runs.append(
            pb.NextRun(
                name=pb.ScheduleName(name=job.name, tenant=job.tenant),
                at_us=at_us,
                in_us=in_us,
                model=kept.model,
                hard=kept.spec.hard,
            )
        )
        given[number] += 1
        if given[number] < most:
            heapq.heappush(row, (plan_of(kept.spec).rhythm.next_us(at_us), number))
    return runs
