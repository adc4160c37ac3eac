"""The worker's open calls and models: in once, out once."""

from collections.abc import Sequence

from hasten_policy.batching.batcher import Batcher
from hasten_policy.batching.edf_queue import WaitingCall
from hasten_policy.batching.model_state import ModelState
from hasten_policy.priorities import LOWEST
from hasten_policy.reasons import Refusal
from hasten_policy.worker import refusals
from hasten_policy.worker.events import (
    Deliver,
    Drained,
    ModelIdle,
    Refuse,
    WorkerEffect,
)
from hasten_policy.worker.expiry import Expiry
from hasten_policy.worker.windows import LinkWindows


class OpenCalls:
    """Accepted calls from acceptance to end, and what their ends set free.

    Args:
        batcher: Holds those that wait.
        links: Every answer tells its link the load.

    Attributes:
        effects: Of the event that is being taken in.
        calls: Accepted and not ended, by id.
        models: Open model versions, by key.
        waiting: Calls waiting.
        waiting_batch: Those of them that are of the lowest class.
        waiting_bytes: Bytes of their payloads.
        draining: Nothing more is accepted.
        expiry: When waiting calls can no longer start.
        overran: The newest run took longer than it was predicted to.
        fresh: Calls that began to wait in this event; they get their timer if they still
            wait at its end, so that a call that starts at once never needs one.
    """

    __slots__ = (
        "_batcher",
        "_drained",
        "_links",
        "_now_s",
        "calls",
        "draining",
        "effects",
        "expiry",
        "fresh",
        "models",
        "overran",
        "waiting",
        "waiting_batch",
        "waiting_bytes",
    )

    def __init__(self, batcher: Batcher, links: LinkWindows) -> None:
        self._batcher = batcher
        self._links = links
        self._now_s = 0.0
        self._drained = False
        self.effects: list[WorkerEffect] = []
        self.calls: dict[int, WaitingCall] = {}
        self.models: dict[str, ModelState] = {}
        self.waiting = 0
        self.waiting_batch = 0
        self.waiting_bytes = 0
        self.draining = False
        self.expiry = Expiry()
        self.overran = False
        self.fresh: list[WaitingCall] = []

    def begin(self, now_s: float) -> list[WorkerEffect]:
        """Begins an event; refuses the calls whose last moment to start has gone by.

        Returns:
            Where the effects of the event are written.
        """
        self._now_s = now_s
        self.effects = []
        while now_s >= self.expiry.next_s:
            call = self.expiry.due(now_s)
            if call is None:
                break
            latest_s = self._batcher.latest_start_s(call)
            if latest_s >= now_s:
                self.expiry.add(call, latest_s)
            else:
                self.withdraw(call)
                self.refuse(call, refusals.shed(started=call.solo, overran=self.overran))
        return self.effects

    def accept(self, call: WaitingCall) -> None:
        """Opens a call and lets it wait."""
        self.calls[call.call_id] = call
        call.model.open_calls += 1
        call.model.admitted(call.slack_s, call.rows, call.size, call.shape_key)
        self.wait(call)

    def wait(self, call: WaitingCall) -> None:
        """Lets an open call wait."""
        self._batcher.add(call)
        self.waiting += 1
        self.waiting_batch += call.priority == LOWEST
        self.waiting_bytes += call.payload_bytes
        self.fresh.append(call)

    def run_again(self, call: WaitingCall, *, alone: bool = False) -> None:
        """Lets a call of an ended batch wait once more, or refuses it: if time is up, or if the
        model was loaded anew while it ran and now takes fewer rows than the call brings.

        Args:
            call: Which.
            alone: Its batch was begun and failed: it shares none from now on.
        """
        call.batch_id = 0
        call.solo = call.solo or alone
        call.latest_start_s = self._batcher.latest_start_s(call)
        spec = call.model.spec
        if call.rows > spec.batch_max:
            self.refuse(call, refusals.batch_too_large(spec, call.rows))
        elif call.latest_start_s < self._now_s:
            self.refuse(call, refusals.shed(started=call.solo, overran=self.overran))
        else:
            self.wait(call)

    def refuse_waiting(self, model: ModelState) -> None:
        """Refuses the calls of a paused model whose time is up before it is back, and all of one
        that will not be back.
        """
        waiting = [call for call in self.calls.values() if call.model is model and call.queue]
        for call in waiting:
            if model.closing or call.deadline_s < model.back_s:
                self.withdraw(call)
                back_s = model.back_s - self._now_s
                started = bool(call.lost)
                self.refuse(
                    call, refusals.model_restarting(model.spec.key, back_s, started=started)
                )

    def taken(self, calls: Sequence[WaitingCall]) -> None:
        """Books out of the waiting what the batcher has let go."""
        for call in calls:
            self.waiting_bytes -= call.payload_bytes
            self.waiting_batch -= call.priority == LOWEST
        self.waiting -= len(calls)

    def withdraw(self, call: WaitingCall) -> None:
        """Takes a waiting call out of its queue."""
        self._batcher.remove(call)
        self.taken((call,))

    def turn_away(self, call_id: int, link_id: int, refusal: Refusal) -> None:
        """Refuses a call; `refuse` also ends one that was accepted."""
        self.effects.append(Refuse(call_id, refusal))
        self._links.load_leaves(link_id, self._now_s)

    def refuse(self, call: WaitingCall, refusal: Refusal) -> None:
        """Ends a call without an answer."""
        self.turn_away(call.call_id, call.link_id, refusal)
        self.close(call)

    def deliver(self, call: WaitingCall, service_s: float, *, failed: bool = False) -> None:
        """Ends a call with what its batch brought."""
        self.effects.append(Deliver(call.call_id, service_s, failed))
        self._links.load_leaves(call.link_id, self._now_s)
        self.close(call)

    def close(self, call: WaitingCall) -> None:
        """Forgets a call that has ended."""
        call.batch_id = 0
        call.model.open_calls -= 1
        del self.calls[call.call_id]
        if call.model.closing:
            self.end_model(call.model)
        if self.draining:
            self.end_drain()

    def refuse_shed(self) -> None:
        """Refuses what the batcher gave up."""
        shed = self._batcher.shed
        if shed:
            self.taken(shed)
            for call in shed:
                self.refuse(call, refusals.shed(started=call.solo, overran=self.overran))
            shed.clear()

    def set_timers(self) -> None:
        """Sets the timers of the calls that have begun to wait."""
        for call in self.fresh:
            if call.queue is not None:
                if call.trial:
                    # It waits for company, which it does only while its time is predicted to
                    # suffice; from here on it is a call like all others.
                    call.trial = False
                    call.latest_start_s = self._batcher.latest_start_s(call)
                self.expiry.add(call, call.latest_start_s)
        self.fresh.clear()
        self.expiry.clean(self.waiting)

    def add_model(self, model: ModelState) -> None:
        """A model version opened."""
        model.place = len(self.models)
        self.models[model.spec.key] = model

    def end_model(self, model: ModelState) -> None:
        """Lets a closing model go once its calls have ended and its batches have too."""
        key = model.spec.key
        if model.closing and not (model.open_calls or model.running) and key in self.models:
            del self.models[key]
            for place, kept in enumerate(self.models.values()):
                kept.place = place
            self.effects.append(ModelIdle(key))

    def end_drain(self) -> None:
        """Says once that a draining worker has no open call."""
        if not self.calls and not self._drained:
            self._drained = True
            self.effects.append(Drained())
