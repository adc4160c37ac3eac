"""Every call of a scheduler, as a value that either client can carry out."""

from collections.abc import Mapping, Sequence
from typing import Final

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_client import task_views as views
from hasten_client.operations import Operation, Stream
from hasten_client.task_requests import NewTask, task_message

_TASKS: Final = pb.DESCRIPTOR.services_by_name["TaskService"]
TASKS: Final = {each.name: f"/{_TASKS.full_name}/{each.name}" for each in _TASKS.methods}
"""Paths by method."""


def _as_it_is(message: pb.SubmitTasksRequest) -> pb.SubmitTasksRequest:
    return message


def _watching(request: pb.WatchTasksRequest) -> pb.WatchTasksRequest:
    return request


SUBMIT_MANY: Final = Stream(TASKS["SubmitTasks"], _as_it_is, pb.SubmitTasksResponse)
WATCH: Final = Stream(TASKS["WatchTasks"], _watching, pb.WatchTasksResponse)


def submit(
    task: NewTask,
) -> Operation[pb.SubmitTaskRequest, pb.SubmitTaskResponse, views.Submitted]:
    """Accepts one task."""
    request = pb.SubmitTaskRequest(task=task_message(task))
    return Operation(TASKS["SubmitTask"], request, pb.SubmitTaskResponse, views.submitted)


def get(
    request_id: str, tenant: str
) -> Operation[pb.GetTaskRequest, pb.GetTaskResponse, views.Task]:
    """A task as it is now."""
    request = pb.GetTaskRequest(name=name(request_id, tenant))
    return Operation(
        TASKS["GetTask"], request, pb.GetTaskResponse, lambda wire: views.task(wire.task)
    )


def wait(
    request_id: str, tenant: str
) -> Operation[pb.WaitTaskRequest, pb.WaitTaskResponse, views.Task]:
    """A task when it has ended."""
    request = pb.WaitTaskRequest(name=name(request_id, tenant))
    return Operation(
        TASKS["WaitTask"], request, pb.WaitTaskResponse, lambda wire: views.task(wire.task)
    )


def page(  # noqa: PLR0913, PLR0917  (one a filter)
    tenant: str | None,
    model: str,
    states: Sequence[str],
    labels: Mapping[str, str] | None,
    job_id: str,
    page_size: int,
    page_token: str,
) -> Operation[pb.ListTasksRequest, pb.ListTasksResponse, views.TaskPage]:
    """A page of tasks."""
    request = pb.ListTasksRequest(
        tenant=tenant,
        model=model,
        states=[pb.TaskState.Value(f"TASK_STATE_{state.upper()}") for state in states],
        labels=labels,
        job_id=job_id,
        page_size=page_size,
        page_token=page_token,
    )
    return Operation(
        TASKS["ListTasks"],
        request,
        pb.ListTasksResponse,
        _page,
    )


def dead_page(
    tenant: str | None, model: str, page_size: int, page_token: str
) -> Operation[pb.ListDeadTasksRequest, pb.ListDeadTasksResponse, views.TaskPage]:
    """A page of dead tasks."""
    request = pb.ListDeadTasksRequest(
        tenant=tenant, model=model, page_size=page_size, page_token=page_token
    )
    return Operation(TASKS["ListDeadTasks"], request, pb.ListDeadTasksResponse, _page)


def update(
    request_id: str, tenant: str, priority: int | None, deadline_s: float | None
) -> Operation[pb.UpdateTaskRequest, pb.UpdateTaskResponse, views.Task]:
    """Changes a task that waits."""
    request = pb.UpdateTaskRequest(
        name=name(request_id, tenant),
        priority=priority,
        time_left_us=None if deadline_s is None else round(deadline_s * 1e6),
    )
    return Operation(
        TASKS["UpdateTask"], request, pb.UpdateTaskResponse, lambda wire: views.task(wire.task)
    )


def cancel(
    request_id: str, tenant: str
) -> Operation[pb.CancelTaskRequest, pb.CancelTaskResponse, str]:
    """Cancels a task; its state before."""
    request = pb.CancelTaskRequest(name=name(request_id, tenant))
    return Operation(
        TASKS["CancelTask"],
        request,
        pb.CancelTaskResponse,
        lambda wire: views.state_name(wire.before),
    )


def pause(
    tenant: str | None, model: str
) -> Operation[pb.PauseQueueRequest, pb.PauseQueueResponse, None]:
    """Pauses tasks."""
    request = pb.PauseQueueRequest(scope=pb.QueueScope(tenant=tenant, model=model))
    return Operation(TASKS["PauseQueue"], request, pb.PauseQueueResponse, lambda _: None)


def resume(
    tenant: str | None, model: str
) -> Operation[pb.ResumeQueueRequest, pb.ResumeQueueResponse, None]:
    """Resumes tasks."""
    request = pb.ResumeQueueRequest(scope=pb.QueueScope(tenant=tenant, model=model))
    return Operation(TASKS["ResumeQueue"], request, pb.ResumeQueueResponse, lambda _: None)


def requeue(
    request_ids: Sequence[str], tenant: str
) -> Operation[pb.RequeueDeadRequest, pb.RequeueDeadResponse, views.Sorted]:
    """Dead tasks wait again."""
    request = pb.RequeueDeadRequest(names=[name(each, tenant) for each in request_ids])
    return Operation(
        TASKS["RequeueDead"],
        request,
        pb.RequeueDeadResponse,
        lambda wire: views.Sorted(_ids(wire.requeued), _ids(wire.not_dead)),
    )


def drop(
    request_ids: Sequence[str], tenant: str
) -> Operation[pb.DropDeadRequest, pb.DropDeadResponse, views.Sorted]:
    """Dead tasks are forgotten."""
    request = pb.DropDeadRequest(names=[name(each, tenant) for each in request_ids])
    return Operation(
        TASKS["DropDead"],
        request,
        pb.DropDeadResponse,
        lambda wire: views.Sorted(_ids(wire.dropped), _ids(wire.not_dead)),
    )


def purge(
    tenant: str,
) -> Operation[pb.PurgeTenantRequest, pb.PurgeTenantResponse, tuple[int, int]]:
    """Forgets a tenant's tasks; how many, and how many of them had not ended."""
    return Operation(
        TASKS["PurgeTenant"],
        pb.PurgeTenantRequest(tenant=tenant),
        pb.PurgeTenantResponse,
        lambda wire: (wire.purged, wire.cancelled),
    )


def stats() -> Operation[pb.StatsRequest, pb.StatsResponse, views.QueueStats]:
    """Counts."""
    return Operation(TASKS["Stats"], pb.StatsRequest(), pb.StatsResponse, views.stats)


def explain(
    request_id: str, tenant: str
) -> Operation[pb.ExplainRequest, pb.ExplainResponse, views.Explanation]:
    """Why a task is where it is."""
    request = pb.ExplainRequest(name=name(request_id, tenant))
    return Operation(TASKS["Explain"], request, pb.ExplainResponse, views.explanation)


def name(request_id: str, tenant: str) -> pb.TaskName:
    """A task's name."""
    return pb.TaskName(request_id=request_id, tenant=tenant)


def _page(wire: pb.ListTasksResponse | pb.ListDeadTasksResponse) -> views.TaskPage:
    return views.TaskPage(tuple(views.task(one) for one in wire.tasks), wire.next_page_token)


def _ids(names: Sequence[pb.TaskName]) -> tuple[str, ...]:
    return tuple(each.request_id for each in names)
