"""What the scheduler's machine remembers, each part with an owner."""

from typing import TYPE_CHECKING, Final

from hasten_policy.chance import Chance
from hasten_policy.fleet.events import StandingChanged
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.registry import Registry
from hasten_policy.fleet.retry_budget import RetryBudget
from hasten_policy.fleet.state import TIMER_WINDOW, Fleet
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.prediction.quantile_tracker import QuantileTracker
from hasten_policy.scheduler.attempts import Attempt, Attempts
from hasten_policy.scheduler.desks import Desk
from hasten_policy.scheduler.keys import Keys
from hasten_policy.scheduler.lanes import LaneWindow, ShardLanes
from hasten_policy.scheduler.orders import TASK_ORDERS
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.reservations import Reservations
from hasten_policy.scheduler.slack import Slack
from hasten_policy.scheduler.tasks import Lane
from hasten_policy.scheduler.tenants import Tenants
from hasten_policy.timers import Timers

if TYPE_CHECKING:
    from hasten_policy.scheduler.events import SchedulerEffect

TIMER_ATTEMPT: Final = 10
TIMER_EXPIRY: Final = 11
TIMER_READ: Final = 12
TIMER_POLL: Final = 13
TIMER_PACE: Final = 14
"""Kinds of timers, beside those of the fleet."""

CLAIM_S_AT_FIRST: Final = 0.001
CLAIM_QUANTILE: Final = 0.9
"""Most claims take no longer than what is reckoned with."""
CALLS_MAX: Final = 64
"""Attempts at one worker without late binding."""


class SchedulerState:
    """Owners of all that the machine knows.

    Args:
        policy: Parameters.
        rng: Source of random choices.

    Attributes:
        out: Collects the effects of the event being handled; always the same list.
        timers: Of attempts, lanes, shards and of the fleet.
        fleet: The workers.
        shards: Those that this process owns, by number.
        desks: Lanes by what they ask for.
        tenants: Who pays.
        keys: Concurrency keys of running tasks.
        claim_s: How long most claims take, from the pick to the store's word.
        slack: What tasks may take of workers.
        reservations: What hard schedules have reserved of workers.
        attempts: Tasks at workers, or about to be.
        retries: Budget of further attempts.
        pauses: (tenant, model) of what is paused, None for all.
        asks: Lanes to be read after the present event, by shard.
        freed: Workers that may have room, or have none any more, after the present event.
        roomy: Workers that have room, by name.
        stuck: Desks that have lanes of which no task can go to a worker with room.
    """

    __slots__ = (
        "_lanes",
        "asks",
        "attempts",
        "claim_s",
        "desks",
        "fleet",
        "freed",
        "keys",
        "out",
        "pauses",
        "policy",
        "reservations",
        "retries",
        "rng",
        "roomy",
        "shards",
        "slack",
        "stuck",
        "tenants",
        "timers",
    )

    def __init__(self, policy: SchedulerPolicy, rng: Chance) -> None:
        self.policy = policy
        self.rng = rng
        self.out: list[SchedulerEffect] = []
        self.timers: Timers[object] = Timers()
        registry: Registry[ModelView] = Registry(
            policy.fleet, lambda key, _: ModelView(key), CALLS_MAX
        )
        self.fleet = Fleet(policy.fleet, registry, self.timers, self._stands)
        self.shards: dict[int, ShardLanes] = {}
        self.desks: dict[str, Desk] = {}
        strict = TASK_ORDERS.get(policy.ordering.order).strict
        self.tenants = Tenants(policy.tenants, strict=strict)
        self.keys = Keys()
        self.claim_s = QuantileTracker(CLAIM_S_AT_FIRST, CLAIM_QUANTILE)
        self.slack = Slack(policy.slack)
        self.reservations = Reservations(policy.reserve)
        again = policy.again
        self.freed: dict[WorkerRecord, None] = {}
        self.roomy: dict[str, WorkerRecord] = {}
        self.stuck: dict[Desk, None] = {}
        self.attempts = Attempts(self.slack, self.keys, again.way_back_s, self.out, self.freed)
        self.retries = RetryBudget(again.retry_share, again.retry_per_s, again.retry_life_s)
        self.pauses: dict[tuple[str | None, str | None], None] = {}
        self.asks: dict[int, dict[Lane, None]] = {}
        self._lanes = 0

    # --- lanes ------------------------------------------------------------------------

    def lane(self, shard: ShardLanes, name: Lane) -> LaneWindow:
        """The lane of a shard, new when nothing is known of it."""
        lane = shard.lanes.get(name)
        if lane is None:
            desk = self.desks.get(name.model)
            if desk is None:
                desk = self.desks[name.model] = Desk(name.model)
            desk.lanes += 1
            self._lanes += 1
            tenant = self.tenants.enter(name.tenant)
            lane = shard.lanes[name] = LaneWindow(shard, name, self._lanes, desk, tenant)
            lane.paused = bool(self.pauses) and self.is_paused(name)
        return lane

    def forget(self, lane: LaneWindow) -> None:
        """Nothing is known of the lane any more."""
        del lane.shard.lanes[lane.lane]
        lane.heads.clear()
        lane.unpark_all()
        lane.desk.stuck.pop(lane, None)
        lane.desk.settle(lane)
        lane.desk.lanes -= 1
        if not lane.desk.lanes:
            del self.desks[lane.desk.model]
            self.stuck.pop(lane.desk, None)
        lane.tenant.known -= 1

    def knows(self, lane: LaneWindow) -> bool:
        """The lane has not been forgotten."""
        return lane.shard.lanes.get(lane.lane) is lane

    def is_paused(self, name: Lane) -> bool:
        """Nothing of the lane may run."""
        tenant, model = name.tenant, name.model
        if {(None, None), (tenant, None), (None, model), (tenant, model)} & self.pauses.keys():
            return True
        # A pause of a model is one of all its versions.
        plain, slash, _ = model.partition("/")
        return bool(slash) and bool({(None, plain), (tenant, plain)} & self.pauses.keys())

    # --- workers ----------------------------------------------------------------------

    def view(self, desk: Desk) -> ModelView | None:
        """The workers that have what its lanes ask for."""
        return self.fleet.registry.views.get(desk.model)

    def look_again(self, now_s: float) -> bool:
        """Finds out which of the freed workers have room; True when it is not as it was."""
        changed = False
        for worker in self.freed:
            had = worker.worker_id in self.roomy
            if worker.open and self.has_room(worker, now_s):
                self.roomy[worker.worker_id] = worker
                changed = True
            elif had:
                del self.roomy[worker.worker_id]
                changed = True
        self.freed.clear()
        return changed

    def has_room(self, worker: WorkerRecord, now_s: float) -> bool:
        """Whether one more attempt may go there; looks again when its pace allows the next one."""
        if self.slack.has_room(worker, now_s):
            return True
        due_s = self.slack.next_s(worker, now_s)
        if due_s is not None:
            self.timers.push(due_s, TIMER_PACE, worker)
        return False

    def is_quiet(self, worker: WorkerRecord, now_s: float) -> bool:
        """A worker has attempts and should have said something by now."""
        if not worker.calls:
            return False
        first = self.attempts.open[next(iter(worker.calls))]
        return first.sent and self.slack.is_quiet(worker, first.sent_s, now_s)

    def _stands(self, change: StandingChanged) -> None:
        self.out.append(change)
        worker = self.fleet.workers.get(change.worker_id)
        if worker is not None:
            self.freed[worker] = None

    def end(self, attempt: Attempt) -> None:
        """Forgets an attempt; whatever it still occupies is freed."""
        for lane in self.attempts.end(attempt):
            lane.desk.settle(lane)

    # --- timers -----------------------------------------------------------------------

    def cares(self, kind: int, subject: object) -> bool:
        """Whether a timer's subject is still there."""
        if isinstance(subject, Attempt):
            return not subject.ended
        if isinstance(subject, LaneWindow):
            return self.knows(subject)
        if isinstance(subject, ShardLanes):
            return self.shards.get(subject.number) is subject
        if isinstance(subject, WorkerRecord):
            return self.fleet.workers.get(subject.worker_id) is subject
        return kind == TIMER_WINDOW
