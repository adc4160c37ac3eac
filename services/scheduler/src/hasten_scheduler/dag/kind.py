"""DAGs as a kind of job."""

from collections.abc import Iterable

from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.machine import JOIN, DagMachine, Facts, Look
from hasten_policy.scheduler.jobs.dag.plan import Step
from hasten_policy.scheduler.jobs.events import JobEffect, JobEvent, TaskEnded, TaskWish
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import State, TaskRecord
from hasten_scheduler.dag.results import Results
from hasten_scheduler.dag.stored import kept_dag, progress_from_bytes, progress_to_bytes
from hasten_scheduler.dag.tensors import Tensor, holds, request_of
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.stored import Payloads, refusal_of

DAG = "dag"
"""What the ids of DAGs begin with."""


class DagKind:
    """Loads DAGs. Implements JobKind.

    Args:
        tasks: Of all jobs.
        payloads: Of tasks and DAGs.
    """

    name = DAG

    def __init__(self, tasks: JobTasks, payloads: Payloads) -> None:
        self._tasks = tasks
        self._payloads = payloads

    async def load(self, job: Job) -> "DagRun":
        """A DAG with its machine. Raises ValueError when it cannot be read."""
        return DagRun(job, self._tasks, self._payloads)


class DagRun:
    """One DAG at its owner. Implements JobRun."""

    def __init__(self, job: Job, tasks: JobTasks, payloads: Payloads) -> None:
        kept = kept_dag(job)
        progress = progress_from_bytes(job.body)
        self.traceparent = kept.spec.traceparent
        self._kept = kept
        self._machine = DagMachine(kept.plan, progress, created_s=job.created_s, due_s=kept.due_s)
        self._steps = {step.name: step for step in kept.plan.steps}
        self._results = Results(job, kept, progress, tasks, payloads)

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        return self._machine.on(event, now_s=now_s)

    def body(self) -> bytes:
        """How far it is."""
        return progress_to_bytes(self._machine.progress)

    async def task(self, wish: TaskWish) -> task_pb.NewTask:
        """A step's request, out of what it is given. Raises MeshError, StoreUnavailable."""
        name, _, part = wish.key.rpartition("/")
        step = self._steps[name]
        if part == JOIN and step.split is not None:
            join = step.split.join
            rows = await self._results.of_parts(step)
            taken = {name: rows[name] for name in join.inputs}
            request = request_of(join.model, join.version, taken)
        else:
            inputs = await self._inputs(step, int(part))
            request = request_of(step.model, step.version, inputs)
        dag = self._kept.dag
        return task_pb.NewTask(
            request=request,
            labels=dag.labels,
            # Its answer is needed as long as the DAG is kept.
            keep_us=dag.keep_us + dag.time_left_us,
            attempts_max=dag.attempts_max,
        )

    async def _inputs(self, step: Step, part: int) -> dict[str, Tensor]:
        results = self._results
        rows = await results.rows_for(step) if step.split else 0
        inputs: dict[str, Tensor] = {}
        for each in step.inputs:
            tensor = await results.first_of(each.sources)
            assert tensor is not None  # noqa: S101  (a step whose input was skipped is too)
            if each.split and step.split:
                tensor = tensor.cut(*step.split.bounds(part, rows))
            inputs[each.name] = tensor
        return inputs

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """What the machine is told of a task."""
        if record.state is State.DONE:
            return TaskEnded(key)
        if record.state is State.CANCELLED:
            return TaskEnded(key, Refusal(Reason.CANCELLED, f"the task of {key!r} was cancelled"))
        return TaskEnded(key, refusal_of(record.result))

    async def answer(self, what: object) -> Facts:
        """What a step is about to be given. Raises MeshError, StoreUnavailable."""
        assert isinstance(what, Look)  # noqa: S101  (the machine asks nothing else)
        step = self._steps[what.step]
        try:
            return Facts(await self._hold(step), await self._results.rows_for(step))
        except MeshError as error:
            if error.refusal.reason.value.retryable:
                raise
            return Facts(holds=False, rows=0, refusal=error.refusal)

    async def _hold(self, step: Step) -> bool:
        for condition in step.when:
            tensor = await self._results.first_of((condition.source,))
            if tensor is None or not holds(condition, tensor):
                return False
        return True
