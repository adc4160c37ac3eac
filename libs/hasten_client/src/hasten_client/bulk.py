"""Feeds a scheduler from any iterator, with back-pressure: from Ray Data, from Spark's partitions,
or from a loop. It needs neither of them.

    bulk = Bulk("digits", "localhost:8003", run="scan-7")
    for task in bulk.answers({"image": pixels} for pixels in everything):
        task.result or task.error

    ray_dataset.map_batches(bulk, batch_size=256)
    spark_rdd.mapPartitions(bulk.partition)
"""

import hashlib
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Final

import numpy as np

from hasten_client.datatypes import Array
from hasten_client.errors import Cancelled, Overloaded, Unavailable
from hasten_client.request import InferRequest, message
from hasten_client.task_requests import NewTask
from hasten_client.task_views import Task
from hasten_client.tasks import TaskClient

if TYPE_CHECKING:
    from hasten_client.codec import TensorLike

SUBMITTED_AT_ONCE: Final = 64
WAITED_AT_ONCE: Final = 16
PAUSE_S: Final = 0.5
"""After a refusal that did not say when to come back."""
_ID_BYTES: Final = 16


@dataclass(frozen=True, slots=True)
class Bulk:
    """Runs rows as tasks. It holds no connection: it can be pickled, and used by many at once.

    The id of a row's task is made of `run` and the row's content. So whoever does a part again,
    as Ray and Spark do after a loss, finds the answers that are there; and rows that are the same
    are one task.

    Attributes:
        model: Model name.
        address: Of a scheduler.
        version: Model version; "" for the server's choice.
        run: Distinguishes this run from others on the same rows.
        tenant: Who pays.
        priority: As in `submit`.
        window: Tasks that are submitted and not ended at most: nothing is read from the iterator
            while there are so many.
        deadline_s: Seconds from its submit within which an answer is of use; None for no deadline.
        keep_s: Seconds for which answers are kept; None for the scheduler's setting.
    """

    model: str
    address: str = "localhost:8003"
    version: str = ""
    run: str = "bulk"
    tenant: str = ""
    priority: str | int = "batch"
    window: int = 512
    deadline_s: float | None = None
    keep_s: float | None = None

    def answers(self, rows: "Iterable[Mapping[str, TensorLike]]") -> Iterator[Task]:
        """The ended task of each row, in their order; look at its `result` and `error`.

        Args:
            rows: Inputs by name; read no faster than tasks end.

        Raises:
            HastenError: The scheduler cannot be asked, or does not accept a row for what it is.
        """
        left = iter(rows)
        begun: deque[Future[Task]] = deque()
        slice_size = min(SUBMITTED_AT_ONCE, self.window)
        with TaskClient(self.address) as client, ThreadPoolExecutor(WAITED_AT_ONCE) as waiting:

            def wait(request_id: str) -> Task:
                return client.wait(request_id, tenant=self.tenant)

            try:
                while True:
                    if self.window - len(begun) >= slice_size and (
                        some := list(islice(left, slice_size))
                    ):
                        ids = self._submit(client, some)
                        begun.extend(waiting.submit(wait, request_id) for request_id in ids)
                    elif begun:
                        yield begun.popleft().result()
                    else:
                        return
            finally:
                for future in begun:
                    future.cancel()

    def partition(self, rows: "Iterable[Mapping[str, TensorLike]]") -> Iterator[dict[str, Array]]:
        """The outputs of each row, by name, in their order.

        Raises:
            HastenError: As `answers`, or a row has no answer: the first of them says why.
        """
        for task in self.answers(rows):
            if task.result is None:
                raise task.error or Cancelled(f"task {task.request_id!r} is {task.state}")
            yield dict(task.result.outputs)

    def __call__(self, batch: Mapping[str, Array]) -> dict[str, Array]:
        """The outputs of a batch: arrays whose first dimension is the row, as the inputs'.

        Raises:
            HastenError: As `partition`.
        """
        inputs = {name: np.asarray(values) for name, values in batch.items()}
        count = len(next(iter(inputs.values()))) if inputs else 0
        rows = (
            {name: values[row : row + 1] for name, values in inputs.items()} for row in range(count)
        )
        outputs = list(self.partition(rows))
        if not outputs:
            return {}
        return {name: np.concatenate([each[name] for each in outputs]) for name in outputs[0]}

    def _submit(self, client: TaskClient, rows: "list[Mapping[str, TensorLike]]") -> list[str]:
        """The ids of stored tasks. Waits while the scheduler has no room. Raises HastenError."""
        tasks = [self._task(row) for row in rows]
        ids = [task.request.request_id or "" for task in tasks]
        while tasks:
            refused: list[NewTask] = []
            pause_s = 0.0
            for task, outcome in zip(tasks, client.submit_many(tasks), strict=True):
                error = outcome.error
                if error is None:
                    continue
                if not isinstance(error, Overloaded | Unavailable):
                    raise error
                refused.append(task)
                pause_s = max(pause_s, error.retry_after_s or PAUSE_S)
            tasks = refused
            if tasks:
                time.sleep(pause_s)
        return ids

    def _task(self, row: "Mapping[str, TensorLike]") -> NewTask:
        request = InferRequest(
            self.model,
            row,
            version=self.version,
            priority=self.priority,
            tenant=self.tenant,
            request_id=self.run,
        )
        content = message(request).SerializeToString(deterministic=True)
        digest = hashlib.blake2b(content, digest_size=_ID_BYTES).hexdigest()
        named = InferRequest(
            self.model,
            row,
            version=self.version,
            priority=self.priority,
            tenant=self.tenant,
            request_id=f"{self.run}-{digest}",
        )
        return NewTask(named, deadline_s=self.deadline_s, keep_s=self.keep_s)
