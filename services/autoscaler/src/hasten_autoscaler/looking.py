"""Looks at the mesh and at the pool, and says as events what has changed."""

import asyncio
from collections.abc import Iterator, Mapping
from math import inf
from typing import TYPE_CHECKING, Final

from hasten_autoscaler.demand import DemandReader, read_backlog
from hasten_policy.autoscaler.events import (
    AutoscalerEvent,
    DemandTold,
    LoadTold,
    ProfileTold,
    StartRefused,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.scaling.profiles import Profile, Profiles, curve_of
from hasten_runtime import logs, wire
from hasten_runtime.clock import Clock
from hasten_runtime.load_store import LoadStore, Topic
from hasten_runtime.pools.port import Pool, PooledWorker, PoolUnavailable

if TYPE_CHECKING:
    from hasten.common.v1.load_pb2 import WorkerState

BUSY_KEPT: Final = 0.7
"""Of how busy a worker was, after another look: it is seen for a moment a second only."""
CHANGED: Final = 0.05
"""A profile that differs by less is told no more."""

_log = logs.logger(__name__)


class Looker:
    """One look after the other.

    Args:
        store: Where services tell.
        pools: Where workers come from, by name; empty where the autoscaler only advises.
        clock: The autoscaler's.

    Attributes:
        lost: Pools that do not answer, and why. What they hold is what still tells its load.
        states: Of the workers, as they told last.
        profiles: Of the models.
    """

    def __init__(self, store: LoadStore, pools: Mapping[str, Pool], clock: Clock) -> None:
        self.lost: dict[str, str] = {}
        self.states: dict[str, WorkerState] = {}
        self.profiles = Profiles()
        self._store = store
        self._pools = pools
        self._pool_of: dict[str, str] = {}
        self._clock = clock
        self._reader = DemandReader()
        self._stages: dict[str, str] = {}
        self._just_begun: set[str] = set()
        self._since_s: dict[str, float] = {}
        self._busy: dict[str, float] = {}
        self._told: dict[str, Profile] = {}

    async def members(self) -> list[AutoscalerEvent]:
        """Who came, became ready or left since this was asked before, and how the workers are.

        Raises:
            StoreUnavailable: Nothing is known of the mesh now.
            PoolUnavailable: Nothing is known of any pool now.
        """
        self._just_begun.clear()
        self.states = await self._store.states()
        pooled = await self._pooled() if self._pools else None
        stages = dict(self._stages_of(pooled))
        # Before anything else, so that nobody is started there.
        events: list[AutoscalerEvent] = [
            StartRefused(0, why, name) for name, why in self.lost.items()
        ]
        for worker_id, stage in stages.items():
            before = self._stages.get(worker_id)
            if stage == before:
                continue
            if stage == "starting":
                self._since_s[worker_id] = self._clock.now_s()
                events.append(WorkerStarting(worker_id, self.pool_of(worker_id)))
            elif stage == "ready":
                took_s = self._took_s(worker_id)
                events.append(WorkerReady(worker_id, took_s, self.pool_of(worker_id)))
        # Who was started while the pool was asked is in no answer yet.
        stages |= dict.fromkeys(self._just_begun - stages.keys(), "starting")
        for worker_id in self._stages.keys() - stages.keys():
            self._since_s.pop(worker_id, None)
            self._busy.pop(worker_id, None)
            self._pool_of.pop(worker_id, None)
            events.append(WorkerLeft(worker_id))
        self._stages = stages
        events += self._profiles()
        events += self._loads()
        return events

    async def demand(self) -> list[AutoscalerEvent]:
        """What was asked for since this was asked before, and what waits. Raises
        StoreUnavailable.
        """
        demand = self._reader.read(await self._store.told(Topic.DEMAND), self._clock.now_s())
        backlog = read_backlog(await self._store.told(Topic.BACKLOG))
        return [*demand, *backlog]

    def load_s(self, event: DemandTold, workers: int) -> float:
        """Worker seconds that were asked for, of models with a profile."""
        return sum(
            self.profiles.load(each.model, each.rows, workers) or 0.0 for each in event.models
        )

    def pool_of(self, worker_id: str) -> str:
        """Where it is; "" where there is one pool."""
        return self._pool_of.get(worker_id, "")

    def began(self, worker_id: str, pool: str) -> None:
        """A start was asked for just now, and is told of already."""
        self._pool_of[worker_id] = pool
        self._just_begun.add(worker_id)
        self._stages[worker_id] = "starting"
        self._since_s[worker_id] = self._clock.now_s()

    @property
    def names(self) -> set[str]:
        """Everybody who is there."""
        return {*self._stages, *self.states}

    # --- who is there -----------------------------------------------------------------------

    async def _pooled(self) -> list[PooledWorker]:
        """Whom the pools know of; of one that is lost, those who still tell their load."""
        asked = [pool.workers() for pool in self._pools.values()]
        answers = dict(
            zip(self._pools, await asyncio.gather(*asked, return_exceptions=True), strict=True)
        )
        lost: dict[str, str] = {}
        found: list[PooledWorker] = []
        for name, answer in answers.items():
            if isinstance(answer, PoolUnavailable):
                lost[name] = str(answer)
                mine = (each for each, pool in self._pool_of.items() if pool == name)
                found += [PooledWorker(each, "ready") for each in mine if each in self.states]
            elif isinstance(answer, BaseException):
                raise answer
            else:
                found += answer
                self._pool_of |= {each.worker_id: name for each in answer}
        if len(lost) == len(self._pools):
            raise PoolUnavailable("; ".join(lost.values()))
        for name in lost.keys() - self.lost.keys():
            _log.error("pool.lost", pool=name, reason=lost[name], help="others take over")
        for name in self.lost.keys() - lost.keys():
            _log.info("pool.found", pool=name)
        self.lost = lost
        return found

    def _stages_of(self, pooled: list[PooledWorker] | None) -> Iterator[tuple[str, str]]:
        """Workers and their stages. Those that serve have told their load; in a pool those too
        that it knows of.
        """
        serving = {name for name, state in self.states.items() if not state.draining}
        if pooled is None:
            yield from ((name, "ready") for name in sorted(serving))
            return
        for each in pooled:
            stage: str = each.stage
            if stage == "ready" and each.worker_id not in serving:
                # It has just begun to serve, or it leaves: nobody knows which yet.
                stage = self._stages.get(each.worker_id, "starting")
            yield each.worker_id, stage

    def _took_s(self, worker_id: str) -> float:
        """Seconds from its start; 0 where that is not known."""
        since_s = self._since_s.get(worker_id)
        if since_s is not None:
            return self._clock.now_s() - since_s
        state = self.states.get(worker_id)
        if state is None or not state.HasField("cold_start"):
            return 0.0
        start = state.cold_start
        took_s = start.process_s + start.load_s + start.warm_up_s
        return took_s if 0.0 <= took_s < inf else 0.0

    # --- how they are -----------------------------------------------------------------------

    def _loads(self) -> Iterator[LoadTold]:
        for worker_id, state in self.states.items():
            if self._stages.get(worker_id) != "ready":
                continue
            load = state.load
            running = max(0, load.depth - load.waiting)
            busy = min(1.0, running / max(1, state.lanes))
            kept = BUSY_KEPT if worker_id in self._busy else 0.0
            busy = kept * self._busy.get(worker_id, 0.0) + (1.0 - kept) * busy
            self._busy[worker_id] = busy
            node = state.node
            yield LoadTold(
                worker_id,
                busy,
                running,
                load.waiting,
                load.backlog_s,
                node.memory_bytes / node.memory_bytes_max if node.memory_bytes_max else 0.0,
                tuple(sorted({model.name for model in state.models if model.ready})),
            )

    def _profiles(self) -> Iterator[ProfileTold]:
        """Models that were measured, or measured otherwise."""
        for worker_id, state in self.states.items():
            try:
                report = wire.report_from_wire(state)
            except ValueError as error:
                _log.warning("worker.unreadable", worker_id=worker_id, reason=str(error))
                continue
            for model in report.models:
                slack_s = self._reader.slack_s.get(model.name, inf)
                profile = Profile(curve_of(model, report.lanes), slack_s)
                if model.ready and _differs(self._told.get(model.name), profile):
                    self._told[model.name] = profile
                    self.profiles.told(model.name, profile)
                    yield ProfileTold(model.name, profile)


def _differs(before: Profile | None, now: Profile) -> bool:
    if before is None:
        return True
    pairs = (
        (before.curve.alpha_s, now.curve.alpha_s),
        (before.curve.beta_s, now.curve.beta_s),
        (before.curve.batch_max, now.curve.batch_max),
        (before.curve.lanes, now.curve.lanes),
        (before.slack_s, now.slack_s),
    )
    return any(old != new and abs(new - old) > CHANGED * abs(old) for old, new in pairs)
