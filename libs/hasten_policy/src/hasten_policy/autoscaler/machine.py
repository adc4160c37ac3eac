"""The autoscaler's machine: how many workers one pool should have, who starts and who leaves."""

from math import inf

from hasten_policy.autoscaler.events import (
    AutoscalerEffect,
    AutoscalerEvent,
    BacklogTold,
    BoundsSet,
    CheckpointRestored,
    DemandTold,
    Desired,
    DrainWorker,
    ForecastGiven,
    Hold,
    Ignored,
    LoadTold,
    ModeSet,
    PolicySet,
    PoolsSet,
    ProfileTold,
    StartRefused,
    StartWorkers,
    TellerLeft,
    WakeAt,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.hearing import Hearing, load_wrong
from hasten_policy.autoscaler.kept import Kept, kept_of, text_of
from hasten_policy.autoscaler.members import Loads, Members, Stage
from hasten_policy.autoscaler.policy import ACT, ADVISE, HOLD, MODES, AutoscalerPolicy
from hasten_policy.autoscaler.pools import Pools
from hasten_policy.autoscaler.views import MemberView, PoolView
from hasten_policy.scaling.backlog import workers_for
from hasten_policy.scaling.leaving import who_leaves
from hasten_policy.scaling.limits import Bounds, Limits
from hasten_policy.scaling.rules.table import SCALING_RULES
from hasten_policy.scaling.sight import (
    Because,
    Forecast,
    Learner,
    Rule,
    Sight,
    Watchful,
    Wish,
)


class AutoscalerMachine:
    """Decides for one pool. Bounds, budget and limits come last, on every path.

    Args:
        policy: Parameters.
        bounds: Of the pool; None until they are told.
    """

    def __init__(self, policy: AutoscalerPolicy, bounds: Bounds | None = None) -> None:
        self._policy = policy
        self._bounds = bounds or Bounds()
        self._mode = ACT
        self._rule = _rule(policy)
        self._limits = Limits(policy.limits)
        self._members = Members(policy)
        self._hearing = Hearing()
        self._forecast: Forecast | None = None
        self._desired: int | None = None
        self._restored = 0
        self._begun_s = inf
        self._pools = Pools()
        self._no_starts_until_s = -inf
        self._watched_s = -inf
        self._effects: list[AutoscalerEffect] = []

    def on(self, event: AutoscalerEvent, *, now_s: float) -> list[AutoscalerEffect]:
        """Handles one event; `now_s` never goes back.

        Returns:
            What is to be done, in order.
        """
        effects: list[AutoscalerEffect] = []
        self._effects = effects
        match event:
            case DemandTold():
                self._demand(event, now_s)
            case BacklogTold():
                self._backlog(event, now_s)
            case TellerLeft():
                self._hearing.left(event.teller_id)
            case LoadTold():
                self._load(event, now_s)
            case ProfileTold():
                self._hearing.profiles.told(event.model, event.profile)
            case Woke():
                self._tick(now_s)
            case ForecastGiven():
                self._forecasted(event, now_s)
            case PolicySet():
                self._governed_by(event.policy, now_s)
            case BoundsSet() | PoolsSet() | ModeSet() | CheckpointRestored():
                self._operated(event, now_s)
            case _:
                self._worker(event, now_s)
        return effects

    # --- what is told -------------------------------------------------------------------

    def _demand(self, event: DemandTold, now_s: float) -> None:
        ready = self._members.count(Stage.READY)
        ignored = self._hearing.told(event, now_s, ready)
        if ignored is not None:
            self._effects.append(ignored)
        elif self._desired == 0 and any(each.calls for each in event.models):
            # The first call after a time without any: it waits, or is refused, until there is one.
            self._tick(now_s)
        elif self._desired and now_s - self._watched_s >= self._policy.watch_s:
            self._watch(now_s, self._desired)

    def _watch(self, now_s: float, desired: int) -> None:
        """Decides before the next tick where the rule is alarmed by what was told."""
        self._watched_s = now_s
        loads = self._members.loads(now_s)
        if loads is None or not isinstance(self._rule, Watchful):
            return
        if self._rule.alarmed(self._sight(now_s, desired, loads)):
            self._tick(now_s)

    def _backlog(self, event: BacklogTold, now_s: float) -> None:
        ignored = self._hearing.backlog_told(event, now_s)
        if ignored is not None:
            self._effects.append(ignored)
        elif self._desired == 0 and any(not each.start_in_s for each in event.work):
            self._tick(now_s)

    def _load(self, event: LoadTold, now_s: float) -> None:
        wrong = load_wrong(event)
        if not wrong and not self._members.told(event, now_s):
            wrong = "it is not known to serve"
        if wrong:
            self._effects.append(Ignored(event.worker_id, wrong))

    def _forecasted(self, event: ForecastGiven, now_s: float) -> None:
        values = (event.load, event.upper, event.good_for_s)
        if all(0.0 <= value < inf for value in values):
            self._forecast = Forecast(now_s + event.good_for_s, event.load, event.upper)
        else:
            self._effects.append(Ignored("forecast", "it is not a number of workers"))

    def _governed_by(self, policy: AutoscalerPolicy, now_s: float) -> None:
        self._policy = policy
        self._rule = _rule(policy)
        self._limits = Limits(policy.limits)
        self._members.governed_by(policy)
        self._begun_s = now_s
        self._tick(now_s)

    def _operated(
        self, event: BoundsSet | PoolsSet | ModeSet | CheckpointRestored, now_s: float
    ) -> None:
        match event:
            case PoolsSet():
                self._pools.told(event.offers)
            case BoundsSet():
                self._bounds = event.bounds
            case ModeSet():
                self._mode = event.mode if event.mode in MODES else HOLD
            case CheckpointRestored():
                self._restore(event.text)
        # Before the first Woke nobody has been told of yet: it would be a pool of none.
        if self._begun_s < inf:
            self._tick(now_s)

    def _restore(self, text: str) -> None:
        kept = kept_of(text)
        self._restored = kept.desired
        self._members.restore(kept.took)
        if kept.rule == self._policy.rule and isinstance(self._rule, Learner):
            self._rule.restore(kept.learnt)

    def checkpoint(self) -> str:
        """What the next machine goes on with: the number, how long starts take, what was learnt."""
        learnt = self._rule.kept() if isinstance(self._rule, Learner) else {}
        return text_of(Kept(self._policy.rule, self._desired or 0, self._members.kept(), learnt))

    def view(self, now_s: float) -> PoolView:
        """What it knows and has decided, for people."""
        loads = self._members.loads(now_s)
        sight = self._sight(now_s, self._desired or 0, loads or Loads())
        return PoolView(
            mode=self._mode,
            rule=self._policy.rule,
            desired=self._desired,
            bounds=self._bounds,
            sight=sight,
            blind=loads is None or not self._hearing.fresh(now_s, self._policy.stale_s),
            waits_to_start_s=self._pools.waits_s(now_s),
            members=tuple(
                MemberView(
                    worker_id,
                    member.stage.value,
                    now_s - member.since_s,
                    member.load,
                    member.pool,
                )
                for worker_id, member in self._members.all().items()
            ),
        )

    def _worker(
        self, event: WorkerStarting | WorkerReady | WorkerLeft | StartRefused, now_s: float
    ) -> None:
        match event:
            case WorkerStarting():
                self._members.starting(event.worker_id, now_s, event.pool)
            case WorkerReady():
                self._members.ready(event.worker_id, now_s, event.took_s, event.pool)
            case StartRefused():
                self._members.refused(event.count, event.pool)
                self._pools.shut(event.pool, now_s + self._policy.start_again_s)
                # Another pool may have what this one refuses.
                self._start(now_s)
            case WorkerLeft():
                member = self._members.left(event.worker_id)
                if member is not None and member.stage is Stage.STARTING:
                    # It ended before it served: the next one may do so too.
                    self._pools.shut(member.pool, now_s + self._policy.start_again_s)
                # One that was lost is replaced at once, not at the next tick.
                self._start(now_s)

    # --- a decision ---------------------------------------------------------------------

    def _tick(self, now_s: float) -> None:
        self._begun_s = min(self._begun_s, now_s)
        for worker_id in self._members.overdue(now_s) if self._mode != ADVISE else ():
            pool = self._members.all()[worker_id].pool
            self._pools.failed(pool, now_s + self._policy.start_again_s)
            self._drain(worker_id, "overdue", now_s)
        if self._desired is None:
            # It begins with what it finds, or with what was decided before: the number does not
            # jump, and who is there stays.
            self._desired = self._within_bounds(max(self._restored, self._members.present))
        wish = self._wish(now_s, self._desired)
        wanted = wish.workers
        held = self._held(now_s, wanted, self._desired)
        if held:
            self._effects.append(Hold(held))
            wanted = self._desired
        bounds = self._pools.within(self._bounds)
        self._desired, reached = self._limits.apply(now_s, self._desired, wanted, bounds)
        reached += self._start(now_s)
        self._leave(now_s)
        reasons = (*wish.reasons, *((Because(held, wanted),) if held else ()), *reached)
        self._tell(self._desired, reasons)
        self._effects.append(WakeAt(now_s + self._policy.period_s))

    def _wish(self, now_s: float, desired: int) -> Wish:
        """What the rule wants; the number as it is where nothing is known."""
        loads = self._members.loads(now_s)
        if loads is None or not self._hearing.fresh(now_s, self._policy.stale_s):
            return Wish(desired, (Because("no_metrics", desired),))
        return self._rule.wish(self._sight(now_s, desired, loads))

    def _held(self, now_s: float, wanted: int, desired: int) -> str:
        """Why the number stays as it is; nothing where it may change."""
        if self._mode == HOLD:
            return "operator"
        stale_s = self._policy.stale_s
        if not self._hearing.fresh(now_s, stale_s) or self._members.loads(now_s) is None:
            return "no_metrics"
        silent = self._hearing.silent(now_s, stale_s)
        if wanted >= desired:
            return ""
        if silent:
            return "router_silent"
        just_begun = now_s - self._begun_s < self._policy.no_scale_in_s
        return "just_begun" if just_begun else ""

    def _sight(self, now_s: float, desired: int, loads: Loads) -> Sight:
        hearing, policy = self._hearing, self._policy
        forecast = self._forecast
        ready = self._members.count(Stage.READY)
        lead_s = self._members.start_s() + policy.period_s
        work = hearing.work(now_s, policy.stale_s, ready)
        if forecast is not None and now_s > forecast.until_s:
            forecast = None
        return Sight(
            now_s=now_s,
            period_s=policy.period_s,
            desired=desired,
            ready=ready,
            starting=self._members.count(Stage.STARTING),
            lead_s=lead_s,
            demand=hearing.demand,
            running=loads.running,
            waiting=loads.waiting + sum(hearing.waiting.values()),
            backlog_s=loads.backlog_s,
            queued=workers_for(work, lead_s),
            busy=loads.busy,
            memory=loads.memory,
            lanes=hearing.profiles.lanes(),
            slack_s=hearing.profiles.slack_s(),
            forecast=forecast,
        )

    def _within_bounds(self, workers: int) -> int:
        return max(self._bounds.workers_min, min(self._pools.within(self._bounds).most, workers))

    # --- carrying it out ----------------------------------------------------------------

    def _start(self, now_s: float) -> list[Because]:
        """Starts what is missing, as many at once as may start, where it can be had; what keeps the
        others.
        """
        if self._desired is None or self._mode == ADVISE:
            return []
        policy = self._policy
        room = policy.starting_max - self._members.count(Stage.STARTING)
        count = min(self._desired - self._members.present, room)
        if count <= 0:
            return []
        granted = self._pools.grant(
            count, self._members.by_pool(), self._bounds, policy.preemptible_share_max, now_s
        )
        for pool, workers in granted.by_pool.items():
            self._members.asked(now_s, workers, pool)
            self._effects.append(StartWorkers(workers, pool))
        if not granted.missing:
            return []
        facts = (("not_granted", float(granted.missing)),)
        return [Because(granted.why, self._members.present, facts)]

    def _leave(self, now_s: float) -> None:
        """Lets those go whose going costs least."""
        present = self._members.by_pool()
        # What the budget does not pay for goes, though the number would allow it.
        dear = self._pools.too_dear(present, self._bounds)
        count = max(self._members.present - (self._desired or 0), dear)
        if count <= 0 or self._mode == ADVISE:
            return
        needed = self._hearing.wanted_models(now_s) if self._desired else frozenset[str]()
        candidates = self._members.candidates(self._pools.price_per_h)
        for each in who_leaves(candidates, count, needed, self._pools.spare(present)):
            self._drain(each.worker_id, "not_needed", now_s)

    def _drain(self, worker_id: str, why: str, now_s: float) -> None:
        self._members.draining(worker_id, now_s)
        self._effects.append(DrainWorker(worker_id, why))

    def _tell(self, workers: int, reasons: tuple[Because, ...]) -> None:
        count = self._members.count
        stages = (count(Stage.READY), count(Stage.STARTING), count(Stage.DRAINING))
        self._effects.append(Desired(workers, *stages, reasons))


def _rule(policy: AutoscalerPolicy) -> Rule:
    """A rule that has seen nothing, with its parameters."""
    return SCALING_RULES.get(policy.rule).make(getattr(policy, policy.rule))
