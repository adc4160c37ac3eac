"""The router's machine: every decision of the router, as events in and effects out."""

import json
from collections.abc import Collection
from typing import assert_never

from hasten_policy.chance import Chance
from hasten_policy.fleet.changes import (
    close_window,
    quiesced,
    ramp,
    restore,
    unanswered,
    weight_set,
)
from hasten_policy.fleet.events import (
    FleetEvent,
    LoadTold,
    WeightSet,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.fleet.state import TIMER_RAMP, TIMER_RESTORE, TIMER_SILENCE
from hasten_policy.fleet.views import WorkerView, views_of
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import HostLag
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.answers import answered, refused
from hasten_policy.router.arrival import arrive, barred
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.dispatch import choose_other, shed, use_freed_credits
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    CallAbandoned,
    CallArrived,
    CallsBarred,
    CheckpointRestored,
    RouterEffect,
    RouterEvent,
)
from hasten_policy.router.orphans import (
    rescue,
    worker_joined,
    worker_lost,
    worker_reported,
    worker_told,
)
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.router.state import TIMER_CALL, TIMER_HEDGE, RouterState
from hasten_policy.router.suspects import banned
from hasten_policy.timers import WakeAt, Woke

REJECTING_S = 1.0
"""No hedges for this long after a refusal: spare capacity there is none."""
NEARLY_S = 0.001
"""A caller that leaves this close to its deadline left because of it."""


class RouterMachine:
    """Admission, hold queue, balancing, retries, hedging, ejection, deadlines.

    Every CallArrived ends in exactly one Deliver or Refuse, unless CallAbandoned comes first.
    The same events at the same times with the same random numbers give the same effects.

    Args:
        settings: Parameters.
        rng: Source of tie-breaks and jitter.
    """

    __slots__ = ("_state", "_wake_s")

    def __init__(self, settings: RouterPolicy, *, rng: Chance) -> None:
        self._state = RouterState(settings, rng)
        self._wake_s: float | None = None

    def on(self, event: RouterEvent, *, now_s: float) -> list[RouterEffect]:
        """Handles one event; `now_s` never goes back."""
        state = self._state
        out = state.out
        out.clear()
        if isinstance(event, CallArrived):
            if event.content is None or not banned(state, event, now_s):
                arrive(state, event, now_s)
        elif isinstance(event, AttemptAnswered):
            answered(state, event, now_s)
        elif isinstance(event, AttemptRefused):
            refused(state, event, now_s)
        elif isinstance(event, CallAbandoned):
            self._abandon(event.call_id, now_s)
        elif isinstance(event, Woke):
            self._wake_s = None
        else:
            self._on_others(event, now_s)
        next_s = state.timers.next_s()
        if next_s is not None and next_s <= now_s:
            self._due(now_s)
            next_s = state.timers.next_s()
        if state.hold.freed or state.bars:
            self._make_use(now_s)
            next_s = state.timers.next_s()
        if next_s is not None and (self._wake_s is None or next_s < self._wake_s):
            self._wake_s = next_s
            out.append(WakeAt(next_s))
        return out.copy()

    # --- looking in -------------------------------------------------------------------

    def suspect_sizes(self, model: str) -> Collection[int]:
        """Sizes of the model's inputs that ran when workers died. A call that arrives with an input
        of such a size should bring its content.
        """
        return self._state.suspicions.sizes_of(model)

    @property
    def held(self) -> int:
        """Calls in the hold queue."""
        return self._state.hold.count

    @property
    def in_flight(self) -> int:
        """Calls that were sent and have not ended."""
        return len(self._state.calls) - self._state.hold.count

    def serves(self, model: str, version: str) -> bool:
        """Some open worker has it ready."""
        view = self._state.fleet.registry.find(model, version)
        return view is not None and bool(view.open)

    def knows(self, model: str, version: str) -> bool:
        """Some worker has reported it, ready or not."""
        registry = self._state.fleet.registry
        return registry.find(model, version) is not None or registry.is_loading(model, version)

    def views(self, *, now_s: float) -> list[WorkerView]:
        """All workers, by name."""
        return views_of(self._state.fleet.workers.values(), now_s)

    def checkpoint(self) -> bytes:
        """What is worth keeping over a restart, for `CheckpointRestored`: the thetas by model."""
        thetas = self._state.thetas.values()
        return json.dumps({"theta": thetas}, sort_keys=True).encode()

    # --- inner ------------------------------------------------------------------------

    def _on_others(
        self, event: FleetEvent | HostLag | CallsBarred | CheckpointRestored, now_s: float
    ) -> None:
        """Of workers, of the host, of the front and of the time before the restart."""
        state = self._state
        match event:
            case CallsBarred():
                barred(state, event, now_s)
            case LoadTold():
                worker_told(state, event, now_s)
            case WorkerReported():
                worker_reported(state, event, now_s)
            case WorkerJoined():
                worker_joined(state, event, now_s)
            case WorkerLost():
                worker_lost(state, event, now_s)
            case WeightSet():
                weight_set(state.fleet, event, now_s)
            case HostLag():
                state.way.host.heard(event, now_s)
            case WorkerQuiesced():
                quiesced(state.fleet, event.worker_id)
            case CheckpointRestored():
                self._remember(event.value)
            case _:
                assert_never(event)

    def _remember(self, checkpoint: str) -> None:
        try:
            thetas = json.loads(checkpoint.encode("utf-8", "surrogateescape"))["theta"]
            found = {str(name): [float(v) for v in values] for name, values in thetas.items()}
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
            return
        for name, values in found.items():
            self._state.thetas.of(name).restore(values)

    def _abandon(self, call_id: int, now_s: float) -> None:
        state = self._state
        call = state.calls.get(call_id)
        if call is None:
            return
        # A caller that leaves at its deadline was promised an answer and got none.
        missed = True if now_s >= call.deadline_s - NEARLY_S else None
        if missed:
            self._unanswered(call, now_s)
        state.end(call, now_s, missed=missed)

    def _unanswered(self, call: CallRecord, now_s: float) -> None:
        """Its deadline passes while workers have it and say nothing."""
        for entry in (call.first, call.second):
            if entry is not None:
                call_s = entry.call_s(call.rows, call.elements)
                unanswered(self._state.fleet, entry, call_s, call.sent_s, now_s)

    def _make_use(self, now_s: float) -> None:
        """Of workers that can do more than a moment ago."""
        if self._state.hold.freed:
            use_freed_credits(self._state, now_s)
        self._state.bars.lift(now_s)

    def _due(self, now_s: float) -> None:
        state = self._state
        while (due := state.timers.pop_due(now_s)) is not None:
            kind, subject = due
            if not state.cares(kind, subject):
                continue
            if isinstance(subject, CallRecord):
                if kind == TIMER_CALL:
                    self._call_due(subject, now_s)
                elif kind == TIMER_HEDGE:
                    self._hedge(subject, now_s)
            elif isinstance(subject, WorkerRecord):
                if kind == TIMER_SILENCE:
                    rescue(state, subject, now_s)
                elif kind == TIMER_RAMP:
                    ramp(state.fleet, subject, now_s)
                elif kind == TIMER_RESTORE and restore(state.fleet, subject, now_s):
                    state.hold.frees(subject)
            else:
                close_window(state.fleet, now_s)
        state.timers.compact(len(state.calls), state.cares)

    def _call_due(self, call: CallRecord, now_s: float) -> None:
        """The latest start of a held call, or the deadline of a sent one, may have come."""
        state = self._state
        if call.held:
            latest_s = call.deadline_s - call.view.best_s
            if now_s >= latest_s:
                shed(state, call, now_s)
            else:
                state.timers.push(latest_s, TIMER_CALL, call)
        elif now_s >= call.deadline_s:
            refusal = Refusal(
                Reason.DEADLINE_PASSED, "the deadline passed while a worker had the call"
            )
            self._unanswered(call, now_s)
            state.refuse(call, refusal, now_s, missed=True)
        else:
            state.timers.push(call.deadline_s, TIMER_CALL, call)

    def _hedge(self, call: CallRecord, now_s: float) -> None:
        """Sends a slow call a second time, to another worker, within the budget."""
        state = self._state
        if call.held or call.alone or call.first is None or call.second is not None:
            return
        if now_s - state.refused_at_s < REJECTING_S:
            return
        other = choose_other(state, call, now_s)
        if other is None or now_s + other.batch_s(1) > call.deadline_s:
            return
        if state.hedges.try_spend(now_s):
            state.attempts.begin(call, other, now_s)
