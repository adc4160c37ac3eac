"""A mesh with two pools of workers; the cheap one is lost whole. How soon does the other take over?

Two supervisors on this machine are the pools: `own`, and `cloud` at three times the price. Under
steady calls the autoscaler fills `own`. Then all its workers are killed, and its supervisor answers
no more. Judged is the time from there until `cloud` has as many workers that serve: at most the
lead that the autoscaler had measured, and the time that a silent worker is believed to live.

    python -m loadtest.pool_loss [--rate 15] [--json]

Ends with status 1 when it took longer.
"""

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import grpc.aio

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten_cli.local import ports, redis
from hasten_cli.local.plan import Place, UpOptions, redis_spec, service_specs, worker_spec
from hasten_cli.local.pool import SupervisorPool
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import Supervisor
from hasten_client import AsyncClient
from hasten_runtime.pools.socket import PoolServer
from loadtest.autoscale_live import MODEL, QUICK, RUN_S, Found, Load
from loadtest.repository import write_synthetic

BELIEVED_S: Final = 3.0
"""A worker that tells nothing is believed to live for so long."""
WAIT_S_MAX: Final = 120.0
LOOK_S: Final = 0.1
PRICES: Final = {"own": 1.0, "cloud": 3.0}


@dataclass(frozen=True, slots=True)
class Loss:
    """What came of it.

    Attributes:
        workers: That served in the pool that was lost.
        took_s: Until as many served in the other.
        lead_s: From a decision to a ready worker, as it was measured before.
        ended: Calls by how they ended.
    """

    workers: int
    took_s: float
    lead_s: float
    ended: dict[str, int]

    @property
    def kept(self) -> bool:
        """It took no longer than the lead, and than silence is believed."""
        return self.took_s <= self.lead_s + BELIEVED_S


class LocalPool:
    """One pool: a supervisor of its own, and the socket that it is reached at."""

    def __init__(self, name: str, folder: RunFolder, options: UpOptions, place: Place) -> None:
        self.socket = folder.path / f"{name}.sock"
        self._supervisor = Supervisor(folder, say=lambda _: None)
        self._pool = SupervisorPool(self._supervisor, partial(worker_spec, options, place))
        self._server = PoolServer(self._pool, self.socket)

    async def open(self) -> None:
        """Listens."""
        await self._server.open()

    async def lose(self) -> None:
        """All of it is gone at once."""
        await self._server.close()
        self._supervisor.kill()

    async def close(self) -> None:
        """Ends in order what is left."""
        await self._server.close()
        await self._pool.close()
        await self._supervisor.stop()


@dataclass(frozen=True, slots=True)
class Town:
    """The mesh.

    Attributes:
        router: "host:port".
        autoscaler: "host:port".
        pools: By name.
    """

    router: str
    autoscaler: str
    pools: dict[str, LocalPool]


@asynccontextmanager
async def town(models: Path) -> AsyncIterator[Town]:
    """Redis, router, autoscaler and two pools, while the block runs."""
    async with AsyncExitStack() as stack:
        folders = {name: stack.enter_context(RunFolder()) for name in ("mesh", *PRICES)}
        policy = {f"HASTEN_AUTOSCALER_POLICY__{key}": value for key, value in QUICK.items()}
        environ = {**os.environ, **policy, "HASTEN_WORKER_LANES": "1"}
        supervisor = Supervisor(folders["mesh"], say=lambda _: None)
        stack.push_async_callback(supervisor.stop)
        endpoint = redis.RedisEndpoint(ports.free_port())
        config = redis.write_config(endpoint, folders["mesh"].path)
        program = redis.find_redis(os.environ.get("PATH"))
        probe = partial(redis.answers, endpoint)
        await supervisor.begin([redis_spec(program, config, environ)], probe=probe)
        options = UpOptions(
            models=models, workers=1, control="none", port=0, http_port=0, autoscaler_port=0
        )
        place = Place(models, endpoint.url, folders["mesh"].path, environ)
        pools = {name: LocalPool(name, folders[name], options, place) for name in PRICES}
        for pool in pools.values():
            await pool.open()
            stack.push_async_callback(pool.close)
        listed = folders["mesh"].path / "pools.toml"
        listed.write_text(
            "".join(
                f'[[pool]]\nname = "{name}"\ndriver = "process"\naddress = "{pools[name].socket}"\n'
                f"price_per_h = {price}\nworkers_max = 4\n"
                for name, price in PRICES.items()
            )
        )
        specs = {spec.kind: spec for spec in service_specs(options, place)}
        acts = specs["autoscaler"].with_environ(
            HASTEN_AUTOSCALER_MODE="act",
            HASTEN_AUTOSCALER_POOLS=str(listed),
            HASTEN_AUTOSCALER_BOUNDS__WORKERS_MAX="4",
        )
        await supervisor.begin([specs["router"], acts])
        (router,), (autoscaler,) = (supervisor.of_kind(kind) for kind in ("router", "autoscaler"))
        yield Town(router.address, autoscaler.address, pools)


async def measured(rate_per_s: float) -> Loss:
    """Loses the cheap pool once."""
    needed = round(rate_per_s * RUN_S + 0.5)
    found = Found()
    with TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=1000 * RUN_S, beta_ms=0, batch_max=1)
        async with (
            town(models) as mesh,
            AsyncClient(mesh.router) as client,
            grpc.aio.insecure_channel(mesh.autoscaler) as channel,
        ):
            load = Load(client, found, rate_per_s)
            sending = asyncio.create_task(load.run())
            plan = await _until(channel, "own", needed)
            workers = _ready(plan, "own")
            began_s = time.monotonic()
            await mesh.pools["own"].lose()
            await _until(channel, "cloud", workers)
            took_s = time.monotonic() - began_s
            sending.cancel()
            await load.drained()
    return Loss(workers, took_s, plan.lead_s, dict(found.ended))


def _ready(plan: pb.GetPlanResponse, pool: str) -> int:
    return sum(each.pool == pool and each.stage == "ready" for each in plan.workers)


async def _until(channel: grpc.aio.Channel, pool: str, workers: int) -> pb.GetPlanResponse:
    """The plan, as soon as so many serve in a pool."""
    stub = AutoscalerServiceStub(channel)
    async with asyncio.timeout(WAIT_S_MAX):
        while True:
            try:
                plan = await stub.GetPlan(pb.GetPlanRequest())
            except grpc.aio.AioRpcError:
                plan = pb.GetPlanResponse()  # It has not decided anything yet.
            if _ready(plan, pool) >= workers:
                return plan
            await asyncio.sleep(LOOK_S)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rate", type=float, default=15.0, help="calls a second")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    loss = asyncio.run(measured(asked.rate))
    if asked.json:
        print(json.dumps({**asdict(loss), "kept": loss.kept}))
    else:
        print(
            f"{loss.workers} workers were lost; as many served in the other pool after"
            f" {loss.took_s:.1f} s (lead {loss.lead_s:.1f} s, a silent worker is believed for"
            f" {BELIEVED_S:.0f} s)"
        )
        print(f"calls ended: {loss.ended}")
        print("kept" if loss.kept else "broken")
    sys.exit(not loss.kept)


if __name__ == "__main__":
    main()
