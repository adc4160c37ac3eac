"""The attempts of calls on workers: how they begin and end."""

from hasten_policy.admission.way import Way
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import Revoke, RouterEffect, Send
from hasten_policy.router.hold import INFINITY, HoldDesk
from hasten_policy.router.trials import Trials

WAY_BACK_SHARE_MAX = 0.1
"""At most this share of the time left is kept for the way back."""


class Attempts:
    """Keeps the calls' side of an attempt and the workers' side of it the same.

    Args:
        way: Time that is no worker's.
        hold: Told of credits that become free.
        out: Takes the effects.

    Attributes:
        trials: Calls whose input a worker may have died of.
    """

    __slots__ = ("_hold", "_out", "_way", "trials")

    def __init__(self, way: Way, hold: HoldDesk, out: list[RouterEffect]) -> None:
        self._way = way
        self._hold = hold
        self._out = out
        self.trials = Trials()

    def begin(self, call: CallRecord, entry: ModelEntry, now_s: float) -> None:
        """Sends a call. The worker has a free credit, or the call must go there."""
        worker = entry.worker
        call.met_idle = not worker.queue
        worker.sends(call.call_id, entry, entry.call_s(call.rows, call.elements))
        call.attempts += 1
        call.been |= {worker.worker_id}
        if call.first is None:
            call.first = entry
            call.sent_s = now_s
        else:
            call.second = entry
        if call.alone:
            self.trials.begin(call, worker)
        due_s = self._due_s(call, now_s)
        self._out.append(Send(call.call_id, worker.worker_id, due_s, call.attempts, call.alone))

    def end(self, call: CallRecord, entry: ModelEntry) -> None:
        """Ends an attempt; a hedge that is left becomes the first."""
        worker = entry.worker
        worker.ends(call.call_id)
        self._hold.frees(worker)
        if call.on_trial:
            self.trials.end(call, worker)
            # Others waited for this to end, whichever worker they go to.
            for each in call.view.open:
                self._hold.frees(each.worker)
        if call.second is entry:
            call.second = None
        else:
            call.first, call.second = call.second, None

    def revoke(self, call: CallRecord, entry: ModelEntry) -> None:
        """Ends an attempt that has not answered, and tells the worker."""
        self.end(call, entry)
        self._out.append(Revoke(call.call_id, entry.worker.worker_id))

    def _due_s(self, call: CallRecord, now_s: float) -> float:
        """When the worker must be done: the answer still has to travel back. Were this left
        out, runs would end just in time for nobody.
        """
        left_s = call.deadline_s - now_s
        if left_s == INFINITY:
            return call.deadline_s
        way_s = self._way.seconds(now_s)
        return call.deadline_s - min(way_s, WAY_BACK_SHARE_MAX * max(0.0, left_s))
