"""May this call come in? Predicted finish against theta times its slack."""

from math import inf
from typing import Final

from hasten_policy.admission.gate import Asking, Crowded, Gate, Surroundings
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.reasons import Reason, Refusal

PROTECTED_MAX: Final = 64
"""Most held calls that are looked at before one is let in ahead of them."""


class Plan(Gate):
    """Lets in what should be done in time: the shipped gate.

    Args:
        around: What it may look at.
    """

    __slots__ = ("_balancer", "_crowded", "_rng", "_way")

    def __init__(self, around: Surroundings) -> None:
        self._way = around.way
        self._balancer = around.balancer
        self._rng = around.rng
        self._crowded: Crowded | None = None

    def judge(
        self, call: Asking, entry: ModelEntry | None, left_s: float, held: int, now_s: float
    ) -> ModelEntry | Refusal | None:
        """As `Gate.judge`."""
        del held
        if left_s == inf:
            return entry
        way_s = self._way.seconds(now_s)
        allowed_s = call.view.theta.of(call.priority) * left_s - way_s
        if entry is not None:
            need_s = entry.finish_of_s(now_s, call.rows, call.elements)
            if need_s > allowed_s and not (call.affinity or call.alone):
                # The first choice is too slow for this one: is any other fast enough?
                need_s, entry = self._balancer.faster(
                    call.view, entry, need_s, call.rows, call.elements, now_s
                )
        else:
            need_s = _finish_from_hold_s(call, now_s)
        late = need_s > allowed_s or (
            entry is None and _breaks_a_promise(call, need_s, way_s, now_s)
        )
        return self._refused(call, entry, need_s, left_s, now_s) if late else entry

    def crowded(self) -> Crowded | None:
        """As `Gate.crowded`."""
        return self._crowded

    def _refused(
        self, call: Asking, entry: ModelEntry | None, need_s: float, left_s: float, now_s: float
    ) -> ModelEntry | Refusal:
        """The refusal of a call that should be late, or an idle worker that may try it."""
        self._crowded = None
        idle = _idle(call, entry)
        if idle is None:
            return self._overloaded(call, need_s, left_s, now_s)
        rows = idle.rows_there(call.rows)
        expected = idle.call_s(call.rows, call.elements) > left_s
        shown_s = idle.evidence.too_long_s(rows, call.elements, left_s, now_s, expected=expected)
        if shown_s:
            return infeasible(left_s, shown_s)
        call.probe = True
        return idle

    def _overloaded(self, call: Asking, need_s: float, left_s: float, now_s: float) -> Refusal:
        theta = call.view.theta.of(call.priority)
        net_s = self._way.seconds(now_s)
        wait_s = max(0.0, need_s + net_s - theta * left_s) * self._rng.uniform(1.0, 1.5)
        retry_left_s = wait_s + call.view.best_s + net_s
        fits = retry_left_s <= left_s
        if not (call.affinity or call.alone):
            self._crowded = Crowded((need_s + net_s) / theta, wait_s, retry_left_s)
        return Refusal(
            Reason.OVERLOADED,
            f"would be done in {(need_s + net_s) * 1e3:.1f} ms, {left_s * 1e3:.1f} ms are left",
            wait_s if fits else None,
            metadata=(("predicted_ms", f"{(need_s + net_s) * 1e3:.3f}"), ("theta", f"{theta:.3f}")),
        )


def _idle(call: Asking, entry: ModelEntry | None) -> ModelEntry | None:
    """A worker that has nothing to do and may get the call: it refuses on evidence alone, as what
    is predicted is never put right where it lets nothing run.
    """
    if call.affinity or call.alone:
        return entry if entry is not None and not entry.worker.queue else None
    return call.view.idle()


def _finish_from_hold_s(call: Asking, now_s: float) -> float:
    """Predicted seconds until a held call would be done: the work on the workers it is at home on,
    the held work that goes first, and the batch that the call will be part of.

    Other routers hold work for the same workers. As every router gets a fair sample of the calls,
    theirs is taken to stand to ours as their calls on the workers to our calls there.
    """
    view = call.view
    entries = view.homes or view.open
    lanes = sum(entry.home for entry in entries) or view.lanes
    busy_s = 0.0
    own_s = 0.0
    crowd = 0.0
    for entry in entries:
        worker = entry.worker
        backlog_s = worker.backlog_s - (now_s - worker.load_at_s)
        unseen = worker.sent - worker.received
        if backlog_s > 0:
            busy_s += backlog_s
        if unseen > 0:
            busy_s += unseen * entry.cost_s / worker.lanes
        rows = max(entry.rows_there(call.rows), min(entry.target_rows, (worker.window + 1) // 2))
        own_s += entry.batch_s(rows, entry.size_there(call.rows, call.elements))
        calls = len(worker.calls)
        # Without others, what is there beside our calls are those that we have just taken back.
        crowded = calls and worker.others_per_s > 0.0
        # Tasks that wait there go after all of them.
        guests = worker.load.waiting_batch if worker.load is not None else 0
        crowd += max(calls, worker.queue - guests) / calls if crowded else 1.0
    count = len(entries)
    slowness = max(crowd / count / lanes, view.outflow.of_work)
    ahead_s = slowness * view.held.ahead_s(call.order_s)
    return ahead_s + (busy_s + own_s) / count


def _breaks_a_promise(call: Asking, need_s: float, way_s: float, now_s: float) -> bool:
    """Whether the call would push a held one behind it past its deadline.

    Only equally or more urgent ones are protected: otherwise raising the priority of a request
    could turn its admission into a refusal.
    """
    view = call.view
    shift_s = view.open[0].cost_s / view.lanes
    finish_s = now_s + need_s + way_s + shift_s
    for held in view.held.following(call.order_s, PROTECTED_MAX):
        late = finish_s > held.deadline_s
        if late and finish_s - shift_s <= held.deadline_s and held.priority <= call.priority:
            return True
        finish_s += held.cost_s / view.lanes
    return False


def infeasible(left_s: float, least_s: float) -> Refusal:
    """The refusal of a call that no worker can answer in time.

    Args:
        left_s: Seconds until its deadline.
        least_s: The least that it takes.
    """
    if left_s != left_s:  # noqa: PLR0124  (only NaN differs from itself; math is not needed)
        return Refusal(Reason.INVALID_DEADLINE, "the deadline is not a number")
    least_ms = least_s * 1e3
    return Refusal(
        Reason.DEADLINE_INFEASIBLE,
        f"{left_s * 1e3:.1f} ms are left, and even an idle worker needs {least_ms:.1f} ms",
        metadata=(("min_ms", f"{least_ms:.3f}"),),
    )
