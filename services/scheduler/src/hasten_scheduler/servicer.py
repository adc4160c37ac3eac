"""hasten.scheduler.v1.TaskService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

from collections.abc import AsyncIterator
from contextlib import aclosing

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten.scheduler.v1.scheduler_service_pb2_grpc import TaskServiceServicer
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.orders import TaskFacts
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.tasks.port import State
from hasten_runtime.telemetry import current_traceparent
from hasten_scheduler import stored, views
from hasten_scheduler.accepting import Acceptor, checked_priority
from hasten_scheduler.finding import Finder
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.naming import name_from_wire, refuse_field
from hasten_scheduler.operating import Operator
from hasten_scheduler.submitting import Submitter
from hasten_scheduler.waiting import wait_s
from hasten_scheduler.watching import Watchers


class TaskServicer(TaskServiceServicer):
    """Answers the callers of one scheduler."""

    def __init__(
        self,
        acceptor: Acceptor,
        submitter: Submitter,
        finder: Finder,
        operator: Operator,
        watchers: Watchers,
        jobs: JobDesk,
    ) -> None:
        self._acceptor = acceptor
        self._submitter = submitter
        self._finder = finder
        self._operator = operator
        self._watchers = watchers
        self._jobs = jobs

    async def SubmitTask(self, request: pb.SubmitTaskRequest, _: Context) -> pb.SubmitTaskResponse:
        """Accepts one task."""
        return await self._submitter.submit(request.task, current_traceparent())

    async def SubmitTasks(
        self, requests: AsyncIterator[pb.SubmitTasksRequest], _: Context
    ) -> AsyncIterator[pb.SubmitTasksResponse]:
        """Accepts many tasks, each for itself."""
        many = self._submitter.submit_many(requests, current_traceparent())
        async with aclosing(many):
            async for outcomes in many:
                yield outcomes

    async def GetTask(self, request: pb.GetTaskRequest, _: Context) -> pb.GetTaskResponse:
        """A task as it is now."""
        record, response = await self._submitter.wait(name_from_wire(request.name), 0.0)
        return pb.GetTaskResponse(task=views.task_to_wire(record, response))

    async def WaitTask(self, request: pb.WaitTaskRequest, context: Context) -> pb.WaitTaskResponse:
        """A task as soon as it has ended."""
        name = name_from_wire(request.name)
        record, response = await self._submitter.wait(name, wait_s(context.time_remaining()))
        return pb.WaitTaskResponse(task=views.task_to_wire(record, response))

    async def WatchTasks(
        self, request: pb.WatchTasksRequest, _: Context
    ) -> AsyncIterator[pb.WatchTasksResponse]:
        """What changes, from a position on."""
        watching = self._watchers.watch(request)
        async with aclosing(watching):
            async for changes in watching:
                yield changes

    async def ListTasks(self, request: pb.ListTasksRequest, _: Context) -> pb.ListTasksResponse:
        """Tasks, page by page."""
        records, token = await self._operator.page(request)
        tasks = [views.task_to_wire(record) for record in records]
        return pb.ListTasksResponse(tasks=tasks, next_page_token=token)

    async def UpdateTask(self, request: pb.UpdateTaskRequest, _: Context) -> pb.UpdateTaskResponse:
        """Changes class or deadline of a task that waits."""
        if not (request.HasField("priority") or request.HasField("time_left_us")):
            refuse_field("priority", "or time_left_us must be given")
        found = await self._finder.find(name_from_wire(request.name))
        record = found.record
        lane = record.lane
        if request.HasField("priority"):
            lane = type(lane)(lane.tenant, lane.model, checked_priority(request.priority))
        left_s = None
        if request.HasField("time_left_us"):
            left_s = self._acceptor.deadline_s(request.time_left_us)
        place = self._acceptor.place(
            TaskFacts(
                record.left_s if left_s is None else left_s,
                lane.priority,
                stored.period_s_of(record.about),
            )
        )
        task_id = record.task_id
        state = await found.door.ask(lambda queue: queue.move(task_id, lane, place, left_s))
        if state not in {State.WAITING, State.LATER}:
            raise MeshError(_no_longer(state))
        return pb.UpdateTaskResponse(task=views.task_to_wire(await self._finder.again(found)))

    async def CancelTask(self, request: pb.CancelTaskRequest, _: Context) -> pb.CancelTaskResponse:
        """Ends a task that has not ended."""
        name = name_from_wire(request.name)
        found = await self._finder.find(name)
        task_id = found.record.task_id
        (before,) = await found.door.ask(lambda queue: queue.cancel([task_id]))
        if before is None:
            raise views.not_found(name)
        return pb.CancelTaskResponse(before=pb.TaskState.ValueType(before.value))

    async def PauseQueue(self, request: pb.PauseQueueRequest, _: Context) -> pb.PauseQueueResponse:
        """Starts no more tasks of a scope."""
        await self._operator.pause(request.scope, paused=True)
        return pb.PauseQueueResponse()

    async def ResumeQueue(
        self, request: pb.ResumeQueueRequest, _: Context
    ) -> pb.ResumeQueueResponse:
        """Takes a pause back."""
        await self._operator.pause(request.scope, paused=False)
        return pb.ResumeQueueResponse()

    async def ListDeadTasks(
        self, request: pb.ListDeadTasksRequest, _: Context
    ) -> pb.ListDeadTasksResponse:
        """Dead tasks, page by page."""
        records, token = await self._operator.dead_page(request)
        tasks = [views.task_to_wire(record) for record in records]
        return pb.ListDeadTasksResponse(tasks=tasks, next_page_token=token)

    async def RequeueDead(
        self, request: pb.RequeueDeadRequest, _: Context
    ) -> pb.RequeueDeadResponse:
        """Dead tasks wait again."""
        done, others = await self._operator.requeue(request.names)
        return pb.RequeueDeadResponse(
            requeued=[name.to_wire() for name in done], not_dead=[name.to_wire() for name in others]
        )

    async def DropDead(self, request: pb.DropDeadRequest, _: Context) -> pb.DropDeadResponse:
        """Dead tasks are forgotten."""
        done, others = await self._operator.drop(request.names)
        return pb.DropDeadResponse(
            dropped=[name.to_wire() for name in done], not_dead=[name.to_wire() for name in others]
        )

    async def PurgeTenant(
        self, request: pb.PurgeTenantRequest, _: Context
    ) -> pb.PurgeTenantResponse:
        """Ends and forgets all tasks of a tenant, and ends its jobs, which would make more."""
        await self._jobs.cancel_all(request.tenant)
        purged, cancelled = await self._operator.purge(request.tenant)
        return pb.PurgeTenantResponse(purged=purged, cancelled=cancelled)

    async def Stats(self, _: pb.StatsRequest, __: Context) -> pb.StatsResponse:
        """Counts."""
        return await self._operator.stats()

    async def Explain(self, request: pb.ExplainRequest, _: Context) -> pb.ExplainResponse:
        """Why a task is where it is."""
        return await self._operator.explain(name_from_wire(request.name))


def _no_longer(state: State | None) -> Refusal:
    where = "is gone" if state is None else f"is {state.name.lower()}"
    return Refusal(Reason.TASK_STATE, f"only a task that waits can be changed; this one {where}")
