"""What one process sends to workers: what was decided together leaves in one message a worker, as
the real links do.
"""

from hasten_policy.fleet.outbox import Outbox
from hasten_sim.ask import Ask
from hasten_sim.link import Link, ToWorker


class Outgoing:
    """The outboxes of a process.

    Args:
        links: To each worker, by the worker's name.
    """

    __slots__ = ("_due", "_links", "_out")

    def __init__(self, links: dict[str, Link]) -> None:
        self._links = links
        self._out: dict[str, Outbox[tuple[Ask, float]]] = {}
        self._due: dict[str, Outbox[tuple[Ask, float]]] = {}

    def to(self, worker_id: str) -> Outbox[tuple[Ask, float]]:
        """The outbox of a worker."""
        found = self._out.get(worker_id)
        if found is None:
            found = self._out[worker_id] = Outbox()
        return found

    def put(self, worker_id: str, ask: Ask, left_s: float) -> None:
        """A call is to leave with the next message."""
        self._due_to(worker_id).put(ask.call_id, (ask, left_s))

    def revoke(self, worker_id: str, call_id: int) -> None:
        """Nobody waits for a call any more."""
        if self._links[worker_id].up:
            self._due_to(worker_id).revoke(call_id)

    def flush(self) -> None:
        """All that is due leaves."""
        due, self._due = self._due, {}
        for worker_id, outbox in due.items():
            if outbox:
                message = ToWorker(list(outbox), outbox.take_cancels())
                outbox.leave([ask.call_id for ask, _ in message.calls])
                self._links[worker_id].to_worker(message)

    def _due_to(self, worker_id: str) -> Outbox[tuple[Ask, float]]:
        found = self._due[worker_id] = self.to(worker_id)
        return found
