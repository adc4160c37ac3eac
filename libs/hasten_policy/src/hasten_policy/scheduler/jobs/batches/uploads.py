"""A batch whose lines are not all there yet: it waits for them, and not for ever."""

from hasten_policy.scheduler.jobs.batches.machine import BatchEnd
from hasten_policy.scheduler.jobs.events import (
    JobEffect,
    JobEvent,
    Started,
    WakeAt,
    Wanted,
    Write,
)


class UploadMachine:
    """Decides about one batch until its lines are there; then a `BatchMachine` does.

    Args:
        ends_s: It ends then if they are not.

    Attributes:
        end: How it ended; None before.
    """

    def __init__(self, ends_s: float) -> None:
        self.end: BatchEnd | None = None
        self._ends_s = ends_s

    def on(self, event: JobEvent, *, now_s: float) -> list[JobEffect]:
        """What is to be done now."""
        if isinstance(event, Started) and event.wanted is Wanted.CANCELLED:
            self.end = BatchEnd.CANCELLED
        elif now_s >= self._ends_s:
            self.end = BatchEnd.EXPIRED
        else:
            return [WakeAt(self._ends_s)]
        return [Write(ended=self.end.value)]
