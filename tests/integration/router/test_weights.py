"""Operators' weights through a real mesh: the share of the calls follows them."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from pathlib import Path

import numpy as np
import pytest

import hasten_client as hc
from loadtest.repository import write_synthetic
from tests.support.servers import ConsulAgent
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

CALLS = 200
X = np.ones((1, 2), np.float32)
WITHIN = 0.14
"""Of a share: more than four times the standard deviation of so many draws."""


async def ran(workers: dict[str, Service]) -> dict[str, int]:
    """How many calls each worker has run."""
    counts = {}
    for name, worker in workers.items():
        async with hc.AsyncClient(worker.address) as client:
            (step,) = await client.statistics()
            counts[name] = step.inference_count
    return counts


async def share_of(name: str, workers: dict[str, Service], client: hc.AsyncClient) -> float:
    """Of the next calls, the worker's share."""
    before = await ran(workers)
    for _ in range(CALLS):
        await client.infer("step", {"INPUT": X}, deadline_s=60.0)
    after = await ran(workers)
    new = {each: after[each] - before[each] for each in workers}
    assert sum(new.values()) == CALLS
    return new[name] / CALLS


@asynccontextmanager
async def mesh(
    folder: Path, consul: ConsulAgent, weights: dict[str, str]
) -> AsyncIterator[tuple[dict[str, Service], hc.AsyncClient]]:
    """Real workers with these weights, and a client of the router in front of them."""
    models = folder / "models"
    write_synthetic(models, "step", alpha_ms=0.1, beta_ms=0, batch_max=1)
    discovery = {"kind": "consul", "address": consul.address, "lease_s": "60"}
    own = {"policy__balancer": "weighted_random", "policy__slow_start_s": "0", "seed": "1"}
    with ExitStack() as running:
        workers = {
            name: running.enter_context(
                running_service(
                    "hasten_worker.main",
                    worker_environ(name, models, discovery, weight=weight),
                    log_path=folder / f"{name}.log",
                )
            )
            for name, weight in weights.items()
        }
        router = running.enter_context(
            running_service(
                "hasten_router.main",
                router_environ(discovery, **own, **NOBODY_FREEZES),
                log_path=folder / "router.log",
            )
        )
        async with AsyncExitStack() as stack:
            client = await stack.enter_async_context(hc.AsyncClient(router.address))
            await eventually(lambda: all_ready(client, len(workers)))
            yield workers, client


async def all_ready(client: hc.AsyncClient, count: int) -> bool:
    return [worker.standing for worker in await client.workers()] == ["ready"] * count


async def test_the_share_of_the_calls_follows_the_weights_also_when_they_change(
    tmp_path: Path, own_consul_agent: ConsulAgent
) -> None:
    async with mesh(tmp_path, own_consul_agent, {"light": "1", "heavy": "3"}) as (workers, client):
        assert await share_of("heavy", workers, client) == pytest.approx(3 / 4, abs=WITHIN)

        entry = own_consul_agent.get("/v1/agent/service/hasten-worker-light")
        assert entry["Meta"]["weight"] == "1"
        own_consul_agent.put(
            "/v1/agent/service/register",
            {
                "ID": entry["ID"],
                "Name": entry["Service"],
                "Address": entry["Address"],
                "Port": entry["Port"],
                "Meta": {**entry["Meta"], "weight": "9"},
            },
        )
        log = tmp_path / "router.log"
        await eventually(lambda: "roster.weighed" in log.read_text())
        assert await share_of("heavy", workers, client) == pytest.approx(3 / 12, abs=WITHIN)
        assert log.read_text().count("roster.joined") == len(workers), "a link was opened anew"
