"""Policy values to the messages of `hasten.autoscaler.v1`, and back."""

from collections.abc import Sequence
from math import inf
from typing import Final

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten_policy.autoscaler.policy import ACT, ADVISE, HOLD
from hasten_policy.autoscaler.views import MemberView, PoolView
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.sight import Because
from hasten_policy.scaling.verdict import Verdict
from hasten_policy.scaling.whatif import Standing
from hasten_policy.scaling.words import sentence

MODES: Final = {ADVISE: pb.MODE_ADVISE, ACT: pb.MODE_ACT, HOLD: pb.MODE_HOLD}
WINDOW_S: Final = 60.0
RATE_PER_S_MAX: Final = 1e9


def bounds_to_wire(bounds: Bounds) -> pb.Bounds:
    """Bounds as they travel."""
    return pb.Bounds(
        workers_min=bounds.workers_min,
        workers_max=bounds.workers_max,
        price_per_h=bounds.price_per_h,
        budget_per_h=bounds.budget_per_h,
    )


def bounds_from_wire(message: pb.Bounds) -> Bounds:
    """Raises ValueError for bounds that contradict themselves."""
    return Bounds(
        message.workers_min, message.workers_max, message.price_per_h, message.budget_per_h
    )


def because_to_wire(because: Because) -> pb.Because:
    """A reason, with its sentence."""
    return pb.Because(
        kind=because.kind,
        workers=max(0, because.workers),
        facts=dict(because.facts),
        sentence=sentence(because),
    )


def because_from_wire(message: pb.Because) -> Because:
    """A reason as the policies have it."""
    return Because(message.kind, message.workers, tuple(sorted(message.facts.items())))


def verdict_to_wire(verdict: Verdict) -> pb.Verdict:
    """What came of a decision."""
    message = pb.Verdict(
        after_s=verdict.after_s,
        load=verdict.load,
        enough=verdict.enough,
        ready=verdict.ready,
        calls=verdict.calls,
        refused=verdict.refused,
        late=verdict.late,
    )
    if verdict.forecast is not None:
        message.forecast = verdict.forecast
    return message


def standing_of(view: PoolView) -> Standing:
    """What of a pool `what_if` starts from."""
    sight = view.sight
    counts = sight.within(WINDOW_S)
    known = counts.load_s > 0.0
    rate_per_s = (counts.calls - counts.unprofiled) / counts.load_s if known else 1.0
    return Standing(
        load=sight.load(WINDOW_S),
        rate_per_s=min(RATE_PER_S_MAX, max(rate_per_s, 1e-9)),
        lanes=sight.lanes,
        slack_s=sight.slack_s,
        queued=sight.queued,
    )


def standing_to_wire(standing: Standing) -> pb.Standing:
    """The facts as they travel: no deadline is 0."""
    return pb.Standing(
        load=standing.load,
        rate_per_s=standing.rate_per_s,
        lanes=standing.lanes,
        slack_s=standing.slack_s if standing.slack_s < inf else 0.0,
        queued=standing.queued,
    )


def standing_from_wire(message: pb.Standing) -> Standing:
    """The facts as the policies have them."""
    return Standing(
        message.load,
        max(message.rate_per_s, 1e-9),
        max(1, message.lanes),
        message.slack_s or inf,
        message.queued,
    )


def fill_in(plan: pb.GetPlanResponse, view: PoolView) -> None:
    """What a plan says of a pool."""
    sight = view.sight
    counts = sight.within(WINDOW_S)
    plan.mode = MODES[view.mode]
    plan.bounds.CopyFrom(bounds_to_wire(view.bounds))
    plan.desired = view.desired or 0
    plan.ready, plan.starting = sight.ready, sight.starting
    plan.draining = sum(member.stage == "draining" for member in view.members)
    plan.load = sight.load(WINDOW_S)
    plan.calls_per_s = counts.calls / WINDOW_S
    plan.refused_share = counts.refused / counts.calls if counts.calls else 0.0
    plan.late_share = counts.late / counts.calls if counts.calls else 0.0
    plan.queued, plan.lead_s = sight.queued, sight.lead_s
    plan.standing.CopyFrom(standing_to_wire(standing_of(view)))
    plan.workers.extend(_members(view.members))


def _members(members: Sequence[MemberView]) -> list[pb.PoolWorker]:
    return [
        pb.PoolWorker(
            worker_id=member.worker_id,
            stage=member.stage,
            pool=member.pool,
            since_s=member.since_s,
            busy=member.load.busy if member.load is not None else 0.0,
            calls=member.load.running + member.load.waiting if member.load is not None else 0,
        )
        for member in sorted(members, key=lambda member: member.worker_id)
    ]
