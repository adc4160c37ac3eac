"""What tasks may take from workers that answer calls too."""

from typing import TYPE_CHECKING

from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.scheduler.policy import SlackPolicy

if TYPE_CHECKING:
    from hasten_policy.fleet.workers import ModelEntry
    from hasten_policy.scheduler.attempts import Attempt


class Slack:
    """How many predicted seconds the attempts of this scheduler hold of each worker.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_own_s", "_policy")

    def __init__(self, policy: SlackPolicy) -> None:
        self._policy = policy
        self._own_s: dict[WorkerRecord, float] = {}

    def own_s(self, worker: WorkerRecord) -> float:
        """Predicted seconds of the attempts at a worker."""
        return self._own_s.get(worker, 0.0)

    def has_room(self, entry: "ModelEntry") -> bool:
        """Whether one more attempt may go there."""
        worker = entry.worker
        if len(worker.calls) >= worker.window:
            return False
        own_s = self._own_s.get(worker)
        return own_s is None or own_s + entry.cost_s <= self._policy.slack_own_s * worker.lanes

    def begin(self, attempt: "Attempt") -> None:
        """It is at its worker from now on."""
        entry = attempt.entry
        if entry is not None:
            attempt.hold_s = entry.cost_s
            self._own_s[entry.worker] = self._own_s.get(entry.worker, 0.0) + attempt.hold_s

    def end(self, attempt: "Attempt") -> None:
        """It is there no more."""
        entry = attempt.entry
        if entry is None:
            return
        if len(entry.worker.calls) <= 1:
            # The last one: what rounding left goes with it.
            self._own_s.pop(entry.worker, None)
        else:
            self._own_s[entry.worker] -= attempt.hold_s
