"""What the router's machine remembers, each part with an owner, and how calls end."""

from hasten_policy.admission.calibration import Thetas
from hasten_policy.admission.gate import Surroundings
from hasten_policy.admission.gates import GATES
from hasten_policy.admission.tenants import TenantBuckets
from hasten_policy.admission.views import AskedView
from hasten_policy.admission.way import Way
from hasten_policy.chance import Chance
from hasten_policy.fleet.registry import Registry
from hasten_policy.fleet.retry_budget import RetryBudget
from hasten_policy.fleet.state import TIMER_WINDOW, Fleet
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.ordering.orders import ORDERS
from hasten_policy.reasons import Refusal
from hasten_policy.router.attempts import Attempts
from hasten_policy.router.bars import Bars
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import Refuse, RouterEffect
from hasten_policy.router.hold import INFINITY, HoldDesk
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.router.suspicion import Suspicions
from hasten_policy.timers import Timers

TIMER_CALL = 10
TIMER_HEDGE = 11
"""Kinds of timers, beside those of the fleet."""


class RouterState:
    """Owners of all that the machine knows.

    Args:
        policy: Parameters.
        rng: Source of random choices.

    Attributes:
        out: Collects the effects of the event being handled; always the same list.
        timers: Of calls and of the fleet.
        bars: What the front may refuse by itself.
        calls: Open calls by number.
        fleet: The workers.
        gate: What may come in.
        way: Time that is no worker's.
        thetas: Calibrations by model.
        hold: Calls that wait.
        attempts: Calls at workers.
        retries: Budget of further attempts.
        hedges: Budget of second attempts beside the first.
        tenants: What tenants may still use.
        suspicions: Inputs that workers may have died of.
        refused_at_s: When the gate last refused a call.
    """

    __slots__ = (
        "attempts",
        "bars",
        "calls",
        "fleet",
        "gate",
        "hedges",
        "hold",
        "out",
        "policy",
        "refused_at_s",
        "retries",
        "rng",
        "suspicions",
        "tenants",
        "thetas",
        "timers",
        "way",
    )

    def __init__(self, policy: RouterPolicy, rng: Chance) -> None:
        self.policy = policy
        self.rng = rng
        self.out: list[RouterEffect] = []
        self.timers: Timers[object] = Timers()
        self.calls: dict[int, CallRecord] = {}
        self.thetas = Thetas(policy.plan)
        new_queue = ORDERS.get(policy.hold.order).queue
        registry: Registry[AskedView[CallRecord]] = Registry(
            policy.fleet,
            lambda key, model: AskedView(key, self.thetas.of(model), new_queue()),
            policy.hold.hold_calls_max,
            overlooks_guests=True,
        )
        self.fleet = Fleet(policy.fleet, registry, self.timers, self.out.append)
        self.way = Way(policy.plan)
        around = Surroundings(policy.plan, self.way, self.fleet.balancer, rng)
        self.gate = GATES.get(policy.plan.admission)(around)
        self.hold = HoldDesk(policy.hold)
        self.attempts = Attempts(self.way, self.hold, self.out)
        self.bars = Bars(self.out)
        retry = policy.retry
        self.retries = RetryBudget(retry.retry_share, retry.retry_per_s, retry.retry_life_s)
        self.hedges = RetryBudget(retry.hedge_share, 0.0, retry.retry_life_s)
        self.tenants = TenantBuckets(policy.plan.tenant_shares, policy.plan.tenant_burst_s)
        self.suspicions = Suspicions(policy.poison.poison_inputs_max, policy.poison.poison_s)
        self.refused_at_s = -INFINITY

    def end(self, call: CallRecord, now_s: float, *, missed: bool | None) -> None:
        """Forgets a call; whatever it still occupies is freed.

        Args:
            call: The call.
            now_s: Now.
            missed: Teaches theta; None when the outcome says nothing about prediction.
        """
        if call.held:
            self.hold.remove(call)
        if not call.attempts:
            self.tenants.charge(call.tenant, -call.cost_s)
        while call.first is not None:
            self.attempts.revoke(call, call.first)
        call.ended = True
        del self.calls[call.call_id]
        # A probe was not admitted by theta, so its outcome says nothing of theta's place.
        if missed is not None and not call.probe and call.deadline_s - now_s != INFINITY:
            call.view.theta.learn(call.priority, now_s, missed=missed)

    def refuse(
        self, call: CallRecord, refusal: Refusal, now_s: float, *, missed: bool | None
    ) -> None:
        """Ends a call with a refusal."""
        self.end(call, now_s, missed=missed)
        self.out.append(Refuse(call.call_id, refusal))

    def cares(self, kind: int, subject: object) -> bool:
        """Whether a timer's subject is still there."""
        if isinstance(subject, CallRecord):
            return not subject.ended
        if isinstance(subject, WorkerRecord):
            return self.fleet.workers.get(subject.worker_id) is subject
        return kind == TIMER_WINDOW
