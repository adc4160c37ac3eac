"""Batches that run now: how long they still need, and which must be stopped."""

from dataclasses import dataclass
from enum import IntEnum
from math import inf

from hasten_policy.batching.edf_queue import WaitingCall
from hasten_policy.batching.model_state import ModelState
from hasten_policy.prediction.predictor import ServicePredictor

OVERRUN_SHARE = 0.1
"""A run beyond its prediction is expected to need this share of its age again."""


class Stop(IntEnum):
    """Why a batch was asked to stop."""

    NOT = 0
    ABANDONED = 1
    OVERDUE = 2
    OVERSTAYED = 3


@dataclass(slots=True, eq=False)
class RunningBatch:
    """One batch on a lane.

    Attributes:
        batch_id: Which.
        model: Whose.
        predictor: What learns from it; a model opened anew has another one.
        calls: Members as started; one whose `batch_id` differs has ended meanwhile.
        rows: Their rows.
        padded_rows: Rows that run.
        size: Elements per row.
        started_s: When it was started.
        typical_s: Seconds it takes as a rule.
        cautious_s: Seconds it takes at the start quantile.
        limit_s: Absolute time at which the watchdog stops it.
        live: Members that still wait for it.
        check_s: Absolute time of its next check.
        stop: Why it was asked to stop, if it was.
    """

    batch_id: int
    model: ModelState
    predictor: ServicePredictor
    calls: list[WaitingCall]
    rows: int
    padded_rows: int
    size: float
    started_s: float
    typical_s: float
    cautious_s: float
    limit_s: float
    live: int
    check_s: float = inf
    stop: Stop = Stop.NOT

    def live_calls(self) -> list[WaitingCall]:
        """Members that still wait for an answer, in batch order."""
        return [call for call in self.calls if call.batch_id == self.batch_id]

    def residual_s(self, now_s: float) -> float:
        """Typical seconds that it still needs."""
        left_s = self.started_s + self.typical_s - now_s
        return left_s if left_s > 0.0 else OVERRUN_SHARE * (now_s - self.started_s)


class Lanes:
    """The running batches of a worker.

    Args:
        count: Batches that may run at once.
        overdue_grace_s: See `WorkerPolicy`.
        stop_patience_s: See `WorkerPolicy`.
    """

    __slots__ = ("_grace_s", "_patience_s", "_running", "check_s", "count")

    def __init__(self, count: int, *, overdue_grace_s: float, stop_patience_s: float) -> None:
        self.count = count
        self.check_s = inf
        self._grace_s = overdue_grace_s
        self._patience_s = stop_patience_s
        self._running: dict[int, RunningBatch] = {}

    @property
    def free(self) -> int:
        """Lanes without a batch."""
        return self.count - len(self._running)

    def __len__(self) -> int:
        return len(self._running)

    def start(self, batch: RunningBatch) -> None:
        """Puts a batch on a free lane."""
        self._running[batch.batch_id] = batch
        batch.model.running += 1
        self._set_check(batch)
        self.check_s = min(self.check_s, batch.check_s)

    def end(self, batch_id: int) -> RunningBatch | None:
        """Takes a batch off its lane; None when it is unknown."""
        batch = self._running.pop(batch_id, None)
        if batch is not None:
            batch.model.running -= 1
            self._set_next()
        return batch

    def leave(self, call: WaitingCall) -> RunningBatch | None:
        """Takes a call out of its batch; the batch, if nobody waits for it any more."""
        batch = self._running[call.batch_id]
        call.batch_id = 0
        batch.live -= 1
        if batch.live and batch.stop is Stop.NOT:
            self._set_check(batch)
            self._set_next()
        return None if batch.live or batch.stop is not Stop.NOT else batch

    def ask_to_stop(self, batch: RunningBatch, why: Stop, now_s: float) -> None:
        """Remembers that the batch was asked to stop."""
        batch.stop = why
        batch.check_s = now_s + self._patience_s if batch.live else inf
        self._set_next()

    def abandon(self, batch: RunningBatch) -> list[WaitingCall]:
        """Frees the calls of a batch that does not end; it goes on holding its lane."""
        calls = batch.live_calls()
        for call in calls:
            call.batch_id = 0
        batch.live = 0
        batch.check_s = inf
        self._set_next()
        return calls

    def due(self, now_s: float) -> list[RunningBatch]:
        """Batches whose check is due, in the order they were started."""
        if now_s < self.check_s:
            return []
        return [batch for batch in self._running.values() if batch.check_s <= now_s]

    def residual_s(self, now_s: float) -> float:
        """Typical seconds until a lane is free."""
        if self.free > 0:
            return 0.0
        return min(batch.residual_s(now_s) for batch in self._running.values())

    def residuals_s(self, now_s: float) -> float:
        """Sum of the typical seconds that all running batches still need."""
        return sum(batch.residual_s(now_s) for batch in self._running.values())

    def wait_typical_s(self, work_s: float, now_s: float) -> float:
        """Typical seconds until `work_s` of one lane, spread over all, has been begun."""
        total_s = work_s
        least_s = inf
        for batch in self._running.values():
            left_s = batch.residual_s(now_s)
            total_s += left_s
            least_s = min(least_s, left_s)
        if self.free > 0:
            least_s = 0.0
        return max(least_s, total_s / self.count) if work_s > 0.0 else least_s

    def _set_check(self, batch: RunningBatch) -> None:
        last_s = -inf
        for call in batch.calls:
            if call.batch_id == batch.batch_id and call.deadline_s > last_s:
                last_s = call.deadline_s
        batch.check_s = min(batch.limit_s, last_s + self._grace_s)

    def _set_next(self) -> None:
        check_s = inf
        for batch in self._running.values():
            check_s = min(check_s, batch.check_s)
        self.check_s = check_s
