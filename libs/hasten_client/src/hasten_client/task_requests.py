"""Builds tasks, and keeps those of a stream that have no outcome yet."""

import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_client import task_views
from hasten_client.errors import InvalidResponse
from hasten_client.request import InferRequest, check_deadline, message
from hasten_client.task_views import Submitted

TASKS_A_MESSAGE: Final = 64


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to submit.

    Attributes:
        request: What is to be inferred. Its request id names the task: under one id, one task.
        deadline_s: Seconds from now within which the answer is of use; None for no deadline.
        start_in_s: Seconds from now before which it must not start.
        keep_s: Seconds for which its outcome is kept; None for the scheduler's own setting.
        attempts_max: Most attempts that count; None for the scheduler's own setting.
        labels: What to find it by.
        concurrency_key: Of the tenant's tasks with the same key only so many run at once.
        concurrency_max: So many.
        callback_uri: Told by HTTP when it has ended; "" for nobody.
    """

    request: InferRequest
    deadline_s: float | None = None
    start_in_s: float = 0.0
    keep_s: float | None = None
    attempts_max: int | None = None
    labels: Mapping[str, str] | None = None
    concurrency_key: str = ""
    concurrency_max: int = 1
    callback_uri: str = ""


def task_message(task: NewTask) -> pb.NewTask:
    """A task as it travels. Raises InvalidArgument."""
    wire = message(task.request)
    deadline_s = check_deadline(task.deadline_s)
    return pb.NewTask(
        request_id=wire.id,
        tenant=task.request.tenant,
        request=wire.SerializeToString(),
        time_left_us=0 if deadline_s is None else max(1, round(deadline_s * 1e6)),
        start_in_us=round(task.start_in_s * 1e6),
        keep_us=0 if task.keep_s is None else max(1, round(task.keep_s * 1e6)),
        attempts_max=task.attempts_max or 0,
        labels=task.labels,
        concurrency_key=task.concurrency_key,
        callback_uri=task.callback_uri,
        concurrency_max=task.concurrency_max if task.concurrency_key else 0,
    )


class SubmitRow:
    """The tasks of a stream: sent again, after a break, as far as they have no outcome.

    Args:
        tasks: To submit, read as fast as the server takes them.
    """

    def __init__(self, tasks: Iterable[NewTask]) -> None:
        self._tasks = iter(tasks)
        self._unanswered: deque[pb.SubmitTasksRequest] = deque()
        self._stream = 0
        # The synchronous client's messages are read by a thread of gRPC's, also of a stream that
        # has broken.
        self._lock = threading.Lock()

    def messages(self) -> Iterator[pb.SubmitTasksRequest]:
        """What a new stream sends: first what has no outcome, then what is left."""
        with self._lock:
            self._stream = stream = self._stream + 1
            again = tuple(self._unanswered)
        yield from again
        while True:
            with self._lock:
                if stream != self._stream:
                    return
                some = [task for _, task in zip(range(TASKS_A_MESSAGE), self._tasks, strict=False)]
                if not some:
                    return
                one = pb.SubmitTasksRequest(tasks=[task_message(task) for task in some])
                self._unanswered.append(one)
            yield one

    def answered(self, wire: pb.SubmitTasksResponse) -> list[Submitted]:
        """The outcomes of the oldest message without. Raises InvalidResponse for too few."""
        asked = self._unanswered.popleft() if self._unanswered else pb.SubmitTasksRequest()
        if len(asked.tasks) != len(wire.outcomes):
            raise InvalidResponse(
                f"{len(wire.outcomes)} outcomes came for {len(asked.tasks)} tasks"
            )
        return [task_views.outcome(one) for one in wire.outcomes]
