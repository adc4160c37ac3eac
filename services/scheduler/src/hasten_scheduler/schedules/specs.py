"""From what a caller wants of a schedule to a plan, or a refusal that names the field."""

from typing import Final

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as tasks_pb
from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten_policy.scheduler.jobs.periods.cron import cron_of
from hasten_policy.scheduler.jobs.periods.rhythm import ByCron, Every, Rhythm
from hasten_policy.scheduler.jobs.periods.turns import KEEP_US, CatchUp, Overlap, Plan
from hasten_scheduler.accepting import Acceptor
from hasten_scheduler.naming import refuse_field
from hasten_scheduler.schedules.zones import zone_of

REQUEST_BYTES_MAX: Final = 64_000
PERIOD_US_MIN: Final = 1_000
PERIOD_US_MAX: Final = 10 * 366 * 86_400 * 1_000_000
DEADLINE_US_MAX: Final = 30 * 86_400 * 1_000_000

_CATCH_UP: Final = {
    pb.CATCH_UP_UNSPECIFIED: CatchUp.SKIP,
    pb.CATCH_UP_SKIP: CatchUp.SKIP,
    pb.CATCH_UP_ONE: CatchUp.ONE,
    pb.CATCH_UP_ALL: CatchUp.ALL,
}
_OVERLAP: Final = {
    pb.OVERLAP_UNSPECIFIED: Overlap.SKIP,
    pb.OVERLAP_SKIP: Overlap.SKIP,
    pb.OVERLAP_ALLOW: Overlap.ALLOW,
    pb.OVERLAP_WAIT: Overlap.WAIT,
    pb.OVERLAP_CANCEL_PREVIOUS: Overlap.CANCEL_PREVIOUS,
}


def plan_of(spec: pb.ScheduleSpec) -> Plan:
    """What a schedule does. Raises MeshError: INVALID_REQUEST."""
    catch_up = _CATCH_UP.get(spec.catch_up)
    overlap = _OVERLAP.get(spec.overlap)
    if catch_up is None:
        refuse_field("catch_up", f"must be a rule of CatchUp, not {spec.catch_up}")
    if overlap is None:
        refuse_field("overlap", f"must be a rule of Overlap, not {spec.overlap}")
    if spec.deadline_us > DEADLINE_US_MAX:
        refuse_field("deadline_us", f"must be at most {DEADLINE_US_MAX}, not {spec.deadline_us}")
    keep_us = spec.keep_us or KEEP_US
    plan = Plan(_rhythm(spec), catch_up, overlap, spec.deadline_us, spec.hard, keep_us)
    if spec.hard:
        _check_hard(plan)
    elif spec.run_us:
        refuse_field("run_us", "is for hard schedules alone")
    return plan


def _rhythm(spec: pb.ScheduleSpec) -> Rhythm:
    which = spec.WhichOneof("rhythm")
    if which == "cron":
        if spec.phase_us:
            refuse_field("phase_us", "goes with period_us alone")
        try:
            cron = cron_of(spec.cron)
        except ValueError as error:
            refuse_field("cron", str(error))
        return ByCron(cron, zone_of(spec.time_zone))
    if which != "period_us":
        refuse_field("cron", "or period_us must be given")
    if spec.time_zone:
        refuse_field("time_zone", "goes with cron alone: a period has no local time")
    if not PERIOD_US_MIN <= spec.period_us <= PERIOD_US_MAX:
        refuse_field(
            "period_us",
            f"must lie from {PERIOD_US_MIN} to {PERIOD_US_MAX}, not {spec.period_us}",
        )
    if spec.phase_us >= spec.period_us:
        refuse_field("phase_us", f"must be less than the period, {spec.period_us}")
    return Every(spec.period_us, spec.phase_us)


def _check_hard(plan: Plan) -> None:
    if not 0 < plan.deadline_us <= plan.rhythm.gap_us:
        refuse_field(
            "deadline_us",
            f"of a hard schedule must be positive and at most the least time between two runs, "
            f"{plan.rhythm.gap_us}, not {plan.deadline_us}",
        )
    if plan.catch_up is not CatchUp.SKIP:
        refuse_field("catch_up", "of a hard schedule must be CATCH_UP_SKIP")
    if plan.overlap is not Overlap.SKIP:
        refuse_field("overlap", "of a hard schedule must be OVERLAP_SKIP")


def task_of(spec: pb.ScheduleSpec, request: bytes) -> tasks_pb.NewTask:
    """The task of each run, without its name and times."""
    task = tasks_pb.NewTask(
        request=request,
        keep_us=spec.keep_us,
        attempts_max=spec.attempts_max,
        labels=spec.labels,
    )
    if spec.HasField("priority"):
        task.priority = spec.priority
    return task


def stored_of(
    acceptor: Acceptor, spec: pb.ScheduleSpec, request: bytes, tenant: str
) -> stored_pb.StoredSchedule:
    """What is kept of a schedule, nothing of which is run yet.

    Raises:
        MeshError: A run of it would not be accepted, or it is no schedule.
    """
    plan = plan_of(spec)
    if len(request) > REQUEST_BYTES_MAX:
        refuse_field("request", f"must have at most {REQUEST_BYTES_MAX} bytes, not {len(request)}")
    task = task_of(spec, request)
    task.tenant = tenant
    submission = acceptor.read(task, "")
    if submission.name.tenant != tenant:
        refuse_field("tenant", "of the request must be the schedule's")
    kept = stored_pb.StoredSchedule(
        spec=spec,
        model=submission.task.lane.model,
        # A hard one goes before others: its turns stand in a row of their own.
        priority=0 if plan.hard else submission.task.lane.priority,
        rows=submission.task.rows,
        elements=submission.task.elements,
        admitted=not plan.hard,
    )
    kept.spec.ClearField("request")
    return kept
