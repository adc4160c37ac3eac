# Generated from aio_tasks.py by `make client`: change that file.
"""The synchronous client of a scheduler's tasks."""

import time
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

import grpc

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_client import channel, task_operations, task_views
from hasten_client.caller import Caller
from hasten_client.errors import DeadlineExceeded, HastenError
from hasten_client.request import InferRequest, Metadata, check_deadline
from hasten_client.retry import RetryPolicy
from hasten_client.task_requests import NewTask, SubmitRow
from hasten_client.task_views import Submitted, Task, TaskChange
from hasten_client.transport import sleep

if TYPE_CHECKING:
    from hasten_client.codec import TensorLike

POLL_S = 30.0
"""Longest wait in one call; `wait` makes as many as it needs."""


class TaskClient(Caller):
    """Submits tasks to a scheduler and asks for them.

    It connects at the first call. Use it in `with`, or `close()` it. One client serves any
    number of threads at once; its calls share one retry budget.

    Args:
        address: "host:port", or any gRPC target, of a scheduler.
        credentials: TLS credentials; None for plaintext.
        retry: When to retry; `RetryPolicy(attempts_max=1)` never does.
        metadata: gRPC metadata of every call.
        options: gRPC channel options that are added to the client's own.
    """

    def __init__(
        self,
        address: str = "localhost:8003",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy | None = None,
        metadata: Metadata | None = None,
        options: channel.Options = (),
    ) -> None:
        super().__init__(
            address, credentials=credentials, retry=retry, metadata=metadata, options=options
        )

    def submit(  # noqa: PLR0913  (each option is a keyword of the one main call)
        self,
        model: str,
        inputs: "Mapping[str, TensorLike]",
        *,
        version: str = "",
        priority: str | int = "normal",
        tenant: str = "",
        request_id: str | None = None,
        deadline_s: float | None = None,
        start_in_s: float = 0.0,
        keep_s: float | None = None,
        attempts_max: int | None = None,
        labels: Mapping[str, str] | None = None,
        concurrency_key: str = "",
        concurrency_max: int = 1,
    ) -> Submitted:
        """Submits one task; when this returns, it is stored.

        Args:
            model: Model name.
            inputs: As in `infer` of the other client.
            version: Model version; "" for the server's choice.
            priority: "high", "normal", "low" or "batch", or a level: 1 is the highest.
            tenant: Who pays; "" for the default tenant.
            request_id: Names the task. A call that is repeated with the same id and content finds
                the first one. None for a fresh one.
            deadline_s: Seconds from now within which the answer is of use; None for no deadline.
            start_in_s: Seconds from now before which it must not start.
            keep_s: Seconds for which its outcome is kept; None for the scheduler's setting.
            attempts_max: Most attempts that count; None for the scheduler's setting.
            labels: What to find it by.
            concurrency_key: Of the tenant's tasks with this key only `concurrency_max` run at once.
            concurrency_max: See concurrency_key.

        Raises:
            HastenError: A subclass that says why it is not stored.
        """
        request = InferRequest(
            model=model,
            inputs=inputs,
            version=version,
            priority=priority,
            tenant=tenant,
            request_id=request_id,
        )
        return self.submit_task(
            NewTask(
                request,
                deadline_s=deadline_s,
                start_in_s=start_in_s,
                keep_s=keep_s,
                attempts_max=attempts_max,
                labels=labels,
                concurrency_key=concurrency_key,
                concurrency_max=concurrency_max,
            )
        )

    def submit_task(self, task: NewTask, *, deadline_s: float | None = None) -> Submitted:
        """As `submit`, for a task that is a value; deadline_s is the call's own."""
        return self._ask(task_operations.submit(task), deadline_s)

    def submit_many(self, tasks: Iterable[NewTask]) -> Generator[Submitted, None, None]:
        """Submits tasks over one stream and yields what became of each, in their order.

        A stream that breaks is opened again, and what has no outcome is sent again: give every
        request an id that is the same next time, and a program that was ended can do so too.

        Args:
            tasks: What to submit; read as fast as the scheduler takes it.

        Raises:
            HastenError: Why the stream ended; what was yielded is stored, or says why not.
        """
        row = SubmitRow(tasks)
        attempts = self._attempts(None)
        while True:
            wires = self._transport.stream(
                task_operations.SUBMIT_MANY, row.messages(), timeout=None, metadata=self._metadata
            )
            try:
                with closing(wires):
                    for wire in wires:
                        for outcome in row.answered(wire):
                            attempts = self._attempts(None)
                            yield outcome
            except HastenError as error:
                delay_s = attempts.retry_delay_s(error, now_s=time.monotonic())
                if delay_s is None:
                    raise
            else:
                return
            sleep(delay_s)

    def get(self, request_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Task:
        """A task as it is now, with its result or error once it has ended."""
        return self._ask(task_operations.get(request_id, tenant), deadline_s)

    def wait(self, request_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Task:
        """A task when it has ended; look at its `result` and `error`.

        Args:
            request_id: Names it.
            tenant: Its tenant.
            deadline_s: Longest wait; None for as long as it takes.

        Raises:
            DeadlineExceeded: It has not ended by then. It goes on.
        """
        check_deadline(deadline_s)
        ends_s = None if deadline_s is None else time.monotonic() + deadline_s
        while True:
            left_s = POLL_S if ends_s is None else ends_s - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(f"task {request_id!r} has not ended in {deadline_s:g} s")
            operation = task_operations.wait(request_id, tenant)
            try:
                task = self._ask(operation, min(left_s, POLL_S))
            except DeadlineExceeded:
                continue
            if task.ended:
                return task

    def watch(
        self, *, position: str = "", tenant: str | None = None, model: str = ""
    ) -> Generator[TaskChange, None, None]:
        """What changes, from a position on, for ever. A stream that breaks goes on where it was.

        Args:
            position: Of an earlier change; "" for from now on.
            tenant: Only this tenant's tasks; None for all.
            model: Only of this model; "" for all.
        """
        attempts = self._attempts(None)
        while True:
            request = pb.WatchTasksRequest(position=position, tenant=tenant, model=model)
            wires = self._transport.stream(
                task_operations.WATCH, (request,), timeout=None, metadata=self._metadata
            )
            try:
                with closing(wires):
                    for wire in wires:
                        attempts = self._attempts(None)
                        position = wire.position
                        for change in task_views.changes(wire):
                            position = change.position
                            yield change
            except HastenError as error:
                delay_s = attempts.retry_delay_s(error, now_s=time.monotonic())
                if delay_s is None:
                    raise
                sleep(delay_s)

    def page(  # noqa: PLR0913  (one a filter)
        self,
        *,
        tenant: str | None = None,
        model: str = "",
        states: Sequence[str] = (),
        labels: Mapping[str, str] | None = None,
        job_id: str = "",
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> task_views.TaskPage:
        """A page of tasks, without results and errors.

        Args:
            tenant: Only this tenant's; None for all.
            model: Only of this model; "" for all.
            states: Only in one of these states; none for all.
            labels: Only with all of these.
            job_id: Only those that this job made, as "dag:tenant/name"; "" for all.
            page_size: Most tasks; 0 for the scheduler's choice.
            page_token: Of the page before; "" for the first.
            deadline_s: Longest wait.
        """
        return self._ask(
            task_operations.page(tenant, model, states, labels, job_id, page_size, page_token),
            deadline_s,
        )

    def dead_page(
        self,
        *,
        tenant: str | None = None,
        model: str = "",
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> task_views.TaskPage:
        """A page of dead tasks, with their errors; arguments as those of `page`."""
        return self._ask(
            task_operations.dead_page(tenant, model, page_size, page_token), deadline_s
        )

    def update(
        self,
        request_id: str,
        *,
        tenant: str = "",
        priority_class: int | None = None,
        time_left_s: float | None = None,
        deadline_s: float | None = None,
    ) -> Task:
        """Changes a task that waits.

        Args:
            request_id: Names it.
            tenant: Its tenant.
            priority_class: Its class from now on, 0 (most urgent) to 3; None leaves it.
            time_left_s: Seconds from now until its deadline, 0 for no deadline; None leaves it.
            deadline_s: Longest wait for the answer.
        """
        operation = task_operations.update(request_id, tenant, priority_class, time_left_s)
        return self._ask(operation, deadline_s)

    def cancel(self, request_id: str, *, tenant: str = "", deadline_s: float | None = None) -> str:
        """Ends a task; returns its state before. One that had ended is left as it is."""
        return self._ask(task_operations.cancel(request_id, tenant), deadline_s)

    def pause(
        self, *, tenant: str | None = None, model: str = "", deadline_s: float | None = None
    ) -> None:
        """Starts no more tasks of a tenant (None: of any) and a model ("": of any)."""
        self._ask(task_operations.pause(tenant, model), deadline_s)

    def resume(
        self, *, tenant: str | None = None, model: str = "", deadline_s: float | None = None
    ) -> None:
        """Takes a pause of the same scope back."""
        self._ask(task_operations.resume(tenant, model), deadline_s)

    def requeue_dead(
        self, request_ids: Sequence[str], *, tenant: str = "", deadline_s: float | None = None
    ) -> task_views.Sorted:
        """Has dead tasks wait again, as if they were new."""
        return self._ask(task_operations.requeue(request_ids, tenant), deadline_s)

    def drop_dead(
        self, request_ids: Sequence[str], *, tenant: str = "", deadline_s: float | None = None
    ) -> task_views.Sorted:
        """Forgets dead tasks."""
        return self._ask(task_operations.drop(request_ids, tenant), deadline_s)

    def purge(self, tenant: str, *, deadline_s: float | None = None) -> tuple[int, int]:
        """Ends and forgets a tenant's tasks; how many, and how many of them had not ended."""
        return self._ask(task_operations.purge(tenant), deadline_s)

    def stats(self, *, deadline_s: float | None = None) -> task_views.QueueStats:
        """Counts."""
        return self._ask(task_operations.stats(), deadline_s)

    def explain(
        self, request_id: str, *, tenant: str = "", deadline_s: float | None = None
    ) -> task_views.Explanation:
        """Why a task is where it is, and what must happen before it goes on."""
        return self._ask(task_operations.explain(request_id, tenant), deadline_s)
