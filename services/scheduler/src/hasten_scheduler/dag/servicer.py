"""hasten.scheduler.v1.DagService: messages in, messages out."""

# ruff: noqa: N802 (the methods have the protocol's names)

from typing import Final, Protocol

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten.scheduler.v1.dag_service_pb2_grpc import DagServiceServicer
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.progress import Progress, StepState
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.jobs import Job, JobState
from hasten_runtime.telemetry import current_traceparent
from hasten_scheduler.dag import views
from hasten_scheduler.dag.accepting import DagAcceptor
from hasten_scheduler.dag.kind import DAG
from hasten_scheduler.dag.results import Results
from hasten_scheduler.dag.stored import KeptDag, kept_dag, progress_from_bytes
from hasten_scheduler.dag.tensors import tensor_to_wire
from hasten_scheduler.intake import store_away
from hasten_scheduler.jobs.desk import Changed, JobDesk
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.naming import Name, check_tenant, name_from_wire, refuse_field
from hasten_scheduler.stored import Payloads
from hasten_scheduler.waiting import wait_s

PAGE_DEFAULT: Final = 100
PAGE_MAX: Final = 1000
EXPLAINED_MAX: Final = 3
"""Tasks of a step that are explained."""


class Explaining(Protocol):
    """Says why tasks are where they are."""

    async def explain(self, name: Name) -> task_pb.ExplainResponse:
        """Why a task is where it is. Raises MeshError."""
        ...


class DagServicer(DagServiceServicer):
    """Answers the callers of one scheduler.

    Args:
        acceptor: Takes DAGs in.
        desk: Where they are stored.
        tasks: Of jobs.
        payloads: Of tasks and DAGs.
        explaining: Explains tasks.
    """

    def __init__(
        self,
        acceptor: DagAcceptor,
        desk: JobDesk,
        tasks: JobTasks,
        payloads: Payloads,
        explaining: Explaining,
    ) -> None:
        self._acceptor = acceptor
        self._desk = desk
        self._tasks = tasks
        self._payloads = payloads
        self._explaining = explaining

    async def SubmitDag(
        self, request: pb.SubmitDagRequest, context: Context
    ) -> pb.SubmitDagResponse:
        """Accepts one DAG."""
        return await self._acceptor.submit(request.dag, current_traceparent(), context)

    async def GetDag(self, request: pb.GetDagRequest, _: Context) -> pb.GetDagResponse:
        """A DAG as it is now."""
        job = await self._desk.find(DAG, request.name.tenant, request.name.name)
        return pb.GetDagResponse(dag=await self._told(job))

    async def WaitDag(self, request: pb.WaitDagRequest, context: Context) -> pb.WaitDagResponse:
        """A DAG as soon as it has ended."""
        name = request.name
        left_s = wait_s(context.time_remaining())
        job = await self._desk.wait(DAG, name.tenant, name.name, left_s)
        return pb.WaitDagResponse(dag=await self._told(job))

    async def ListDags(self, request: pb.ListDagsRequest, _: Context) -> pb.ListDagsResponse:
        """DAGs, page by page."""
        if request.page_size > PAGE_MAX:
            refuse_field("page_size", f"must be at most {PAGE_MAX}, not {request.page_size}")
        if request.HasField("tenant"):
            check_tenant(request.tenant)

        def wanted(job: Job) -> bool:
            return not request.HasField("tenant") or job.tenant == request.tenant

        most = request.page_size or PAGE_DEFAULT
        jobs, token = await self._desk.page(DAG, request.page_token, most, wanted)
        dags = [views.short_status(job) for job in jobs]
        return pb.ListDagsResponse(dags=dags, next_page_token=token)

    async def CancelDag(self, request: pb.CancelDagRequest, _: Context) -> pb.CancelDagResponse:
        """Ends a DAG that has not ended."""
        before = pb.DAG_STATE_UNSPECIFIED

        def cancelled(job: Job) -> Changed:
            nonlocal before
            before = views.state_of(job, progress_from_bytes(job.body))
            ends = job.state in {JobState.CANCELLING, JobState.ENDED}
            return None if ends else (JobState.CANCELLING, job.body)

        name = request.name
        await self._desk.change(DAG, name.tenant, name.name, cancelled)
        return pb.CancelDagResponse(before=before)

    async def _told(self, job: Job) -> pb.DagStatus:
        try:
            kept, progress = kept_dag(job), progress_from_bytes(job.body)
        except ValueError as error:
            raise MeshError(Refusal(Reason.INTERNAL, f"the DAG cannot be read: {error}")) from None
        status = views.full_status(job, kept, progress)
        if progress.ended == "done":
            await self._tell_outputs(job, kept, progress, status)
        elif not progress.ended:
            await self._tell_reasons(job, kept, progress, status)
        return status

    async def _tell_outputs(
        self, job: Job, kept: KeptDag, progress: Progress, status: pb.DagStatus
    ) -> None:
        results = Results(job, kept, progress, self._tasks, self._payloads)
        try:
            for name, sources in kept.plan.outputs.items():
                tensor = await results.first_of(sources)
                if tensor is not None:
                    status.outputs[name].CopyFrom(tensor_to_wire(tensor))
        except StoreUnavailable as error:
            raise MeshError(store_away(error)) from None

    async def _tell_reasons(
        self, job: Job, kept: KeptDag, progress: Progress, status: pb.DagStatus
    ) -> None:
        befores = {step.name: step.before() for step in kept.plan.steps}
        for told in status.steps:
            step = progress.steps[told.name]
            if step.state is StepState.PENDING:
                told.reasons.extend(
                    f"step {name!r} has not ended"
                    for name in befores[told.name]
                    if not progress.steps[name].state.ended
                )
                continue
            for part in views.open_tasks(step)[:EXPLAINED_MAX]:
                told.reasons.extend(await self._why(job, told.name, part))

    async def _why(self, job: Job, step: str, part: int | str) -> list[str]:
        name = name_from_wire(views.task_name(job, step, part))
        try:
            return list((await self._explaining.explain(name)).reasons)
        except MeshError as error:
            if error.refusal.reason is Reason.TASK_NOT_FOUND:
                return ["its task is about to be submitted"]
            raise
