"""What a mesh on this machine adds to the times that models are said to take.

The simulator knows neither processes nor sockets. Three figures stand for them: what an idle
mesh adds to a call, how much that varies, and what a lane adds to a batch.
"""

import asyncio
import time
from dataclasses import dataclass, replace
from math import log
from statistics import median
from typing import Final

import grpc

from hasten_sim.scenario import BatchTimes, ModelShape, Scenario
from loadtest.call import OPTIONS, open_infer
from loadtest.executed import executed_of
from loadtest.mesh import Mesh

CALLS: Final = 50
BATCHES: Final = 6
BACKLOGS: Final = 3
PATIENCE_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class Overhead:
    """Seconds that this machine adds.

    Attributes:
        batch_s: To each batch: waking up late from sleep, and the way to the next batch.
        call_s: To a call of an idle mesh, beside that: client, router, worker and back, at best.
        jitter_s: Mean of what comes on top of call_s.
    """

    batch_s: float
    call_s: float
    jitter_s: float


async def measured(mesh: Mesh, model: ModelShape, payload: bytes) -> Overhead:
    """Measures an idle mesh with one of its models; `payload` asks for one row of it."""
    tried = [await _batch_s(mesh.workers[0], model, payload) for _ in range(BACKLOGS)]
    # The median: one backlog may meet something else that this machine does.
    batch_s = max(0.0, median(tried))
    took_s = await _calls_s(mesh.router, payload)
    least_s = min(took_s)
    # By the median, for the mean of fifty calls is that of the one that met something else. The
    # median of an exponential addition is its mean times log 2.
    return Overhead(
        batch_s=batch_s,
        call_s=max(0.0, least_s - model.times.seconds(1) - batch_s),
        jitter_s=(median(took_s) - least_s) / log(2.0),
    )


async def _calls_s(address: str, payload: bytes) -> list[float]:
    """Seconds of calls that meet nobody."""
    took: list[float] = []
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        infer = open_infer(channel)
        # The first ones open connections.
        await infer(payload, timeout=PATIENCE_S)
        for _ in range(CALLS):
            sent_s = time.monotonic()
            await infer(payload, timeout=PATIENCE_S)
            took.append(time.monotonic() - sent_s)
    return took


async def _batch_s(worker: str, model: ModelShape, payload: bytes) -> float:
    """Seconds a batch beyond what the model takes, when one worker has batch upon batch to do."""
    async with grpc.aio.insecure_channel(worker, options=OPTIONS) as channel:
        infer = open_infer(channel)
        await infer(payload, timeout=PATIENCE_S)
        before = await executed_of(worker, model.name)
        sent_s = time.monotonic()
        calls = (infer(payload, timeout=PATIENCE_S) for _ in range(BATCHES * model.batch_max))
        await asyncio.gather(*calls)
        took_s = time.monotonic() - sent_s
    after = await executed_of(worker, model.name)
    batches, rows = after.batches - before.batches, after.rows - before.rows
    told_s = batches * model.times.alpha_s + rows * model.times.beta_s
    return (took_s - told_s) / batches


def calibrated(scenario: Scenario, overhead: Overhead) -> Scenario:
    """The scenario with this machine's additions, the same requests at the same times."""
    network = replace(
        scenario.mesh.network, latency_s=overhead.call_s / 2, jitter_s=overhead.jitter_s / 2
    )
    models = tuple(_slower(model, overhead.batch_s) for model in scenario.models)
    return replace(scenario, mesh=replace(scenario.mesh, network=network), models=models)


def with_arrivals_of(scenario: Scenario, seed: int) -> Scenario:
    """The scenario with the same requests whatever seed it runs with: that is left to decide on
    the network and on ties.
    """
    given = scenario.arrivals
    return replace(scenario, arrivals=lambda _: given(seed))


def _slower(model: ModelShape, batch_s: float) -> ModelShape:
    times = BatchTimes(model.times.alpha_s + batch_s, model.times.beta_s)
    # Workers profile a synthetic model by what it is told to take.
    full = model.batch_max
    return replace(
        model, times=times, profiled_factor=model.times.seconds(full) / times.seconds(full)
    )
