"""The attempts of tasks on workers: how they begin and end."""

from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.scheduler.events import Revoke, SchedulerEffect, Send
from hasten_policy.scheduler.keys import Keys
from hasten_policy.scheduler.lanes import LaneWindow
from hasten_policy.scheduler.slack import Slack
from hasten_policy.scheduler.tasks import TaskHead

WAY_BACK_SHARE_MAX = 0.1
"""At most this share of the time left is kept for the way back."""


class Attempt:
    """One claim of a task.

    Attributes:
        number: Its number.
        lane: Where the task waited.
        head: The task.
        entry: Its worker; None when that is gone.
        cost_s: Predicted busy seconds, as charged to the tenant.
        hold_s: Those that it holds of its worker's slack.
        claimed: The store has answered its claim.
        picked_s: When the store was asked to claim it.
        sent_s: When it was sent; negative before that.
        ended: It has ended.
    """

    __slots__ = (
        "claimed",
        "cost_s",
        "ended",
        "entry",
        "head",
        "hold_s",
        "lane",
        "number",
        "picked_s",
        "sent_s",
    )

    def __init__(self, number: int, lane: LaneWindow, head: TaskHead) -> None:
        self.number = number
        self.lane = lane
        self.head = head
        self.entry: ModelEntry | None = None
        self.cost_s = 0.0
        self.hold_s = 0.0
        self.claimed = False
        self.picked_s = 0.0
        self.sent_s = -1.0
        self.ended = False

    @property
    def sent(self) -> bool:
        """It was sent to its worker."""
        return self.sent_s >= 0.0


class Attempts:
    """Keeps the tasks' side of an attempt and the workers' side of it the same.

    Args:
        slack: What attempts may take of workers.
        keys: Which keys are busy.
        way_back_s: Of an answer.
        out: Takes the effects.
        freed: Takes the workers that may have room for one more.

    Attributes:
        open: Those that have not ended, by number.
    """

    __slots__ = ("_alone", "_freed", "_keys", "_last", "_out", "_slack", "_way_back_s", "open")

    def __init__(
        self,
        slack: Slack,
        keys: Keys,
        way_back_s: float,
        out: list[SchedulerEffect],
        freed: dict[WorkerRecord, None],
    ) -> None:
        self._freed = freed
        self._alone: dict[WorkerRecord, int] = {}
        self._slack = slack
        self._keys = keys
        self._way_back_s = way_back_s
        self._out = out
        self._last = 0
        self.open: dict[int, Attempt] = {}

    def at(self, number: int, worker: WorkerRecord) -> Attempt | None:
        """An attempt that was sent to the worker; None for one that is not there."""
        attempt = self.open.get(number)
        if attempt is None or attempt.entry is None or not attempt.sent:
            return None
        return attempt if attempt.entry.worker is worker else None

    def may_try_alone(self, worker: WorkerRecord) -> bool:
        """Whether a task that may end its worker may go there. Where runs go on side by side no two
        such meet, so that it is known which of them did it.
        """
        return worker.lanes == 1 or worker not in self._alone

    def begin(self, lane: LaneWindow, head: TaskHead, entry: ModelEntry, now_s: float) -> Attempt:
        """A task is picked for a worker, whose credit it takes from now on."""
        self._last += 1
        attempt = Attempt(self._last, lane, head)
        self.open[attempt.number] = attempt
        lane.claiming += 1
        lane.shard.running[head.task_id] = attempt
        lane.tenant.running += 1
        if head.key:
            self._keys.begin(lane.lane.tenant, head.key)
        attempt.cost_s = entry.cost_s
        lane.tenant.charge(attempt.cost_s)
        self.reserve(attempt, entry, now_s)
        return attempt

    def reserve(self, attempt: Attempt, entry: ModelEntry, now_s: float) -> None:
        """A worker is to have it."""
        head = attempt.head
        attempt.entry = entry
        call_s = entry.call_s(head.rows, head.elements)
        entry.worker.sends(attempt.number, entry, call_s)
        attempt.hold_s = self._slack.begin(entry, call_s, now_s)
        if head.alone:
            self._alone[entry.worker] = self._alone.get(entry.worker, 0) + 1

    def leave(self, attempt: Attempt) -> None:
        """It has no worker any more."""
        entry = attempt.entry
        if entry is None:
            return
        worker = entry.worker
        self._slack.end(worker, attempt.hold_s)
        if attempt.head.alone:
            self._alone[worker] -= 1
            if not self._alone[worker]:
                del self._alone[worker]
        if attempt.sent:
            worker.ends(attempt.number)
        else:
            worker.unsends(attempt.number)
        self._freed[worker] = None
        attempt.entry = None

    def send(self, attempt: Attempt, now_s: float) -> None:
        """Sends it to the worker that was chosen."""
        if attempt.entry is None:
            raise ValueError("an attempt without a worker cannot be sent")
        attempt.sent_s = now_s
        head = attempt.head
        # The answer still has to travel back, or the run would end just in time for nobody.
        way_s = min(self._way_back_s, WAY_BACK_SHARE_MAX * max(0.0, head.deadline_s - now_s))
        worker_id = attempt.entry.worker.worker_id
        due_s = head.deadline_s - way_s
        self._out.append(Send(attempt.number, worker_id, due_s, head.alone, head.reserved_s))

    def revoke(self, attempt: Attempt) -> None:
        """Takes it from its worker, which is told so, without an end of the task."""
        entry = attempt.entry
        self.leave(attempt)
        if entry is not None and attempt.sent:
            self._out.append(Revoke(attempt.number, entry.worker.worker_id))

    def end(self, attempt: Attempt) -> list[LaneWindow]:
        """Forgets it; whatever it still occupies is freed.

        Returns:
            Lanes in which parked tasks stand in line again.
        """
        self.leave(attempt)
        attempt.ended = True
        lane = attempt.lane
        if not attempt.claimed:
            lane.claiming -= 1
        del self.open[attempt.number]
        lane.shard.running.pop(attempt.head.task_id, None)
        lane.tenant.running -= 1
        if attempt.head.key:
            return self._keys.end(lane.lane.tenant, attempt.head.key)
        return []
