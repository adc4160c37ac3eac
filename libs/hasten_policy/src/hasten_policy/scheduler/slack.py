"""What tasks may take from workers that answer calls too: a gate for each worker.

A run cannot be interrupted, so a call that comes while a task runs waits for the task to end, and
the routers count a worker's tasks as work that goes before theirs. So a worker is given few tasks
at once: so many that it does not stand idle while the next ones are on their way, found by trying
(additive increase, multiplicative decrease: Chiu and Jain, 1989), and none while calls wait there.
While calls are refused for want of time they go there at a pace (`Pace`).
"""

from typing import TYPE_CHECKING, Final

from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.scheduler.pace import Pace
from hasten_policy.scheduler.policy import SlackPolicy

if TYPE_CHECKING:
    from hasten_policy.load import LoadSample

ALONE_PER_S: Final = 0.5
"""A worker that gets fewer calls a second is there for tasks alone, for now."""
BATCHES: Final = 2
"""Full batches that such a worker may have although they take longer: one that runs, and the next.
Smaller ones would hold a lane nearly as long where a batch costs much whatever is in it.
"""
CALLS_S: Final = 0.5
"""Time constant of that."""
REOPEN_SHARE: Final = 0.5
"""A gate opens again at this share of what closed it."""
STEPS: Final = 16
"""From nothing to the most, when a worker runs dry."""
DRY_SHARE: Final = 0.1
"""A worker may run dry after this share of its answers: less would cost calls more than it brings
tasks.
"""
DECREASE: Final = 0.5
"""Of the limit that a refusal leaves."""


class WorkerGate:
    """That of one worker.

    Attributes:
        own_s: Predicted busy seconds of our attempts there.
        short_s: Those of them that are short.
        long: Attempts there that are not: each has a lane to itself, as far as there are lanes.
        limit_s: No attempt is added beside calls while those are at least so many.
        batch_s: Typical seconds of a full batch of the model that was asked for last.
        seq: Of the load that was last looked at for whether the worker ran dry.
        shut: Calls wait there.
        load: What the worker said last of its load.
        calls_per_s: Calls a second that the worker gets, tasks not counted, smoothed.
        pace: How fast tasks follow each other.
    """

    __slots__ = (
        "_at_s",
        "_calls",
        "batch_s",
        "calls_per_s",
        "limit_s",
        "load",
        "long",
        "own_s",
        "pace",
        "seq",
        "short_s",
        "shut",
    )

    def __init__(self, policy: SlackPolicy) -> None:
        self.own_s = 0.0
        self.short_s = 0.0
        self.long = 0
        self.limit_s = policy.slack_own_s / STEPS
        self.pace = Pace(policy)
        self.seq = -1
        self.shut = False
        self.load: LoadSample | None = None
        self.calls_per_s = 0.0
        self.batch_s = 0.0
        self._calls = 0
        self._at_s = float("-inf")

    def hear(self, worker: WorkerRecord) -> None:
        """The worker has told its load."""
        load = self.load = worker.load
        if load is None:
            return
        calls = load.arrived - load.arrived_batch
        passed_s = worker.load_at_s - self._at_s
        if calls < self._calls or passed_s == float("inf"):
            self.calls_per_s = 0.0  # Its process is a new one.
        elif passed_s > 0.0:
            weight = passed_s / (passed_s + CALLS_S)
            self.calls_per_s += weight * ((calls - self._calls) / passed_s - self.calls_per_s)
        self._calls = calls
        self._at_s = worker.load_at_s
        self.pace.hear(load, worker.lanes, worker.load_at_s)


class Slack:
    """The gates of all workers.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_gates", "_policy")

    def __init__(self, policy: SlackPolicy) -> None:
        self._policy = policy
        self._gates: dict[WorkerRecord, WorkerGate] = {}

    @property
    def shut(self) -> int:
        """Gates that are shut."""
        return sum(gate.shut for gate in self._gates.values())

    def is_shut(self, worker: WorkerRecord) -> bool:
        """The worker gets no tasks, as calls wait there."""
        gate = self._gates.get(worker)
        return gate is not None and gate.shut

    def gate(self, worker: WorkerRecord) -> WorkerGate:
        """That of a worker, which begins with a step."""
        found = self._gates.get(worker)
        if found is None:
            found = self._gates[worker] = WorkerGate(self._policy)
        return found

    def forget(self, worker: WorkerRecord) -> None:
        """It is gone."""
        self._gates.pop(worker, None)

    def calls_s(self, worker: WorkerRecord, now_s: float) -> float:
        """Predicted seconds of the calls that wait there, without tasks and without what runs."""
        load = worker.load
        if load is None or load.waiting <= load.waiting_batch:
            return 0.0
        waiting_s = load.backlog_s - max(load.residual_s, now_s - worker.load_at_s)
        return max(0.0, waiting_s) * (load.waiting - load.waiting_batch) / load.waiting

    def has_room(self, worker: WorkerRecord, now_s: float) -> bool:
        """Whether one more attempt may go there."""
        if len(worker.calls) >= worker.window:
            return False
        gate = self.gate(worker)
        if gate.load is not worker.load:
            gate.hear(worker)
        most_s = self._policy.slack_calls_s
        closes_s = most_s * REOPEN_SHARE if gate.shut else most_s
        gate.shut = self.calls_s(worker, now_s) > closes_s
        if gate.shut:
            return False
        if gate.calls_per_s >= ALONE_PER_S:
            return not gate.pace.waits(now_s) and gate.own_s < gate.limit_s * worker.lanes
        limit_s = max(gate.limit_s, BATCHES * gate.batch_s)
        if gate.own_s < limit_s * worker.lanes:
            return True
        # Long attempts keep their own lanes, and the others are for what is short.
        return gate.short_s < limit_s * (worker.lanes - gate.long)

    def is_slowed(self, worker: WorkerRecord, now_s: float) -> bool:
        """Its pace keeps tasks from there."""
        gate = self._gates.get(worker)
        return gate is not None and gate.calls_per_s >= ALONE_PER_S and gate.pace.waits(now_s)

    def next_s(self, worker: WorkerRecord, now_s: float) -> float | None:
        """When a worker that gets tasks at a pace may have the next ones; None when that was told
        before, or it is something else that keeps them from there.
        """
        return self.gate(worker).pace.next_s(now_s) if self.is_slowed(worker, now_s) else None

    def is_quiet(self, worker: WorkerRecord, since_s: float, now_s: float) -> bool:
        """Whether a worker that has had an attempt since then should have said something by now.

        One that was stopped or cut off says nothing any more, and what it is given before that is
        noticed runs a second time elsewhere.
        """
        silent_s = now_s - max(since_s, worker.heard_s)
        most_s = self._policy.slack_quiet_s
        return silent_s > most_s and silent_s > (
            most_s + self.gate(worker).own_s + worker.backlog_s
        )

    # --- evidence ---------------------------------------------------------------------

    def served(self, worker: WorkerRecord) -> None:
        """A worker answered an attempt: one that has nothing else to do had too few of them."""
        gate = self.gate(worker)
        if gate.seq == worker.seq:
            return  # The same message told of more than one attempt.
        gate.seq = worker.seq
        most_s = self._policy.slack_own_s
        step_s = most_s / STEPS
        if worker.queue == 0:
            gate.limit_s = min(most_s, gate.limit_s + step_s)
        else:
            down_s = step_s * DRY_SHARE / (1.0 - DRY_SHARE)
            gate.limit_s = max(step_s, gate.limit_s - down_s)

    def refused(self, worker: WorkerRecord) -> None:
        """A worker had no room for an attempt."""
        gate = self.gate(worker)
        gate.limit_s = max(self._policy.slack_own_s / STEPS, gate.limit_s * DECREASE)

    # --- attempts ---------------------------------------------------------------------

    def begin(self, entry: ModelEntry, call_s: float, now_s: float) -> float:
        """An attempt goes to a worker.

        Args:
            entry: The worker's model.
            call_s: Predicted seconds of a run of the attempt alone.
            now_s: Now.

        Returns:
            Seconds of the slack that it holds.
        """
        # As in a full batch, not as measured: that few make dear batches must not make them fewer.
        hold_s = max(entry.full_cost_s, call_s - entry.alpha_s)
        gate = self.gate(entry.worker)
        gate.own_s += hold_s
        gate.pace.begins(hold_s, entry.worker.lanes, now_s)
        if self._is_long(hold_s):
            gate.long += 1
        else:
            gate.short_s += hold_s
        gate.batch_s = entry.batch_s(entry.target_rows)
        return hold_s

    def end(self, worker: WorkerRecord, hold_s: float) -> None:
        """It is there no more. Told before the worker's record is."""
        gate = self.gate(worker)
        if len(worker.calls) <= 1:
            # With the last one goes what rounding left.
            gate.own_s, gate.short_s, gate.long = 0.0, 0.0, 0
            return
        gate.own_s -= hold_s
        if self._is_long(hold_s):
            gate.long -= 1
        else:
            gate.short_s -= hold_s

    def _is_long(self, hold_s: float) -> bool:
        """An attempt of so many seconds takes more than all of a lane's slack."""
        return hold_s > self._policy.slack_own_s
