"""Workers come, report, fall silent, fail and go.

Nothing here decides what becomes of the calls of a worker that is gone: they are returned as
orphans, and whoever sent them knows what they are.
"""

from typing import Final, TypeAlias

from hasten_policy.fleet.events import LoadTold, StandingChanged, WeightSet, WorkerJoined
from hasten_policy.fleet.outliers import (
    eject_s,
    ejectable,
    failing,
    new_window,
    slow,
    unsuccessful,
)
from hasten_policy.fleet.registry import Changes
from hasten_policy.fleet.state import (
    TIMER_RAMP,
    TIMER_RESTORE,
    TIMER_SILENCE,
    TIMER_WINDOW,
    AnyFleet,
)
from hasten_policy.fleet.workers import ModelEntry, WorkerRecord
from hasten_policy.load import LoadSample, WorkerReport

RAMP_STEPS: Final = 20
RAMP_STEP_S_MIN: Final = 0.001
"""A shorter step may be none at all by a clock of large numbers, and the ramp would never end."""
SILENCE_CHECK_S: Final = 0.25
UNANSWERED_TIMES: Final = 4.0
"""A worker that could have done a call so often, and says nothing of it, has failed."""

Orphans: TypeAlias = list[tuple[int, ModelEntry]]
"""Unanswered calls of a worker: number and entry of each, in the order sent."""


def joined(fleet: AnyFleet, event: WorkerJoined, now_s: float) -> None:
    """A link opened. One of the same name that was there `left` before."""
    policy = fleet.policy
    if not fleet.window_open:
        fleet.window_open = True
        fleet.timers.push(now_s + policy.eject_window_s, TIMER_WINDOW, None)
    worker = fleet.registry.join(event.worker_id, _usable(event.weight), now_s)
    fleet.timers.push(now_s + policy.report_age_max_s, TIMER_SILENCE, worker)
    fleet.say_standing(worker, "link opened")


def weight_set(fleet: AnyFleet, event: WeightSet, now_s: float) -> None:
    """A worker that stays has another weight from now on; its slow start goes on as it was."""
    worker = fleet.workers.get(event.worker_id)
    if worker is not None:
        worker.weight = _usable(event.weight)
        share = _share(fleet, worker, now_s) if worker.ramping else 1.0
        worker.inverse_share = 1.0 / (worker.weight * share)


def restarted(worker: WorkerRecord, report: WorkerReport) -> Orphans:
    """The calls that a process before the one that reports took with it; empty for the same."""
    known = worker.report
    if known is None or known.incarnation == report.incarnation:
        return []
    return list(worker.calls.items())


def reported(fleet: AnyFleet, worker: WorkerRecord, report: WorkerReport, now_s: float) -> Changes:
    """A full report came. The orphans that it made (`restarted`) are dealt with before."""
    before = worker.standing
    known = worker.report
    if known is not None and known.incarnation != report.incarnation:
        worker.forget_incarnation()
    worker.suspect = False
    if known is None:
        worker.ready_since_s = now_s
        # The share of a newcomer ramps up, but only where others carry the load meanwhile; in a
        # pool that starts together nobody is a newcomer.
        established_s = now_s - fleet.policy.slow_start_s
        if any(w.open and w.ready_since_s <= established_s for w in fleet.workers.values()):
            _begin_ramp(fleet, worker, now_s)
    changes = fleet.registry.report(worker, report)
    worker.take_load(report.load, now_s)
    if before == "suspect":
        fleet.registry.refresh_open_of(worker)
    if worker.standing != before:
        fleet.say_standing(worker, "reported")
    return changes


def told(fleet: AnyFleet, event: LoadTold, now_s: float) -> WorkerRecord | None:
    """A worker told its load alone; the worker, None for one that is not there."""
    worker = fleet.workers.get(event.worker_id)
    if worker is not None:
        heard(fleet, worker, event.load, now_s)
    return worker


def left(fleet: AnyFleet, worker: WorkerRecord) -> Orphans:
    """The link broke. The fleet says so (`gone`) once the orphans are dealt with."""
    fleet.registry.leave(worker)
    worker.quiesced = True
    return list(worker.calls.items())


def gone(fleet: AnyFleet, worker: WorkerRecord) -> None:
    """Tells that a worker has left."""
    fleet.say(StandingChanged(worker.worker_id, "gone", "link closed"))


def quiesced(fleet: AnyFleet, worker_id: str) -> None:
    """No new calls for this worker; what it has may end."""
    worker = fleet.workers.get(worker_id)
    if worker is not None and not worker.quiesced:
        worker.quiesced = True
        fleet.registry.refresh_open_of(worker)
        fleet.say_standing(worker, "asked to drain")


def _usable(weight: float) -> float:
    """What is no weight counts as the normal one."""
    return weight if weight > 0 else 1.0


# --- silence --------------------------------------------------------------------------


def check_silence(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> Orphans:
    """Suspects a worker that has said nothing for too long; returns the calls to rescue from it.

    If more than half of the workers seem silent, the likelier cause is this router itself (it
    was paused, or cut off): then nobody is suspected, and the balancer goes by own knowledge.
    """
    limit_s = fleet.policy.report_age_max_s
    silent_s = now_s - worker.heard_s
    fleet.timers.push(
        max(worker.heard_s + limit_s, now_s + SILENCE_CHECK_S / 2)
        if silent_s <= limit_s
        else now_s + SILENCE_CHECK_S,
        TIMER_SILENCE,
        worker,
    )
    if silent_s <= limit_s and not fleet.balancer.blind:
        return []
    known = fleet.reported()
    silent = sum(now_s - other.heard_s > limit_s for other in known)
    fleet.balancer.blind = silent * 2 > len(known)
    if silent_s <= limit_s or worker.suspect or worker.report is None or fleet.balancer.blind:
        return []
    worker.suspect = True
    fleet.registry.refresh_open_of(worker)
    fleet.say_standing(worker, f"silent for {silent_s:.1f} s")
    return list(worker.calls.items())


def heard(fleet: AnyFleet, worker: WorkerRecord, load: LoadSample, now_s: float) -> None:
    """A worker told its load; a suspect that speaks is none."""
    worker.take_load(load, now_s)
    if worker.suspect:
        worker.suspect = False
        fleet.registry.refresh_open_of(worker)
        fleet.say_standing(worker, "answers again")


def succeeded(
    fleet: AnyFleet, entry: ModelEntry, service_s: float, trip_s: float, now_s: float
) -> None:
    """An answer speaks for its worker.

    Args:
        fleet: Of the worker.
        entry: The model there.
        service_s: Busy seconds charged to the call; 0 when not known.
        trip_s: Seconds since it was sent.
        now_s: Now.
    """
    worker = entry.worker
    worker.answered += 1
    worker.window_ok += 1
    worker.failures_in_a_row = 0
    entry.window_calls += 1
    if service_s > 0:
        alpha = fleet.policy.cost_alpha if entry.measured else 1.0
        entry.cost_s += alpha * (service_s - entry.cost_s)
        entry.measured = True
    fleet.balancer.answered(worker, trip_s, now_s)


# --- slow start -----------------------------------------------------------------------


def _begin_ramp(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> None:
    if fleet.policy.slow_start_s > 0:
        worker.ready_since_s = now_s
        if not worker.ramping:
            worker.ramping = True
            ramp(fleet, worker, now_s)


def _share(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> float:
    """Of its weight, on its way up."""
    policy = fleet.policy
    grown = (now_s - worker.ready_since_s) / policy.slow_start_s
    return min(1.0, max(policy.slow_start_min, grown))


def ramp(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> None:
    """Sets the worker's share on its way up."""
    was = worker.standing
    share = _share(fleet, worker, now_s)
    worker.inverse_share = 1.0 / (worker.weight * share)
    if share < 1.0:
        step_s = max(fleet.policy.slow_start_s / RAMP_STEPS, RAMP_STEP_S_MIN)
        fleet.timers.push(now_s + step_s, TIMER_RAMP, worker)
        return
    worker.ramping = False
    if worker.standing != was:
        fleet.say_standing(worker, "slow start ended")


# --- ejection -------------------------------------------------------------------------


def note_failure(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> None:
    """Counts an infrastructure failure; too many in a row eject."""
    worker.failures_in_a_row += 1
    if failing(worker, fleet.policy):
        _eject(fleet, worker, now_s, f"{worker.failures_in_a_row} failures in a row")


def unanswered(
    fleet: AnyFleet, entry: ModelEntry, call_s: float, sent_s: float, now_s: float
) -> None:
    """A deadline passed at a worker that said nothing of the call.

    It speaks against a worker that had time for it several times over by its own word: one that
    never answers tells that it has nothing to do, and so looks like the best of all. One stall lets
    many calls pass at once, and is one failure: only a call that was sent after the last one counts
    anew.

    Args:
        fleet: Of the worker.
        entry: The model there.
        call_s: Predicted seconds of the call alone.
        sent_s: When it was sent there.
        now_s: Now.
    """
    worker = entry.worker
    had_s = now_s - sent_s
    if sent_s < worker.unanswered_s or had_s < UNANSWERED_TIMES * (worker.backlog_s + call_s):
        return
    worker.unanswered_s = now_s
    worker.window_failed += 1
    note_failure(fleet, worker, now_s)


def close_window(fleet: AnyFleet, now_s: float) -> None:
    """Compares the workers at the end of an observation window."""
    known = fleet.reported()
    for worker in unsuccessful(known, fleet.policy):
        _eject(fleet, worker, now_s, "far fewer successes than the others")
    for worker in slow(known, fleet.policy):
        _eject(fleet, worker, now_s, "far slower than the others")
    for worker in known:
        if worker.open and worker.window_ok > 0 and worker.ejections > 0:
            worker.ejections -= 1
    new_window(known)
    fleet.window_open = bool(fleet.workers)
    if fleet.window_open:
        fleet.timers.push(now_s + fleet.policy.eject_window_s, TIMER_WINDOW, None)


def restore(fleet: AnyFleet, worker: WorkerRecord, now_s: float) -> bool:
    """Ends an ejection whose time is over; the worker's share ramps up again. True if it ended."""
    if worker.ejected_until_s == 0 or now_s < worker.ejected_until_s:
        return False
    worker.ejected_until_s = 0.0
    worker.failures_in_a_row = 0
    worker.slow_windows = 0
    _begin_ramp(fleet, worker, now_s)
    fleet.registry.refresh_open_of(worker)
    fleet.say_standing(worker, "ejection ended")
    return True


def _eject(fleet: AnyFleet, worker: WorkerRecord, now_s: float, cause: str) -> None:
    known = fleet.reported()
    if not worker.open or ejectable(known, fleet.policy) < 1:
        return
    if fleet.registry.needs(worker):
        return
    length_s = eject_s(worker, fleet.policy)
    worker.ejections += 1
    worker.ejected_until_s = now_s + length_s
    fleet.timers.push(worker.ejected_until_s, TIMER_RESTORE, worker)
    fleet.registry.refresh_open_of(worker)
    fleet.say_standing(worker, cause)
