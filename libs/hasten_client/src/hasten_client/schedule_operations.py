"""Every call about schedules, as a value that either client can carry out."""

from typing import Final

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten_client import schedule_views as views
from hasten_client.operations import Operation
from hasten_client.request import InferRequest

_SCHEDULES: Final = pb.DESCRIPTOR.services_by_name["ScheduleService"]
SCHEDULES: Final = {
    each.name: f"/{_SCHEDULES.full_name}/{each.name}" for each in _SCHEDULES.methods
}
"""Paths by method."""


def create(
    name: pb.ScheduleName, request: InferRequest, rhythm: views.Rhythm, runs: views.RunOptions
) -> Operation[pb.CreateScheduleRequest, pb.CreateScheduleResponse, views.Created]:
    """Creates a schedule."""
    wire = pb.CreateScheduleRequest(name=name, spec=views.spec(request, rhythm, runs))
    return Operation(SCHEDULES["CreateSchedule"], wire, pb.CreateScheduleResponse, views.created)


def get(
    name: pb.ScheduleName,
) -> Operation[pb.GetScheduleRequest, pb.GetScheduleResponse, views.Schedule]:
    """A schedule as it is now."""
    return Operation(
        SCHEDULES["GetSchedule"],
        pb.GetScheduleRequest(name=name),
        pb.GetScheduleResponse,
        lambda wire: views.schedule(wire.schedule),
    )


def page(
    tenant: str | None, page_size: int, page_token: str, *, hard: bool
) -> Operation[pb.ListSchedulesRequest, pb.ListSchedulesResponse, views.SchedulePage]:
    """A page of schedules."""
    request = pb.ListSchedulesRequest(
        tenant=tenant, hard=hard, page_size=page_size, page_token=page_token
    )
    return Operation(SCHEDULES["ListSchedules"], request, pb.ListSchedulesResponse, views.page)


def update(
    name: pb.ScheduleName, rhythm: views.Rhythm, runs: views.RunOptions
) -> Operation[pb.UpdateScheduleRequest, pb.UpdateScheduleResponse, views.Schedule]:
    """Makes a schedule another one."""
    return Operation(
        SCHEDULES["UpdateSchedule"],
        pb.UpdateScheduleRequest(name=name, spec=views.spec(None, rhythm, runs)),
        pb.UpdateScheduleResponse,
        lambda wire: views.schedule(wire.schedule),
    )


def pause(
    name: pb.ScheduleName,
) -> Operation[pb.PauseScheduleRequest, pb.PauseScheduleResponse, None]:
    """Lets its times go by."""
    request = pb.PauseScheduleRequest(name=name)
    return Operation(SCHEDULES["PauseSchedule"], request, pb.PauseScheduleResponse, _nothing)


def resume(
    name: pb.ScheduleName,
) -> Operation[pb.ResumeScheduleRequest, pb.ResumeScheduleResponse, None]:
    """Goes on with its next time."""
    request = pb.ResumeScheduleRequest(name=name)
    return Operation(SCHEDULES["ResumeSchedule"], request, pb.ResumeScheduleResponse, _nothing)


def delete(
    name: pb.ScheduleName,
) -> Operation[pb.DeleteScheduleRequest, pb.DeleteScheduleResponse, None]:
    """Ends a schedule."""
    request = pb.DeleteScheduleRequest(name=name)
    return Operation(SCHEDULES["DeleteSchedule"], request, pb.DeleteScheduleResponse, _nothing)


def next_runs(
    name: pb.ScheduleName | None, runs_max: int, within_s: float | None
) -> Operation[pb.NextRunsRequest, pb.NextRunsResponse, tuple[views.NextRun, ...]]:
    """The times to come."""
    within_us = 0 if within_s is None else max(1, round(within_s * 1e6))
    request = pb.NextRunsRequest(name=name, runs_max=runs_max, within_us=within_us)
    return Operation(SCHEDULES["NextRuns"], request, pb.NextRunsResponse, views.next_runs)


def trigger(
    name: pb.ScheduleName, at_us: int
) -> Operation[pb.TriggerNowRequest, pb.TriggerNowResponse, str]:
    """Runs a schedule once."""
    return Operation(
        SCHEDULES["TriggerNow"],
        pb.TriggerNowRequest(name=name, at_us=at_us),
        pb.TriggerNowResponse,
        lambda wire: wire.request_id,
    )


def named(name: str, tenant: str) -> pb.ScheduleName:
    """The name of a schedule."""
    return pb.ScheduleName(name=name, tenant=tenant)


def _nothing(_: object) -> None:
    return None
