"""Autoscalers as processes, over a real Redis and a pool in this process: who acts, who answers."""

import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import grpc.aio
import pytest

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten.common.v1.load_pb2 import Load, ModelLoad, WorkerState
from hasten_runtime.clock import ManualClock
from hasten_runtime.demand import DemandTally, Ended
from hasten_runtime.load_store import Topic
from hasten_runtime.pools.memory import MemoryPool
from hasten_runtime.pools.socket import PoolServer
from hasten_runtime.redis_store.load import RedisLoadStore
from hasten_sim.replay import replay
from tests.support.servers import RedisServer
from tests.support.services import Service, running_service
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

LONG_S = 600.0
QUICK = {
    "POLICY__PERIOD_S": "0.2",
    "POLICY__STALE_S": "600",
    "POLICY__STARTING_MAX": "8",
    "POLICY__DOWN_SPAN_S": "0",
    "POLICY__HASTEN__FAST_S": "1",
    "POLICY__HASTEN__SLOW_S": "2",
    "POLICY__HASTEN__PRESSURE_S": "2",
    "POLICY__HASTEN__PANIC_S": "1",
    "POLICY__HASTEN__PANIC_HOLD_S": "1",
    "POLICY__HASTEN__DOWN_S": "0",
    "POLICY__HASTEN__SETTLE_S": "0",
    "LOOK_S": "0.1",
    "LEASE_S": "1",
    "FORECAST_S": "0",
    "BOUNDS__WORKERS_MIN": "1",
    "BOUNDS__WORKERS_MAX": "6",
}
"""Windows of production, shortened: nothing here waits for long."""


@dataclass
class Mesh:
    """A make-believe mesh that tells a real Redis how it is."""

    redis: RedisServer
    folder: Path
    pool: MemoryPool = field(default_factory=MemoryPool)
    clock: ManualClock = field(default_factory=ManualClock)
    starts: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.store = RedisLoadStore(self.redis.url)
        self.tally = DemandTally("router", self.clock)

    async def serve(self) -> None:
        """Everybody who starts becomes ready, and tells so."""
        self.pool.become_ready()
        for name in list(self.pool.there):
            model = ModelLoad(
                name="m", version="1", alpha_s=0.1, best_s=0.1, batch_max=1, ready=True
            )
            state = WorkerState(worker_id=name, lanes=1, load=Load(seq=1), models=[model])
            await self.store.publish(state, ttl_s=LONG_S)

    async def ask(self, calls: int) -> None:
        """A second goes by with so many calls of a tenth of a second each."""
        for _ in range(calls):
            self.tally.ended(Ended("m", 1, slack_s=0.5, admitted=True, service_s=0.1))
        self.clock.advance(1.0)
        await self.store.tell(Topic.DEMAND, "router", self.tally.state(), ttl_s=LONG_S)

    @contextmanager
    def autoscaler(self, name: str, **settings: str) -> Iterator[Service]:
        environ = {
            "ID": name,
            "ADDRESS": "127.0.0.1:0",
            "METRICS_ADDRESS": "127.0.0.1:0",
            "REDIS_URL": self.redis.url,
            "MODE": "act",
            "DRIVER": "process",
            "DRIVER_ADDRESS": str(self.folder / "pool.sock"),
            **QUICK,
            **settings,
        }
        with running_service(
            "hasten_autoscaler.main",
            {f"HASTEN_AUTOSCALER_{key}": value for key, value in environ.items()},
            log_path=self.folder / f"{name}-{next(self.starts)}.log",
        ) as service:
            yield service


@pytest.fixture
async def mesh(own_redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[Mesh]:
    made = Mesh(own_redis_server, tmp_path)
    server = PoolServer(made.pool, tmp_path / "pool.sock")
    await server.open()
    await made.pool.start("worker-1", 0)
    await made.serve()
    yield made
    await server.close()
    await made.store.close()


async def plan_of(service: Service) -> pb.GetPlanResponse | None:
    async with grpc.aio.insecure_channel(service.address) as channel:
        try:
            return await AutoscalerServiceStub(channel).GetPlan(pb.GetPlanRequest(), timeout=30)
        except grpc.aio.AioRpcError:
            return None


async def until(
    service: Service, holds: Callable[[pb.GetPlanResponse], bool]
) -> pb.GetPlanResponse:
    """The plan of a replica, as soon as it is so."""
    found: list[pb.GetPlanResponse] = []

    async def look() -> bool:
        plan = await plan_of(service)
        if plan is not None and holds(plan):
            found.append(plan)
        assert found, plan
        return True

    await eventually(look)
    return found[0]


async def grown(mesh: Mesh, service: Service, workers: int) -> None:
    """Demand comes until so many workers serve."""

    async def there() -> bool:
        await mesh.ask(calls=30)
        await mesh.serve()
        plan = await plan_of(service)
        return plan is not None and plan.ready >= workers

    await eventually(there)


async def test_one_acts_both_answer_and_the_number_does_not_jump_when_the_leader_dies(
    mesh: Mesh,
) -> None:
    with ExitStack() as running:
        first = running.enter_context(mesh.autoscaler("a1"))
        await until(first, lambda plan: plan.leader == "a1" and plan.desired == 1)
        second = running.enter_context(mesh.autoscaler("a2"))
        await grown(mesh, first, 4)
        assert len(set(mesh.pool.started)) == len(mesh.pool.started), "nobody was asked for twice"
        followed = await until(second, lambda plan: plan.ready >= 4)
        assert followed.leader == "a1"
        # What the leader decides after its last checkpoint is lost with it. It lets nobody go so
        # soon after its own start, so that the number has only grown since.
        before = followed.desired
        refused = await refusal(second)
        assert "NOT_LEADER" in refused or "a2 does not lead; a1 does" in refused
        first.process.kill()
        seen: list[int] = []

        async def leads() -> bool:
            plan = await plan_of(second)
            if plan is not None:
                seen.append(plan.desired)
            return plan is not None and plan.leader == "a2"

        await eventually(leads)
        assert min(seen) >= before
        assert not mesh.pool.stopped
        epoch = (await until(second, lambda plan: plan.leader == "a2")).epoch
        assert epoch > followed.epoch


async def refusal(service: Service) -> str:
    async with grpc.aio.insecure_channel(service.address) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await AutoscalerServiceStub(channel).Pause(pb.PauseRequest(paused=True), timeout=30)
    return str(caught.value.details())


async def test_a_restart_and_a_store_that_is_away_let_nobody_go(mesh: Mesh) -> None:
    with mesh.autoscaler("a1") as service:
        await grown(mesh, service, 3)
    mesh.pool.stopped.clear()
    with mesh.autoscaler("a1") as service:
        plan = await until(service, lambda plan: plan.leader == "a1" and plan.last.number > 0)
        assert plan.desired >= 3
        # No call comes any more: what was decided before goes on for a stable window.

        async def held() -> bool:
            await mesh.ask(calls=0)
            await mesh.serve()
            plan = await plan_of(service)
            return plan is not None and plan.held == "just_begun"

        await eventually(held)
        assert not mesh.pool.stopped
        mesh.redis.kill()
        blind = await until(service, lambda plan: plan.ready >= 3 or plan.age_s > 0)
        assert blind.desired >= 3
        assert len(mesh.pool.there) >= 3


async def test_calm_lets_the_workers_go_down_to_the_floor_and_the_log_replays(mesh: Mesh) -> None:
    logs = mesh.folder / "logs"
    quick = {"POLICY__NO_SCALE_IN_S": "0", "RECORD": str(logs)}
    with mesh.autoscaler("a1", **quick) as service:
        await grown(mesh, service, 3)

        async def calm() -> bool:
            await mesh.ask(calls=0)
            return len(mesh.pool.there) == 1

        await eventually(calm)
        plan = await until(service, lambda plan: plan.desired == 1 and not plan.draining)
        assert plan.bounds.workers_min == 1
        async with grpc.aio.insecure_channel(service.address) as channel:
            stub = AutoscalerServiceStub(channel)
            said = await stub.Explain(pb.ExplainRequest(decisions=100), timeout=30)
            assert {decision.before for decision in said.decisions} >= {1}
            assert all(decision.reasons for decision in said.decisions)
            await stub.SetBounds(
                pb.SetBoundsRequest(bounds=pb.Bounds(workers_min=2, workers_max=6, price_per_h=1)),
                timeout=30,
            )
            await stub.SetPolicy(pb.SetPolicyRequest(policy="static,workers=3"), timeout=30)
            paused = await stub.Pause(pb.PauseRequest(paused=True), timeout=30)
            assert paused.mode == pb.MODE_HOLD
            with pytest.raises(grpc.aio.AioRpcError, match="rule must be one of"):
                await stub.SetPolicy(pb.SetPolicyRequest(policy="magic"), timeout=30)
            with pytest.raises(grpc.aio.AioRpcError, match="workers_min 5 is above"):
                await stub.SetBounds(
                    pb.SetBoundsRequest(bounds=pb.Bounds(workers_min=5, workers_max=4)), timeout=30
                )
            what = await stub.WhatIf(pb.WhatIfRequest(demand_factor=3, workers=2), timeout=30)
            assert what.workers == 2
            with pytest.raises(grpc.aio.AioRpcError, match="demand_factor"):
                await stub.WhatIf(pb.WhatIfRequest(demand_factor=-3), timeout=30)
            watching = stub.WatchDecisions(pb.WatchDecisionsRequest(from_number=1), timeout=30)
            assert (await anext(aiter(watching))).decision.number >= 1
            watching.cancel()
    (log,) = logs.glob("autoscaler-a1-*.hlog")
    outcome = replay(log)
    assert (outcome.kind, outcome.first_difference, outcome.end) == ("autoscaler", None, "closed")
    assert outcome.effects > 20


async def test_what_the_pool_refuses_is_shown_and_a_worker_that_never_comes_is_replaced(
    mesh: Mesh,
) -> None:
    mesh.pool.quota = 2
    quick = {"POLICY__LEAD_S": "0.2", "POLICY__OVERDUE_S_MIN": "0", "POLICY__START_AGAIN_S": "0.1"}
    with mesh.autoscaler("a1", **quick) as service:
        await until(service, lambda plan: plan.leader == "a1")
        for _ in range(5):
            await mesh.ask(calls=40)

        async def asks() -> bool:
            await mesh.ask(calls=40)
            plan = await plan_of(service)
            return plan is not None and "quota" in plan.shortage and plan.starts_failed > 0

        # The one that the quota allows never becomes ready.
        await eventually(asks)
        assert len(mesh.pool.stopped) >= 1
        assert "worker-1" not in mesh.pool.stopped
