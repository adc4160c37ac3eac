"""The record of a worker whose credits say nothing."""

from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import LoadSample


class PlainWorkerRecord(WorkerRecord):
    """A worker of a router without late binding: its credits say nothing, a hard bound holds."""

    __slots__ = ("_calls_max",)

    def __init__(
        self, worker_id: str, weight: float, now_s: float, rank: int, calls_max: int
    ) -> None:
        super().__init__(worker_id, weight, now_s, rank)
        self._calls_max = calls_max

    def take_load(self, load: LoadSample, now_s: float) -> None:
        """As `WorkerRecord.take_load`."""
        super().take_load(load, now_s)
        self.window = self._calls_max
