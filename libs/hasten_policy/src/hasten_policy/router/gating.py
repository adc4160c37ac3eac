"""Where a baseline of admission meets the router's calls (see `hasten_policy.admission.gate`)."""

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import Refuse
from hasten_policy.router.state import RouterState

RETRY_S = 0.1
"""A gate cannot say when there will be room."""


def turned_away(state: RouterState, call: CallRecord, now_s: float, *, waits: bool) -> bool:
    """Whether the gate refuses a new call; `waits` says that no worker has a credit for it."""
    gate = state.gate
    if gate is None:
        return False
    why = gate.judge(call, state.held_count, now_s)
    if why:
        state.refused_at_s = now_s
        state.out.append(Refuse(call.call_id, _overloaded(why)))
        return True
    if not waits:
        gate.drops(0.0, now_s)
    return False


def dropped(state: RouterState, call: CallRecord, now_s: float) -> bool:
    """Whether the gate drops a held call whose turn has come."""
    if state.gate is None or not state.gate.drops(now_s - call.arrived_s, now_s):
        return False
    waited_ms = (now_s - call.arrived_s) * 1e3
    refusal = _overloaded(f"dropped after {waited_ms:.1f} ms in a queue that does not empty")
    state.refuse(call, refusal, now_s, missed=None)
    return True


def _overloaded(why: str) -> Refusal:
    return Refusal(Reason.OVERLOADED, why, RETRY_S)
