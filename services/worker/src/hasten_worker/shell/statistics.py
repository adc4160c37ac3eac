"""What is counted of one model version, as Triton's statistics extension defines it."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hasten_worker.shell.batch import Batch
    from hasten_worker.shell.call import Call


@dataclass(slots=True)
class Total:
    """How often, and how long in all.

    Attributes:
        count: Times.
        ns: Nanoseconds in all.
    """

    count: int = 0
    ns: int = 0

    def add(self, seconds: float) -> None:
        """One more time."""
        self.count += 1
        self.ns += int(seconds * 1e9)


@dataclass(slots=True)
class BatchTotals:
    """Executions of one batch size. The three counts are always equal."""

    compute_input: Total = field(default_factory=Total)
    compute_infer: Total = field(default_factory=Total)
    compute_output: Total = field(default_factory=Total)


@dataclass(slots=True)
class Statistics:
    """Totals since the version was first loaded.

    Attributes:
        success: Answered requests, from receipt to answer.
        fail: Requests without an answer, from receipt to refusal.
        queue: Answered requests, waiting. Its count and the next three equal success's.
        compute_input: Answered requests, decoding.
        compute_infer: Answered requests, in the model.
        compute_output: Answered requests, encoding.
        rows: Rows answered.
        executions: Batches run.
        last_ms: When a request last came, in milliseconds since 1970; 0 for never.
        batches: Executions by batch size.
    """

    success: Total = field(default_factory=Total)
    fail: Total = field(default_factory=Total)
    queue: Total = field(default_factory=Total)
    compute_input: Total = field(default_factory=Total)
    compute_infer: Total = field(default_factory=Total)
    compute_output: Total = field(default_factory=Total)
    rows: int = 0
    executions: int = 0
    last_ms: int = 0
    batches: dict[int, BatchTotals] = field(default_factory=dict)

    def answered(self, call: "Call") -> None:
        """A request was answered."""
        self.rows += call.rows
        self.success.add(call.ended_s - call.arrived_s)
        self.queue.add(call.began_s - call.taken_s)
        self.compute_input.add(call.taken_s - call.arrived_s)
        self.compute_infer.add(call.computed_s - call.began_s)
        self.compute_output.add(call.ended_s - call.computed_s)

    def executed(self, batch: "Batch") -> None:
        """The model ran a batch without a fault."""
        self.executions += 1
        totals = self.batches.get(batch.rows)
        if totals is None:  # At most one entry for each size up to the largest batch.
            totals = self.batches[batch.rows] = BatchTotals()
        totals.compute_input.add(sum(call.taken_s - call.arrived_s for call in batch.calls))
        totals.compute_infer.add(batch.computed_s - batch.began_s)
        totals.compute_output.add(batch.ended_s - batch.computed_s)
