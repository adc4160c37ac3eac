"""Offers a workload file to a mesh on this machine, and says what came of it.

The requests are the very ones that the simulator would be given, at the same times. With
--compare it is given them, several times with other draws of the network, and both are shown side
by side.

    python -m loadtest.workload loadtest/workloads/local.toml [--load 1.1] [--sweep 0.5,0.8,1.1,1.5]
        [--duration 20] [--workers 2] [--seed 1] [--compare] [--json]
"""

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from hasten_policy.registry import PolicySet
from hasten_sim.scenario import Scenario
from hasten_sim.simulate import simulate
from hasten_sim.workload import Workload, WorkloadError
from hasten_sim.workload import load as load_file
from loadtest import generator
from loadtest.attainment import Found, table
from loadtest.calibrate import calibrated, measured, with_arrivals_of
from loadtest.mesh import running_mesh
from loadtest.offering import Payloads, busiest, impossible, planned, write_models
from loadtest.summary import quantile, summarise

QUANTILES = (0.5, 0.9, 0.99, 0.999)
SIMULATIONS = 8


def offer(workload: Workload, scenario: Scenario, seed: int, *, compare: bool) -> Found:
    """Starts a fresh mesh, so that nothing is left of earlier loads, and offers one load."""
    payloads = Payloads(workload, scenario)
    mesh_shape = scenario.mesh
    with tempfile.TemporaryDirectory() as folder:
        write_models(scenario, Path(folder))
        with running_mesh(
            Path(folder),
            workers=mesh_shape.workers,
            processes=mesh_shape.routers,
            lanes=mesh_shape.lanes,
        ) as mesh:
            overhead = None
            if compare:
                model = busiest(scenario)
                probe = payloads.of(model, 1, 0, 0)
                overhead = asyncio.run(measured(mesh, scenario.models[model], probe))
            calls = planned(scenario, payloads, seed)
            outcomes = generator.offer(mesh.router, calls).outcomes
    counted = [
        outcome
        for outcome, arrival in zip(outcomes, scenario.arrivals(seed), strict=True)
        if arrival.at_s >= scenario.warmup_s
    ]
    simulated: tuple[float, ...] = ()
    if overhead is not None:
        simulated = simulations(with_arrivals_of(calibrated(scenario, overhead), seed))
    return Found(
        load=scenario.offered_per_s / workload.capacity_per_s(workers=mesh_shape.workers),
        measured_s=scenario.duration_s - scenario.warmup_s,
        summary=summarise(counted),
        answer_ms=_quantiles([o.took_s for o in counted if o.answered]),
        refusal_ms=_quantiles([o.took_s for o in counted if not o.answered]),
        sender_late_ms=quantile([o.sent_late_s for o in counted], 0.99) * 1e3,
        overhead=overhead,
        simulated=simulated,
    )


def simulations(scenario: Scenario) -> tuple[float, ...]:
    """Attainment by simulation, several times: which models gather on which worker is decided by
    microseconds, in the simulator as in reality, and moves attainment by a point or so.
    """
    return tuple(simulate(scenario, PolicySet(), seed).attainment for seed in range(SIMULATIONS))


def _quantiles(seconds: list[float]) -> dict[str, float]:
    return {f"p{q * 100:g}": quantile(seconds, q) * 1e3 for q in QUANTILES}


def _loads(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("file", type=Path, help="workload file; see docs/workloads.md")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--load", dest="loads", type=_loads, help="multiple of the capacity")
    which.add_argument(
        "--sweep", dest="loads", type=_loads, metavar="LOAD,LOAD", help="several, one by one"
    )
    parser.add_argument("--duration", type=float, metavar="S", help="seconds of each load")
    parser.add_argument("--workers", type=int, help="number of workers")
    parser.add_argument("--seed", type=int, default=1, help="of the requests")
    parser.add_argument("--compare", action="store_true", help="simulate the same as well")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    return parser.parse_args()


def main() -> int:
    """Entry point; returns the exit code."""
    said = _arguments()
    try:
        workload = load_file(said.file)
        scenarios = [
            workload.scenario(load=load, workers=said.workers, duration_s=said.duration)
            for load in said.loads or [None]
        ]
    except WorkloadError as error:
        print(error, file=sys.stderr)
        return 2
    cannot = impossible(workload)
    if cannot:
        print(*(f"{said.file}: {reason}" for reason in cannot), sep="\n", file=sys.stderr)
        return 2
    found: list[Found] = []
    try:
        for scenario in scenarios:
            print(
                f"{workload.name}: {scenario.offered_per_s:.0f}/s for {scenario.duration_s:g} s",
                file=sys.stderr,
            )
            found.append(offer(workload, scenario, said.seed, compare=said.compare))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    if said.json:
        print(json.dumps([one.as_json() for one in found]))
    else:
        print(table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
