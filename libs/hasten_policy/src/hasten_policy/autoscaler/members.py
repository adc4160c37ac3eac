"""The workers of a pool, as its autoscaler knows them."""

from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from math import ceil

from hasten_policy.autoscaler.events import LoadTold
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.prediction.sorted_ring import SortedRing
from hasten_policy.scaling.leaving import Candidate

STARTS_REMEMBERED = 64


class Stage(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    DRAINING = "draining"


@dataclass(slots=True)
class Member:
    """One worker.

    Attributes:
        stage: Where it is.
        since_s: Since when.
        load: What it told last; None before.
        told_s: When.
        pool: Where it is.
    """

    stage: Stage
    since_s: float
    load: LoadTold | None = None
    told_s: float = 0.0
    pool: str = ""


@dataclass(frozen=True, slots=True)
class Loads:
    """What the ready workers said of late, together."""

    running: int = 0
    waiting: int = 0
    backlog_s: float = 0.0
    busy: float = 0.0
    memory: float = 0.0


class Members:
    """Who is there, who was asked for, and how long starts take."""

    __slots__ = ("_asked", "_of", "_policy", "_took")

    def __init__(self, policy: AutoscalerPolicy) -> None:
        self._policy = policy
        self._of: dict[str, Member] = {}
        self._asked: deque[tuple[float, str]] = deque()
        self._took = SortedRing(STARTS_REMEMBERED)

    def governed_by(self, policy: AutoscalerPolicy) -> None:
        """Other parameters from now on."""
        self._policy = policy

    # --- what is told -----------------------------------------------------------------------

    def asked(self, now_s: float, count: int, pool: str) -> None:
        """So many starts were asked for."""
        self._asked.extend([(now_s, pool)] * count)

    def refused(self, count: int, pool: str) -> None:
        """So many of them will not come."""
        of_pool = [each for each in self._asked if each[1] == pool]
        for each in of_pool[:count]:
            self._asked.remove(each)

    def starting(self, worker_id: str, now_s: float, pool: str) -> None:
        """One begins to start, or to start again after it died."""
        member = self._of.get(worker_id)
        if member is None:
            self.refused(1, pool)
        if member is None or member.stage is Stage.READY:
            self._of[worker_id] = Member(Stage.STARTING, now_s, pool=pool)

    def ready(self, worker_id: str, now_s: float, took_s: float, pool: str) -> None:
        """One serves, whoever started it."""
        member = self._of.get(worker_id)
        if member is None or member.stage is Stage.STARTING:
            self._of[worker_id] = Member(Stage.READY, now_s, pool=pool)
            if took_s > 0.0:
                self._took.add(took_s)

    def draining(self, worker_id: str, now_s: float) -> None:
        """One was told to leave."""
        member = self._of[worker_id]
        member.stage, member.since_s = Stage.DRAINING, now_s

    def left(self, worker_id: str) -> Member | None:
        """One is gone; what it was, None of one that was not known."""
        return self._of.pop(worker_id, None)

    def told(self, load: LoadTold, now_s: float) -> bool:
        """One told its load; False of one that is not known to serve."""
        member = self._of.get(load.worker_id)
        if member is None or member.stage is Stage.STARTING:
            return False
        member.load, member.told_s = load, now_s
        return True

    # --- what is known ----------------------------------------------------------------------

    def count(self, stage: Stage) -> int:
        """Workers at a stage; those that were asked for are starting."""
        known = sum(member.stage is stage for member in self._of.values())
        return known + (len(self._asked) if stage is Stage.STARTING else 0)

    @property
    def present(self) -> int:
        """Workers that are capacity, now or soon."""
        return self.count(Stage.READY) + self.count(Stage.STARTING)

    def by_pool(self) -> Counter[str]:
        """Pool to workers that are capacity there, now or soon."""
        present = (
            member.pool for member in self._of.values() if member.stage is not Stage.DRAINING
        )
        return Counter([*present, *(pool for _, pool in self._asked)])

    def start_s(self) -> float:
        """Seconds that a start takes, at the quantile that counts."""
        if not len(self._took):
            return self._policy.lead_s
        return self._took.ranked(ceil(self._policy.lead_quantile * len(self._took)))

    def overdue(self, now_s: float) -> list[str]:
        """Workers that should have been ready long ago. Starts that nobody ever confirmed are
        forgotten.
        """
        policy = self._policy
        begun_s = now_s - max(policy.overdue_s_min, policy.overdue_factor * self.start_s())
        while self._asked and self._asked[0][0] < begun_s:
            self._asked.popleft()
        return [
            worker_id
            for worker_id, member in self._of.items()
            if member.stage is Stage.STARTING and member.since_s < begun_s
        ]

    def loads(self, now_s: float) -> Loads | None:
        """What the ready workers told; None when there are some and none told anything new."""
        fresh = [
            member.load
            for member in self._of.values()
            if member.stage is Stage.READY
            and member.load is not None
            and now_s - member.told_s <= self._policy.stale_s
        ]
        if not fresh:
            return None if self.count(Stage.READY) else Loads()
        return Loads(
            running=sum(load.running for load in fresh),
            waiting=sum(load.waiting for load in fresh),
            backlog_s=sum(load.backlog_s for load in fresh),
            busy=sum(load.busy for load in fresh) / len(fresh),
            memory=max(load.memory for load in fresh),
        )

    def kept(self) -> list[float]:
        """How long starts took, oldest first."""
        return [round(took_s, 3) for took_s in self._took.newest(STARTS_REMEMBERED)]

    def restore(self, took: list[float]) -> None:
        """Goes on with starts from before."""
        for took_s in took:
            self._took.add(took_s)

    def all(self) -> dict[str, Member]:
        """Everybody, by name; not to be changed."""
        return self._of

    def candidates(self, price_per_h: Callable[[str], float]) -> list[Candidate]:
        """Workers that could leave; what a worker of a pool costs is asked for."""
        return [
            Candidate(
                worker_id,
                ready=member.stage is Stage.READY,
                calls=member.load.running + member.load.waiting if member.load else 0,
                backlog_s=member.load.backlog_s if member.load else 0.0,
                since_s=member.since_s,
                models=member.load.models if member.load else (),
                price_per_h=price_per_h(member.pool),
                pool=member.pool,
            )
            for worker_id, member in self._of.items()
            if member.stage is not Stage.DRAINING
        ]
