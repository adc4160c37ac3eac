"""What tasks may take from workers that answer calls too: a gate for each worker.

A run cannot be interrupted, so a call that comes while a task runs waits for the task to end, and
the routers count a worker's tasks as work that goes before theirs. So a worker is given few tasks
at once: so many that it does not stand idle while the next ones are on their way, found by trying
(additive increase, multiplicative decrease: Chiu and Jain, 1989), and none while calls wait there.
"""

from typing import Final

from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.scheduler.policy import SlackPolicy

ALONE_PER_S: Final = 0.5
"""A worker that gets fewer calls of others a second is ours for now."""
REOPEN_SHARE: Final = 0.5
"""A gate opens again at this share of what closed it."""
STEPS: Final = 16
"""From nothing to the most, when a worker runs dry."""
DECREASE: Final = 0.5
"""Of the limit that a refusal leaves."""


class Gate:
    """That of one worker.

    Attributes:
        own_s: Predicted busy seconds of our attempts there.
        limit_s: No attempt is added while those are at least so many.
        shut: Calls of others wait there.
    """

    __slots__ = ("limit_s", "own_s", "shut")

    def __init__(self, limit_s: float) -> None:
        self.own_s = 0.0
        self.limit_s = limit_s
        self.shut = False


class Slack:
    """The gates of all workers.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_gates", "_policy")

    def __init__(self, policy: SlackPolicy) -> None:
        self._policy = policy
        self._gates: dict[WorkerRecord, Gate] = {}

    def gate(self, worker: WorkerRecord) -> Gate:
        """That of a worker, which begins with a step."""
        found = self._gates.get(worker)
        if found is None:
            found = self._gates[worker] = Gate(self._policy.slack_own_s / STEPS)
        return found

    def forget(self, worker: WorkerRecord) -> None:
        """It is gone."""
        self._gates.pop(worker, None)

    def others_s(self, worker: WorkerRecord, now_s: float) -> float:
        """Predicted seconds until the calls of others there are done."""
        own = len(worker.calls) - len(worker.unseen)
        if worker.depth <= own:
            return 0.0
        own_s = max(0.0, self.gate(worker).own_s - worker.unseen_s) / worker.lanes
        return max(0.0, worker.backlog_s - own_s - (now_s - worker.load_at_s))

    def has_room(self, worker: WorkerRecord, now_s: float) -> bool:
        """Whether one more attempt may go there."""
        if len(worker.calls) >= worker.window:
            return False
        gate = self.gate(worker)
        others_s = self.others_s(worker, now_s)
        most_s = self._policy.slack_others_s
        gate.shut = others_s > (most_s * REOPEN_SHARE if gate.shut else most_s)
        if gate.shut:
            return False
        alone = worker.others_per_s < ALONE_PER_S
        limit_s = self._policy.slack_own_s if alone else gate.limit_s
        return gate.own_s < limit_s * worker.lanes

    # --- evidence ---------------------------------------------------------------------

    def served(self, worker: WorkerRecord) -> None:
        """A worker answered an attempt: one that has nothing else to do had too few of them."""
        if worker.queue <= len(worker.unseen) == 0:
            gate = self.gate(worker)
            most_s = self._policy.slack_own_s
            gate.limit_s = min(most_s, gate.limit_s + most_s / STEPS)

    def refused(self, worker: WorkerRecord) -> None:
        """A worker had no room for an attempt."""
        gate = self.gate(worker)
        gate.limit_s = max(self._policy.slack_own_s / STEPS, gate.limit_s * DECREASE)

    # --- attempts ---------------------------------------------------------------------

    def begin(self, entry: ModelEntry, call_s: float) -> float:
        """An attempt goes to a worker.

        Args:
            entry: The worker's model.
            call_s: Predicted seconds of a run of the attempt alone.

        Returns:
            Seconds of the slack that it holds.
        """
        hold_s = max(entry.cost_s, call_s - entry.alpha_s)
        self.gate(entry.worker).own_s += hold_s
        return hold_s

    def end(self, worker: WorkerRecord, hold_s: float) -> None:
        """It is there no more. Told before the worker's record is."""
        gate = self.gate(worker)
        # With the last one goes what rounding left.
        gate.own_s = gate.own_s - hold_s if len(worker.calls) > 1 else 0.0
