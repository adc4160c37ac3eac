"""One term of the leader: the one owner of the machine. What happens becomes events, effects IO."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, assert_never

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.stored_state_pb2 import StoredState
from hasten_autoscaler import views
from hasten_autoscaler.acting import Actor
from hasten_autoscaler.book import Book
from hasten_autoscaler.fitting import fitting
from hasten_autoscaler.foreseeing import Foreseer
from hasten_autoscaler.looking import Looker
from hasten_autoscaler.metrics import AutoscalerMetrics
from hasten_policy.autoscaler.events import (
    AutoscalerEffect,
    AutoscalerEvent,
    BoundsSet,
    CheckpointRestored,
    DemandTold,
    Desired,
    DrainWorker,
    Hold,
    Ignored,
    ModeSet,
    PolicySet,
    PoolsSet,
    StartRefused,
    StartWorkers,
    WakeAt,
    Woke,
    WorkerStarting,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.policy import HOLD
from hasten_policy.machines import Machine
from hasten_policy.registry import scaling
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.offers import Offer
from hasten_policy.scaling.words import summary
from hasten_runtime import logs
from hasten_runtime.alarm import Alarm
from hasten_runtime.clock import Clock
from hasten_runtime.election.port import Term
from hasten_runtime.load_store import LoadStore, StoreUnavailable
from hasten_runtime.pools.port import Pool, PoolUnavailable

KEEP_S: Final = 86_400.0
"""A checkpoint vanishes after so long without a leader."""

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Realm:
    """What is the same in every term.

    Attributes:
        instance: Name of this replica.
        pool_name: Of the pool.
        mode: As the settings say.
        bounds: As the settings say.
        policy: As the settings say, as SetPolicy takes it.
        store: Where services tell, and checkpoints lie.
        pools: Where workers come from, by name; empty where nobody starts any. One pool that has no
            bounds of its own has the name "".
        offers: What the pools offer; empty for that one pool.
        clock: Of the process.
        book: Of decisions.
        counts: Metrics.
        machine: A new machine, and the same one recorded.
        foreseer: Makes the forecaster of a term.
        look_s: Between two looks.
        drain_s: Patience with calls that a worker has accepted.
        worker_name: Workers that are started are called so, with a number.
    """

    instance: str
    pool_name: str
    mode: str
    bounds: Bounds
    policy: str
    store: LoadStore
    pools: Mapping[str, Pool]
    offers: tuple[Offer, ...]
    clock: Clock
    book: Book
    counts: AutoscalerMetrics
    machine: Callable[[], tuple[AutoscalerMachine, Machine[AutoscalerEvent, AutoscalerEffect]]]
    foreseer: Callable[[float, Sequence[float], float], Foreseer | None]
    look_s: float
    drain_s: float
    worker_name: str

    @property
    def checkpoint_name(self) -> str:
        """Of the pool's checkpoint."""
        return f"autoscaler:{self.pool_name}"


class Reign:
    """Leads for one term.

    Args:
        realm: What is led.
        term: The term.
        holds: The term still holds; asked before each act.
        stored: What the leader before left; None for nothing.

    Attributes:
        begun: It has decided something.
        policy: What operators set by call; "" for nothing.
        bounds: As policy; None for nothing.
        paused: They let the number stay.
    """

    def __init__(
        self, realm: Realm, term: Term, holds: Callable[[], bool], stored: StoredState | None
    ) -> None:
        self._realm = realm
        self._term = term
        self._holds = holds
        self._clock = realm.clock
        self._book = realm.book
        self._plain, self._machine = realm.machine()
        self._looker = Looker(realm.store, realm.pools, realm.clock)
        self._alarm = Alarm(realm.clock, lambda: self._tell(Woke()))
        self._actor = (
            Actor(realm.pools, term.epoch, holds, self, drain_s=realm.drain_s)
            if realm.pools
            else None
        )
        self._stored = stored or StoredState()
        self._foreseer: Foreseer | None = None
        self._number = self._stored.number
        self.begun = False
        self._well = True
        self._pending: set[str] = set()
        self.policy = self._stored.policy
        self.bounds = (
            views.bounds_from_wire(self._stored.bounds) if self._stored.HasField("bounds") else None
        )
        self.paused = self._stored.paused

    # --- life -------------------------------------------------------------------------------

    async def run(self) -> None:
        """Looks, decides and keeps, until cancelled."""
        self._book.begin(self._stored)
        self._tell(BoundsSet(self.bounds or self._realm.bounds))
        if self._realm.offers:
            self._tell(PoolsSet(self._realm.offers))
        if self.policy:
            self._tell(PolicySet(scaling(self.policy)))
        self._tell(ModeSet(HOLD if self.paused else self._realm.mode))
        if self._stored.machine:
            self._tell(CheckpointRestored(self._stored.machine))
        try:
            while True:
                await self._look()
                await self._save()
                await asyncio.sleep(self._realm.look_s)
        finally:
            self._alarm.close()

    async def close(self) -> None:
        """Ends what is not done."""
        self._alarm.close()
        if self._actor is not None:
            await self._actor.close()

    async def _look(self) -> None:
        try:
            events = await self._looker.members()
            demand = await self._looker.demand()
        except (StoreUnavailable, PoolUnavailable) as error:
            self._trouble(str(error))
            return
        self._calm()
        self._book.shortage = next(iter(self._looker.lost.values()), self._book.shortage)
        for event in (*events, *demand):
            self._tell(event)
        if not self.begun:
            await self._begin()
        self._foresee(demand)
        view = self._plain.view(self._clock.now_s())
        for verdict in self._book.judge(view):
            self._realm.counts.judged(verdict)
            _log.info(
                "decision.judged",
                number=verdict.number,
                ready=verdict.ready,
                enough=verdict.enough,
                refused=verdict.refused,
                late=verdict.late,
            )
        self._realm.counts.seen(view)

    async def _begin(self) -> None:
        """Everybody who is there has been told of: the machine may decide."""
        now_s = self._clock.now_s()
        lead_s = self._plain.view(now_s).sight.lead_s
        # Its library takes a while to load, and so do many periods.
        self._foreseer = await asyncio.to_thread(
            self._realm.foreseer, lead_s, tuple(self._stored.demand), now_s
        )
        _log.info(
            "autoscaler.leads",
            pool=self._realm.pool_name,
            epoch=self._term.epoch,
            mode=self._realm.mode,
            workers=len(self._looker.names),
        )
        self._tell(Woke())
        self.begun = True

    def _foresee(self, events: Sequence[AutoscalerEvent]) -> None:
        if self._foreseer is None:
            return
        workers = len(self._looker.names)
        load_s = sum(
            self._looker.load_s(event, workers) for event in events if isinstance(event, DemandTold)
        )
        forecast = self._foreseer.demanded(self._clock.now_s(), load_s)
        if forecast is not None:
            self._tell(forecast)

    def _trouble(self, why: str) -> None:
        if self._well:
            _log.warning(
                "autoscaler.blind",
                reason=why,
                help="the number stays and calls go on; look at redis_url and the driver",
            )
        self._well = False

    def _calm(self) -> None:
        if not self._well:
            _log.info("autoscaler.sees_again")
        self._well = True

    # --- what is kept -----------------------------------------------------------------------

    async def _save(self) -> None:
        if not self.begun or not self._holds():
            return
        try:
            await self._realm.store.save_checkpoint(
                self._realm.checkpoint_name, fitting(self.state()), ttl_s=KEEP_S
            )
        except (StoreUnavailable, ValueError) as error:
            self._trouble(str(error))

    def state(self) -> StoredState:
        """Everything, as it goes into a checkpoint."""
        self._number += 1
        state = StoredState(
            number=self._number,
            plan=self.plan(),
            decisions=self._book.stored(),
            machine=self._plain.checkpoint(),
            demand=self._foreseer.values if self._foreseer is not None else self._stored.demand,
            policy=self.policy,
            paused=self.paused,
        )
        if self.bounds is not None:
            state.bounds.CopyFrom(views.bounds_to_wire(self.bounds))
        return state

    def plan(self) -> pb.GetPlanResponse:
        """What there is and what there should be."""
        plan = pb.GetPlanResponse(
            pool=self._realm.pool_name,
            policy=self.policy or self._realm.policy,
            leader=self._realm.instance,
            epoch=self._term.epoch,
        )
        views.fill_in(plan, self._plain.view(self._clock.now_s()))
        self._book.fill_in(plan)
        if self._foreseer is not None:
            plan.forecast.CopyFrom(self._foreseer.to_wire(self._clock.now_s()))
        return plan

    # --- what operators set -----------------------------------------------------------------

    def set_policy(self, policy: str) -> str:
        """Rule and parameters from now on; those before. Raises ValueError."""
        before = self.policy or self._realm.policy
        made = scaling(policy)
        self.policy = policy
        self._tell(PolicySet(made))
        _log.info("policy.set", policy=policy, before=before)
        return before

    def set_bounds(self, bounds: Bounds) -> Bounds:
        """Bounds from now on; those before."""
        before = self.bounds or self._realm.bounds
        self.bounds = bounds
        self._tell(BoundsSet(bounds))
        _log.info("bounds.set", workers_min=bounds.workers_min, workers_max=bounds.workers_max)
        return before

    def pause(self, *, paused: bool) -> str:
        """Lets the number stay, or change again; the mode from now on."""
        self.paused = paused
        mode = HOLD if paused else self._realm.mode
        self._tell(ModeSet(mode))
        _log.info("mode.set", mode=mode)
        return mode

    # --- effects ----------------------------------------------------------------------------

    def _tell(self, event: AutoscalerEvent) -> None:
        now_s = self._clock.now_s()
        for effect in self._machine.on(event, now_s=now_s):
            self._carry_out(effect, now_s)

    def _carry_out(self, effect: AutoscalerEffect, now_s: float) -> None:
        match effect:
            case Desired():
                self._decided(effect, now_s)
            case StartWorkers():
                self._start(effect)
            case DrainWorker():
                self._drain(effect)
            case Hold():
                self._book.held = effect.why
            case Ignored():
                if self._book.ignore(effect.subject, effect.why):
                    _log.warning("signal.ignored", subject=effect.subject, reason=effect.why)
            case WakeAt():
                self._alarm.set(effect.at_s)
            case _:
                assert_never(effect)

    def _decided(self, effect: Desired, now_s: float) -> None:
        # A Hold of this tick came before; without one the number may change.
        if not any(each.kind == self._book.held for each in effect.reasons):
            self._book.held = ""
        decision = self._book.decided(effect, self._plain.view(now_s))
        if decision is not None:
            _log.info(
                "decision.made",
                number=decision.number,
                desired=decision.desired,
                before=decision.before,
                ready=decision.ready,
                starting=decision.starting,
                why=summary(decision.desired, decision.before, effect.reasons),
            )
            self._realm.counts.decided(decision.desired, decision.before)

    def _start(self, effect: StartWorkers) -> None:
        if self._actor is None:
            self._tell(StartRefused(effect.count, "nobody starts workers here", effect.pool))
            return
        for _ in range(effect.count):
            self._actor.start(self._fresh_name(), effect.pool)

    def _fresh_name(self) -> str:
        """The first name that nobody has, of those that were not asked for just now."""
        taken = self._looker.names
        number = 1
        while True:
            name = f"{self._realm.worker_name}-{number}"
            if name not in taken and name not in self._pending:
                self._pending.add(name)
                return name
            number += 1

    def _drain(self, effect: DrainWorker) -> None:
        if effect.why == "overdue":
            self._book.starts_failed += 1
            self._realm.counts.start_failed()
            _log.error(
                "worker.overdue",
                worker_id=effect.worker_id,
                help="it never became ready and is replaced; its log says why",
            )
        if self._actor is not None:
            state = self._looker.states.get(effect.worker_id)
            address = state.address if state is not None else ""
            self._actor.stop(effect.worker_id, address, self._looker.pool_of(effect.worker_id))

    # --- what came of it --------------------------------------------------------------------

    def started(self, worker_id: str, pool: str) -> None:
        """The pool starts it."""
        self._pending.discard(worker_id)
        self._looker.began(worker_id, pool)
        self._tell(WorkerStarting(worker_id, pool))

    def start_refused(self, worker_id: str, why: str, pool: str) -> None:
        """One cannot be had now."""
        self._pending.discard(worker_id)
        self._book.shortage = why
        self._realm.counts.start_refused()
        self._tell(StartRefused(1, why, pool))
