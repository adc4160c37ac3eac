"""One step of demand on a real mesh and in the simulator: are workers there at the same time?

Demand of a real mesh steps to three times and back, as `loadtest.autoscale_live` does it, and is
looked at each second. The simulator then plays the same calls with the same policy, and with the
time that starts were measured to take. Compared are the workers that served, second by second, and
the share of calls that was not answered in time.

    python -m loadtest.autoscale_alike [--times 2] [--rate 6] [--port 0] [--json]

Ends with status 1 when the numbers of ready workers differ by more than one for more than 5 % of
the time, or the misses by more than two percentage points.
"""

import argparse
import asyncio
import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import grpc.aio

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten_client import AsyncClient
from hasten_policy.registry import resolve
from hasten_sim.simulate import simulate_scaled
from hasten_sim.workload import parse
from loadtest.autoscale_live import (
    DEADLINE_S,
    MODEL,
    PERIOD_S,
    QUICK,
    RUN_S,
    WORKERS,
    Found,
    Load,
    mesh,
    until,
)
from loadtest.repository import write_synthetic

CALM_S: Final = 20.0
UP_S: Final = 30.0
TIMES_AS_MUCH: Final = 3.0
APART_MAX: Final = 0.05
MISSES_MAX: Final = 0.02
SEED: Final = 1


@dataclass(frozen=True, slots=True)
class Course:
    """What happened to one pool.

    Attributes:
        ready: Workers that served, at the end of each second.
        missed: Share of the calls that was not answered in time.
    """

    ready: tuple[int, ...]
    missed: float


@dataclass(frozen=True, slots=True)
class Alike:
    """How far two courses are apart.

    Attributes:
        seconds: That were compared.
        apart: Share of them in which the ready workers differ by more than one.
        live_missed: Share of the calls that the real mesh missed.
        simulated_missed: And the simulated one.
        start_s: From a decision to a ready worker, as measured.
    """

    seconds: int
    apart: float
    live_missed: float
    simulated_missed: float
    start_s: float

    @property
    def broken(self) -> list[str]:
        """The promises that were."""
        misses = abs(self.live_missed - self.simulated_missed)
        return [
            *([f"ready workers apart for {self.apart:.1%}"] if self.apart > APART_MAX else []),
            *([f"misses {misses:.1%} apart"] if misses > MISSES_MAX else []),
        ]


def compared(live: Course, simulated: Course, start_s: float) -> Alike:
    """The one beside the other."""
    pairs = list(zip(live.ready, simulated.ready, strict=False))
    apart = sum(abs(one - other) > 1 for one, other in pairs) / max(1, len(pairs))
    return Alike(len(pairs), apart, live.missed, simulated.missed, start_s)


async def lived(times: int, rate_per_s: float, port: int) -> tuple[Course, float]:
    """The course on a real mesh, and how long a start took."""
    found, ready = Found(), list[int]()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=1000 * RUN_S, beta_ms=0, batch_max=1)
        async with (
            mesh(models, port) as facts,
            AsyncClient(facts["address"]) as client,
            grpc.aio.insecure_channel(facts["autoscaler"]["address"]) as channel,
        ):
            stub = AutoscalerServiceStub(channel)
            await until(stub, lambda plan: plan.ready >= WORKERS[0] and plan.last.number > 0)
            load = Load(client, found, rate_per_s)
            sending = asyncio.create_task(load.run())
            began_s = asyncio.get_running_loop().time()
            for second in range(1, int(times * (CALM_S + UP_S) + CALM_S) + 1):
                up = (second - 1) % (CALM_S + UP_S) >= CALM_S
                load.rate_per_s = rate_per_s * (TIMES_AS_MUCH if up else 1.0)
                due_s = began_s + second - asyncio.get_running_loop().time()
                await asyncio.sleep(max(0.0, due_s))
                ready.append((await stub.GetPlan(pb.GetPlanRequest())).ready)
            plan = await stub.GetPlan(pb.GetPlanRequest())
            sending.cancel()
            await load.drained()
    answered = found.ended["answered"]
    return Course(tuple(ready), 1.0 - answered / found.calls), plan.lead_s - PERIOD_S


def simulated(times: int, rate_per_s: float, start_s: float, seconds: int) -> Course:
    """The course in virtual time."""
    scenario = parse(workload(times, rate_per_s, start_s), "alike.toml").scenario()
    figures = simulate_scaled(scenario, resolve("hasten"), SEED, rule())
    if figures.scaling is None:
        raise AssertionError("a scaled run has figures of scaling")
    decisions = figures.scaling.decisions
    ready = tuple(
        max((each for each in decisions if each.at_s <= second), key=lambda each: each.at_s).ready
        for second in range(1, seconds + 1)
    )
    return Course(ready, 1.0 - figures.attainment)


def rule() -> str:
    """The policy of the real mesh, as the simulator takes it."""
    return ",".join(
        ("hasten", *(f"{key.rpartition('__')[2].lower()}={value}" for key, value in QUICK.items()))
    )


def workload(times: int, rate_per_s: float, start_s: float) -> str:
    """The calls of the real mesh, as a workload file."""
    steps = [
        f"{{ at_s = {at_s:g}, factor = {factor:g} }}"
        for number in range(times)
        for at_s, factor in (
            (number * (CALM_S + UP_S) + CALM_S, TIMES_AS_MUCH),
            ((number + 1) * (CALM_S + UP_S), 1.0),
        )
    ]
    return f"""
name = "alike"
duration_s = {times * (CALM_S + UP_S) + CALM_S:g}
[mesh]
workers = {WORKERS[0]}
lanes = 1
[pool]
workers_min = {WORKERS[0]}
workers_max = {WORKERS[1]}
process_s = {start_s:g}
warm_s = 0
start_cv = 0.1
[arrivals]
process = "step"
rate_per_s = {rate_per_s:g}
cv = 0
steps = [{", ".join(steps)}]
[[models]]
name = "{MODEL}"
alpha_ms = {1000 * RUN_S:g}
[deadlines]
kind = "fixed"
ms = {1000 * DEADLINE_S:g}
"""


def _shown(ready: Sequence[int]) -> str:
    return "".join(str(min(9, each)) for each in ready)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--rate", type=float, default=6.0, help="calls a second before the step")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    asked = parser.parse_args()
    live, start_s = asyncio.run(lived(asked.times, asked.rate, asked.port))
    virtual = simulated(asked.times, asked.rate, start_s, len(live.ready))
    found = compared(live, virtual, start_s)
    if asked.json:
        courses = {"live": asdict(live), "simulated": asdict(virtual)}
        print(json.dumps({**asdict(found), **courses, "broken": found.broken}))
    else:
        print(f"ready each second, live:      {_shown(live.ready)}")
        print(f"ready each second, simulated: {_shown(virtual.ready)}")
        print(
            f"more than one worker apart for {found.apart:.1%} of {found.seconds} s; missed "
            f"{found.live_missed:.2%} and {found.simulated_missed:.2%}; a start takes "
            f"{found.start_s:.1f} s"
        )
        print("alike" if not found.broken else "; ".join(found.broken))
    raise SystemExit(bool(found.broken))


if __name__ == "__main__":
    main()
