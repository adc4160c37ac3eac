"""Schedules as callers see them."""

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten_policy.scheduler.jobs.periods.civil import SECOND_US, iso
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_scheduler.naming import SCHEDULE, job_task_name
from hasten_scheduler.schedules.specs import plan_of


def server_us(job: Job) -> int:
    """The time of the store when the job was read."""
    return int(job.read_s * SECOND_US)


def schedule_to_wire(job: Job, kept: stored_pb.StoredSchedule) -> pb.Schedule:
    """A schedule; with its request, unless it was listed."""
    paused = job.state is not JobState.ACTIVE
    schedule = pb.Schedule(
        name=pb.ScheduleName(name=job.name, tenant=job.tenant),
        state=pb.SCHEDULE_STATE_PAUSED if paused else pb.SCHEDULE_STATE_ACTIVE,
        spec=kept.spec,
        model=kept.model,
        counts=kept.counts,
        open_ids=[run_id(job, at_us) for at_us in kept.open_us],
        held_us=kept.held_us,
        age_us=max(0, round((job.read_s - job.created_s) * SECOND_US)),
    )
    schedule.spec.request = job.spec
    if not paused:
        now_us = server_us(job)
        schedule.next_us = plan_of(kept.spec).rhythm.next_us(max(now_us, kept.decided_us))
    return schedule


def run_id(job: Job, at_us: int) -> str:
    """The request id of a run."""
    return job_task_name(SCHEDULE, job.tenant, job.name, iso(at_us)).request_id


def reservation_of(job: Job, kept: stored_pb.StoredSchedule) -> Reservation:
    """What a hard schedule needs."""
    plan = plan_of(kept.spec)
    # As the ids of its tasks begin.
    name = job_task_name(SCHEDULE, job.tenant, job.name, "").task_id.removesuffix("/")
    return Reservation(
        name=name,
        model=kept.model,
        period_us=plan.rhythm.gap_us,
        deadline_us=plan.deadline_us,
        run_us=kept.spec.run_us,
        rows=kept.rows,
        elements=kept.elements,
    )
