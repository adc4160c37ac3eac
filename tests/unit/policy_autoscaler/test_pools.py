"""One number and several pools: who gives workers, who leaves, and what if one is lost."""

from hasten_policy.autoscaler.events import (
    AutoscalerEvent,
    BoundsSet,
    DemandTold,
    Desired,
    DrainWorker,
    LoadTold,
    PoolsSet,
    StartRefused,
    StartWorkers,
    Woke,
    WorkerLeft,
    WorkerReady,
    WorkerStarting,
)
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.registry import scaling
from hasten_policy.scaling.limits import Bounds
from hasten_policy.scaling.offers import Offer

OWN = Offer("own", workers_max=4, price_per_h=1.0)
CLOUD = Offer("cloud", workers_max=8, price_per_h=3.0)


class TwoPools:
    """A machine whose number is fixed, in front of two pools that start whoever is asked for."""

    def __init__(self, workers: int, bounds: Bounds | None = None, **of_policy: str) -> None:
        policy = ",".join(f"{key}={value}" for key, value in of_policy.items())
        text = f"static,workers={workers},no_scale_in_s=0,down_span_s=0"
        self.machine = AutoscalerMachine(scaling(f"{text},{policy}" if policy else text))
        self.now_s = 0.0
        self.there: dict[str, str] = {}
        self.made = 0
        self.shut: set[str] = set()
        self.why: list[str] = []
        self.tell(BoundsSet(bounds or Bounds(workers_max=20)))
        self.tell(PoolsSet((OWN, CLOUD)))
        self.tell(WorkerReady("w0", 5.0, "own"))
        self.there["w0"] = "own"

    def tell(self, event: AutoscalerEvent) -> None:
        said = self.machine.on(event, now_s=self.now_s)
        for effect in said:
            match effect:
                case StartWorkers(count, pool) if pool in self.shut:
                    self.tell(StartRefused(count, "the quota is reached", pool))
                case StartWorkers(count, pool):
                    for _ in range(count):
                        self.made += 1
                        self.there[f"w{self.made}"] = pool
                        self.tell(WorkerStarting(f"w{self.made}", pool))
                        self.tell(WorkerReady(f"w{self.made}", 5.0, pool))
                case DrainWorker(worker_id, _):
                    del self.there[worker_id]
                    self.tell(WorkerLeft(worker_id))
                case Desired(reasons=reasons):
                    self.why = [each.kind for each in reasons]

    def tick(self, passed_s: float = 10.0) -> None:
        self.now_s += passed_s
        self.tell(DemandTold("r", 1.0, ()))
        for name in list(self.there):
            self.tell(LoadTold(name, 0.5))
        self.tell(Woke())

    def count(self, pool: str) -> int:
        return list(self.there.values()).count(pool)


def test_the_cheap_pool_is_filled_first_and_the_dear_one_emptied_first() -> None:
    pools = TwoPools(6)
    for _ in range(5):
        pools.tick()
    assert (pools.count("own"), pools.count("cloud")) == (4, 2)
    pools.tell(BoundsSet(Bounds(workers_max=3)))
    for _ in range(20):
        pools.tick(61.0)
    assert (pools.count("own"), pools.count("cloud")) == (3, 0)


def test_what_one_pool_refuses_another_gives_at_once() -> None:
    pools = TwoPools(3)
    pools.shut.add("own")
    pools.tick()
    assert (pools.count("own"), pools.count("cloud")) == (1, 2)


def test_a_pool_that_is_lost_is_replaced_by_the_other_at_once() -> None:
    pools = TwoPools(3)
    pools.tick()
    assert pools.count("own") == 3
    pools.tell(StartRefused(0, "nobody answers", "own"))
    for name in list(pools.there):
        del pools.there[name]
        pools.tell(WorkerLeft(name))
    assert (pools.count("own"), pools.count("cloud")) == (0, 3)
    # It is tried again when it answers, as it is cheaper.
    pools.tick(31.0)
    pools.tell(WorkerLeft(next(iter(pools.there))))
    assert pools.count("own") == 1


def test_the_budget_holds_over_all_pools_and_what_it_leaves_out_is_named() -> None:
    pools = TwoPools(8, Bounds(workers_max=20, budget_per_h=7.0))
    for _ in range(5):
        pools.tick()
    assert (pools.count("own"), pools.count("cloud")) == (4, 1)
    assert "budget" in pools.why
    pools.tell(BoundsSet(Bounds(workers_max=20, budget_per_h=2.0)))
    pools.tick()
    assert (pools.count("own"), pools.count("cloud")) == (2, 0)


def test_when_every_pool_is_shut_that_is_said() -> None:
    pools = TwoPools(3)
    pools.shut |= {"own", "cloud"}
    pools.tick()
    pools.tick()
    assert pools.count("own") == 1
    assert "pools_shut" in pools.why
    assert pools.machine.view(pools.now_s).waits_to_start_s > 0


def test_a_worker_that_somebody_else_started_is_one_too_many_and_leaves() -> None:
    pools = TwoPools(2)
    pools.tick()
    pools.there["x"] = "own"
    pools.tell(WorkerReady("x", 5.0, "own"))
    pools.tick(61.0)
    assert len(pools.there) == 2
