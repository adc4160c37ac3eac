"""What the router's machine remembers, and the elementary moves on it.

Every move keeps the tables consistent; which move to make is decided elsewhere.
"""

from dataclasses import dataclass
from math import hypot
from typing import TYPE_CHECKING

from hasten_policy.admission.gates import GATES
from hasten_policy.admission.host_lag import HostMargin
from hasten_policy.admission.net import NetTime
from hasten_policy.admission.tenants import TenantBuckets
from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.fleet.homes import Homes
from hasten_policy.fleet.models import ModelEntry, ModelView
from hasten_policy.fleet.registry import Registry
from hasten_policy.fleet.retry_budget import RetryBudget
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.ordering.orders import ORDERS
from hasten_policy.reasons import Refusal
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import (
    Refuse,
    Revoke,
    RouterEffect,
    Send,
    StandingChanged,
)
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.router.suspicion import Content, Suspicions
from hasten_policy.timers import Timers

if TYPE_CHECKING:
    from random import Random

WAY_BACK_SHARE_MAX = 0.1
"""At most this share of the time left is kept for the way back."""

TIMER_CALL = 0
TIMER_SILENCE = 1
TIMER_RAMP = 2
TIMER_RESTORE = 3
TIMER_WINDOW = 4
TIMER_HEDGE = 5


@dataclass(slots=True)
class Trial:
    """Calls in flight with one input that a worker may have died of.

    Attributes:
        worker: Where all of them are.
        calls: Their number.
    """

    worker: WorkerRecord
    calls: int = 0


Subject = CallRecord | WorkerRecord | None


class RouterState:
    """Tables of the machine.

    `out` collects the effects of the event being handled, `freed` the workers that may have
    credits for held calls afterwards. `balancer` and `gate` are baselines that take the place of
    the shipped decisions, None where they do not; see `ordering.orders` for the two factors.
    """

    __slots__ = (
        "balancer",
        "blind",
        "calls",
        "due_share",
        "freed",
        "gate",
        "hedges",
        "held_bytes",
        "held_count",
        "held_views",
        "homes",
        "host",
        "net",
        "out",
        "place_s",
        "policy",
        "refused_at_s",
        "registry",
        "retries",
        "rng",
        "suspicions",
        "tenants",
        "timers",
        "trials",
        "window_open",
    )

    def __init__(self, policy: RouterPolicy, rng: "Random") -> None:
        self.policy = policy
        self.rng = rng
        self.registry = Registry(policy)
        self.balancer = BALANCERS.get(policy.fleet.balancer)()
        self.gate = GATES.get(policy.plan.admission)(policy.plan)
        order = ORDERS.get(policy.hold.order)
        self.place_s = order.place_s
        # As `due_s` with a negative share has it: a class comes forward.
        self.due_share = [1.0 - bias for bias in policy.hold.order_bias]
        self.calls: dict[int, CallRecord] = {}
        self.held_views: dict[str, ModelView] = {}
        self.homes = Homes()
        self.host = HostMargin()
        self.held_count = 0
        self.held_bytes = 0
        self.timers: Timers[Subject] = Timers()
        self.net = self._new_net()
        retry = policy.retry
        self.retries = RetryBudget(retry.retry_share, retry.retry_per_s, retry.retry_life_s)
        self.hedges = RetryBudget(retry.hedge_share, 0.0, retry.retry_life_s)
        self.tenants = TenantBuckets(policy.plan.tenant_shares, policy.plan.tenant_burst_s)
        self.suspicions = Suspicions(policy.poison.poison_inputs_max, policy.poison.poison_s)
        self.trials: dict[Content, Trial] = {}
        self.out: list[RouterEffect] = []
        self.freed: list[WorkerRecord] = []
        self.window_open = False
        self.blind = False
        self.refused_at_s = float("-inf")

    # --- attempts ---------------------------------------------------------------------

    def send(self, call: CallRecord, entry: ModelEntry, now_s: float) -> None:
        """Begins an attempt. The worker has a free credit, or the call must go there."""
        worker = entry.worker
        call.met_idle = not worker.queue
        worker.calls[call.call_id] = call
        worker.sends(entry, entry.batch_s(call.rows_for(entry), call.size_for(entry)))
        entry.in_flight += 1
        call.attempts += 1
        call.been |= {worker.worker_id}
        if call.first is None:
            call.first = entry
            call.sent_s = now_s
        else:
            call.second = entry
        if call.alone:
            self._begin_trial(call, worker)
        due_s = self._due_s(call, now_s)
        self.out.append(Send(call.call_id, worker.worker_id, due_s, call.attempts, call.alone))

    def way_s(self, now_s: float) -> float:
        """Seconds of a call that are no worker's: the wire and what the host takes from us. Two
        noises: their squares add up.
        """
        return hypot(self.net.value, self.host.margin_s(now_s))

    def _due_s(self, call: CallRecord, now_s: float) -> float:
        """When the worker must be done: the answer still has to travel back. Were this left
        out, runs would end just in time for nobody.
        """
        left_s = call.deadline_s - now_s
        if left_s == float("inf"):
            return call.deadline_s
        way_s = self.way_s(now_s)
        return call.deadline_s - min(way_s, WAY_BACK_SHARE_MAX * max(0.0, left_s))

    def detach(self, call: CallRecord, entry: ModelEntry) -> None:
        """Ends an attempt; a hedge that is left becomes the first."""
        worker = entry.worker
        worker.calls.pop(call.call_id, None)
        entry.in_flight -= 1
        if self.held_views:
            self.freed.append(worker)
        if call.on_trial:
            self._end_trial(call, worker)
        if call.second is entry:
            call.second = None
        else:
            call.first, call.second = call.second, None

    def _begin_trial(self, call: CallRecord, worker: WorkerRecord) -> None:
        call.on_trial = True
        worker.doubted += 1
        if call.content is not None:
            self.trials.setdefault(call.content, Trial(worker)).calls += 1

    def _end_trial(self, call: CallRecord, worker: WorkerRecord) -> None:
        call.on_trial = False
        worker.doubted -= 1
        if call.content is not None:
            trial = self.trials[call.content]
            trial.calls -= 1
            if not trial.calls:
                del self.trials[call.content]
        if self.held_views:
            # Others waited for this to end, whichever worker they go to.
            self.freed.extend(entry.worker for entry in call.view.open)

    def revoke(self, call: CallRecord, entry: ModelEntry) -> None:
        """Ends an attempt that has not answered, and tells the worker."""
        self.detach(call, entry)
        self.out.append(Revoke(call.call_id, entry.worker.worker_id))

    def disproved(self, call: CallRecord) -> None:
        """A probe was answered in time: what was learned in worse times is worth little."""
        call.view.theta.disproved()
        self.net = self._new_net()

    def _new_net(self) -> NetTime:
        policy = self.policy.plan
        return NetTime(
            start_s=policy.net_start_s,
            s_max=policy.net_s_max,
            calls=policy.net_calls,
            quantile=policy.net_quantile,
        )

    # --- the hold queue ---------------------------------------------------------------

    def hold(self, call: CallRecord) -> None:
        """Puts a call into its view's queue."""
        call.held = True
        call.view.held.push(call)
        self.held_views[call.view.key] = call.view
        self.held_count += 1
        self.held_bytes += call.bytes

    def unhold(self, call: CallRecord) -> None:
        """Takes a call out of its view's queue."""
        call.held = False
        call.view.held.remove(call)
        if not call.view.held:
            self.held_views.pop(call.view.key, None)
        self.held_count -= 1
        self.held_bytes -= call.bytes

    # --- ends -------------------------------------------------------------------------

    def end(self, call: CallRecord, now_s: float, *, missed: bool | None) -> None:
        """Forgets a call; whatever it still occupies is freed.

        Args:
            call: The call.
            now_s: Now.
            missed: Teaches theta; None when the outcome says nothing about prediction.
        """
        if call.held:
            self.unhold(call)
        if not call.attempts:
            self.tenants.charge(call.tenant, -call.cost_s)
        while call.first is not None:
            self.revoke(call, call.first)
        call.ended = True
        del self.calls[call.call_id]
        # A probe was not admitted by theta, so its outcome says nothing of theta's place.
        if missed is not None and not call.probe and call.deadline_s - now_s != float("inf"):
            call.view.theta.learn(call.priority, now_s, missed=missed)

    def refuse(
        self, call: CallRecord, refusal: Refusal, now_s: float, *, missed: bool | None
    ) -> None:
        """Ends a call with a refusal."""
        self.end(call, now_s, missed=missed)
        self.out.append(Refuse(call.call_id, refusal))

    # --- workers ----------------------------------------------------------------------

    def say_standing(self, worker: WorkerRecord, cause: str) -> None:
        """Tells the shell how the worker stands now."""
        self.out.append(StandingChanged(worker.worker_id, worker.standing, cause))

    def cares(self, kind: int, subject: Subject) -> bool:
        """Whether a timer's subject is still there."""
        if isinstance(subject, CallRecord):
            return not subject.ended
        if isinstance(subject, WorkerRecord):
            return self.registry.workers.get(subject.worker_id) is subject
        return kind == TIMER_WINDOW
