"""Schedules of one scheduler process, put together."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hasten.scheduler.v1.schedule_service_pb2_grpc import add_ScheduleServiceServicer_to_server
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_runtime.clock import SystemClock
from hasten_runtime.grpc_front import OwnService
from hasten_runtime.protocol_names import SCHEDULE_SERVICE
from hasten_scheduler.accepting import Acceptor
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.schedules.kind import ScheduleKind
from hasten_scheduler.schedules.known import KnownSchedules, Reserving, Told
from hasten_scheduler.schedules.servicer import ScheduleServicer


@dataclass(frozen=True, slots=True)
class Schedules:
    """What a scheduler has of them.

    Attributes:
        kind: For the driver of jobs.
        known: All of them, as they were a moment ago; its `run` must run.
        service: For callers.
    """

    kind: ScheduleKind
    known: KnownSchedules
    service: OwnService


def open_schedules(
    acceptor: Acceptor,
    reserving: Reserving,
    reserved: Callable[[tuple[Reservation, ...]], None],
    counts: SchedulerMetrics,
    desk: JobDesk,
    tasks: JobTasks,
) -> Schedules:
    """Puts them together.

    Args:
        acceptor: Reads tasks.
        reserving: Knows the workers.
        reserved: Called with all reservations when they are others.
        counts: Counts.
        desk: Where schedules lie.
        tasks: Of jobs.
    """
    known = KnownSchedules(desk, reserving, Told(reserved, counts.runs_due), SystemClock())
    servicer = ScheduleServicer(acceptor, desk, known, tasks)
    service = OwnService(SCHEDULE_SERVICE, partial(add_ScheduleServiceServicer_to_server, servicer))
    return Schedules(ScheduleKind(counts), known, service)
