"""The router's machine: every decision of the router, as events in and effects out."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from hasten_policy.fleet.changes import (
    check_silence,
    close_window,
    joined,
    lost,
    quiesced,
    ramp,
    reported,
    restore,
    told,
)
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import HostLag, WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.answers import answered, refused
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.dispatch import choose_other, shed, use_freed_credits
from hasten_policy.router.events import (
    AttemptAnswered,
    AttemptRefused,
    CallAbandoned,
    CallArrived,
    CheckpointRestored,
    LoadTold,
    RouterEffect,
    RouterEvent,
    WakeAt,
    Woke,
    WorkerJoined,
    WorkerLost,
    WorkerQuiesced,
    WorkerReported,
)
from hasten_policy.router.plan import arrive
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.router.state import (
    TIMER_CALL,
    TIMER_HEDGE,
    TIMER_RAMP,
    TIMER_RESTORE,
    TIMER_SILENCE,
    RouterState,
)
from hasten_policy.router.suspects import banned

if TYPE_CHECKING:
    from random import Random

REJECTING_S = 1.0
"""No hedges for this long after a refusal: spare capacity there is none."""
NEARLY_S = 0.001
"""A caller that leaves this close to its deadline left because of it."""


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker as the router sees it, for operators.

    Attributes:
        worker_id: Its name.
        report: Its newest full report; None before the first.
        standing: See StandingChanged.
        in_flight: Our unanswered calls there.
        report_age_s: Seconds since it was last heard.
        service_s: Mean busy seconds per call over its models, as the balancer uses it.
        answered: Calls it answered for us.
        failed: Calls that failed there.
    """

    worker_id: str
    report: WorkerReport | None
    standing: str
    in_flight: int
    report_age_s: float
    service_s: float
    answered: int
    failed: int


class RouterMachine:
    """Admission, hold queue, balancing, retries, hedging, ejection, deadlines.

    Every CallArrived ends in exactly one Deliver or Refuse, unless CallAbandoned comes first.
    The same events at the same times with the same random numbers give the same effects.

    Args:
        settings: Parameters.
        rng: Source of tie-breaks and jitter.
    """

    __slots__ = ("_state", "_wake_s")

    def __init__(self, settings: RouterPolicy, *, rng: "Random") -> None:
        self._state = RouterState(settings, rng)
        self._wake_s: float | None = None

    def on(self, event: RouterEvent, *, now_s: float) -> list[RouterEffect]:
        """Handles one event; `now_s` never goes back."""
        state = self._state
        out: list[RouterEffect] = []
        state.out = out
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
            self._on_worker(event, now_s)
        next_s = state.timers.next_s()
        if next_s is not None and next_s <= now_s:
            self._due(now_s)
            next_s = state.timers.next_s()
        if state.freed:
            use_freed_credits(state, now_s)
            next_s = state.timers.next_s()
        if next_s is not None and (self._wake_s is None or next_s < self._wake_s):
            self._wake_s = next_s
            out.append(WakeAt(next_s))
        return out

    # --- looking in -------------------------------------------------------------------

    def suspect_sizes(self, model: str) -> Collection[int]:
        """Sizes of the model's inputs that ran when workers died. A call that arrives with an input
        of such a size should bring its content.
        """
        return self._state.suspicions.sizes_of(model)

    @property
    def held(self) -> int:
        """Calls in the hold queue."""
        return self._state.held_count

    @property
    def in_flight(self) -> int:
        """Calls that were sent and have not ended."""
        return len(self._state.calls) - self._state.held_count

    def serves(self, model: str, version: str) -> bool:
        """Some open worker has it ready."""
        view = self._state.registry.find(model, version)
        return view is not None and bool(view.open)

    def knows(self, model: str, version: str) -> bool:
        """Some worker has reported it, ready or not."""
        registry = self._state.registry
        return registry.find(model, version) is not None or registry.is_loading(model, version)

    def views(self, *, now_s: float) -> list[WorkerView]:
        """All workers, by name."""
        workers = sorted(self._state.registry.workers.values(), key=lambda w: w.worker_id)
        return [
            WorkerView(
                worker_id=worker.worker_id,
                report=worker.report,
                standing=worker.standing,
                in_flight=len(worker.calls),
                report_age_s=now_s - worker.heard_s,
                service_s=_mean_cost_s(worker),
                answered=worker.answered,
                failed=worker.failed,
            )
            for worker in workers
        ]

    def checkpoint(self) -> bytes:
        """What is worth keeping over a restart, for `CheckpointRestored`: the thetas by model."""
        thetas = {name: theta.values for name, theta in self._state.registry.thetas.items()}
        return json.dumps({"theta": thetas}, sort_keys=True).encode()

    # --- inner ------------------------------------------------------------------------

    def _on_worker(
        self,
        event: LoadTold
        | WorkerReported
        | WorkerJoined
        | WorkerLost
        | WorkerQuiesced
        | HostLag
        | CheckpointRestored,
        now_s: float,
    ) -> None:
        state = self._state
        match event:
            case LoadTold():
                told(state, event, now_s)
            case WorkerReported():
                reported(state, event, now_s)
            case WorkerJoined():
                joined(state, event, now_s)
            case WorkerLost():
                lost(state, event, now_s)
            case HostLag():
                state.host.heard(event, now_s)
            case WorkerQuiesced():
                quiesced(state, event.worker_id)
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
            self._state.registry.theta_of(name).restore(values)

    def _abandon(self, call_id: int, now_s: float) -> None:
        state = self._state
        call = state.calls.get(call_id)
        if call is None:
            return
        # A caller that leaves at its deadline was promised an answer and got none.
        missed = True if now_s >= call.deadline_s - NEARLY_S else None
        state.end(call, now_s, missed=missed)

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
                    check_silence(state, subject, now_s)
                elif kind == TIMER_RAMP:
                    ramp(state, subject, now_s)
                elif kind == TIMER_RESTORE:
                    restore(state, subject, now_s)
            else:
                close_window(state, now_s)
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
            state.send(call, other, now_s)


def _mean_cost_s(worker: WorkerRecord) -> float:
    if not worker.entries:
        return 0.0
    return sum(entry.cost_s for entry in worker.entries) / len(worker.entries)
