"""What the driver of jobs needs to know of a kind of job."""

from collections.abc import Iterable
from typing import Protocol

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_policy.scheduler.jobs.events import JobEffect, JobEvent, TaskEnded, TaskWish
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import TaskRecord


class JobRun(Protocol):
    """One job in memory: its machine, and what the machine's effects mean.

    Attributes:
        traceparent: Of the span that made the job, which its tasks go on with; "" when it was not
            sampled.
    """

    @property
    def traceparent(self) -> str:
        """See above."""
        ...

    def on(self, event: JobEvent, *, now_s: float) -> Iterable[JobEffect]:
        """The machine's answer."""
        ...

    def body(self) -> bytes:
        """What the next `load` needs to go on from here."""
        ...

    async def task(self, wish: TaskWish) -> pb.NewTask:
        """What a task is to do: the same bytes each time that it is asked. Id, tenant, deadline and
        class are set by the driver.

        Raises:
            MeshError: It cannot be made; unless a retry can help, the machine is told so as of a
                task that has ended.
            StoreUnavailable: It is asked again.
        """
        ...

    async def ended(self, key: str, record: TaskRecord) -> TaskEnded:
        """What the machine is told of a task that has ended. Raises StoreUnavailable."""
        ...

    async def answer(self, what: object) -> object:
        """The answer to the machine's `Ask`. One that is slow may be cancelled.

        Raises:
            MeshError, StoreUnavailable: The machine is begun again, and asks again.
        """
        ...


class JobKind(Protocol):
    """A kind of job.

    Attributes:
        name: What the ids of such jobs begin with; no colon.
    """

    @property
    def name(self) -> str:
        """See above."""
        ...

    async def load(self, job: Job) -> JobRun:
        """A job from the store, with its machine.

        Raises:
            ValueError: It cannot be read: it is left alone, and logged.
            StoreUnavailable: It is loaded again.
        """
        ...
