"""A mesh is broken again and again while tasks go through it: is anything lost, or done twice?

Workers, schedulers and Redis are killed and stopped by a plan made of a seed, while clients submit
tasks, repeat what got no answer, try to take ids for other content, and look. Then all is left in
peace, and the history is judged (`loadtest.task_history`): everything accepted is done, waits, or
failed with a reason; no task was shown with a second result; hardly any work was done twice, and
that for a known cause.

    python -m loadtest.tasks_chaos [--kills 100] [--tasks 10000] [--time 120] [--seed 1]
    python -m loadtest.tasks_chaos --soak [--kills 1000] [--tasks 1000000] [--progress FILE]

--soak does it in rounds of 10,000 tasks, for hours; the same command goes on after the last round
that FILE has. Ends with status 1 when a promise was broken.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from loadtest.breaking import BreakableMesh, breakable_mesh, plan
from loadtest.repository import write_synthetic
from loadtest.task_causes import causes
from loadtest.task_history import Verdict, check
from loadtest.task_soak import OtherTrial, Round, soak, totals

if TYPE_CHECKING:
    from loadtest.task_clients import Clients

MODEL: Final = "echo"
CALLERS: Final = 16
LOOKERS: Final = 2
BROKEN_SHARE: Final = 0.7
"""Of the time; the rest is for what is left to be done."""
CHECK_S: Final = 1.0
HITS: Final = 100
ROUND_TASKS: Final = 10_000
SOAK_HITS: Final = 1000
SOAK_TASKS: Final = 1_000_000
PROGRESS: Final = Path(".run/tasks_chaos_soak.jsonl")


@dataclass(frozen=True, slots=True)
class Run:
    """What is asked for.

    Attributes:
        hits: Kills and stops.
        tasks: Tasks submitted.
        time_s: From the first task until all is to be over.
        seed: For all choices.
        workers: Number of workers.
        schedulers: Number of schedulers.
        shards: Number of shards.
    """

    hits: int
    tasks: int
    time_s: float
    seed: int
    workers: int
    schedulers: int
    shards: int


async def chaos(run: Run) -> tuple[Verdict, Mapping[str, Any]]:
    """Breaks a mesh; returns the verdict, and facts for people."""
    from loadtest.task_clients import Clients

    environ = {
        **os.environ,
        "HASTEN_SCHEDULER_QUEUE__SHARDS": str(run.shards),
        "HASTEN_SCHEDULER_TELEMETRY__LOG_LEVEL": "debug",
    }
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(Path(folder), MODEL, alpha_ms=2, beta_ms=0.2, batch_max=16, noise=0.2)
        async with breakable_mesh(
            Path(folder), workers=run.workers, schedulers=run.schedulers, environ=environ
        ) as mesh:
            clients = Clients(mesh.schedulers, MODEL, run.seed)
            try:
                return await _break_and_judge(run, mesh, clients)
            finally:
                await clients.close()


async def _break_and_judge(
    run: Run, mesh: BreakableMesh, clients: "Clients"
) -> tuple[Verdict, Mapping[str, Any]]:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    broken_s = run.time_s * BROKEN_SHARE
    looked_enough = asyncio.Event()
    async with asyncio.TaskGroup() as doing:
        watching = doing.create_task(_watch(mesh))
        lookers = [doing.create_task(clients.look_around(looked_enough)) for _ in range(LOOKERS)]
        async with asyncio.TaskGroup() as breaking:
            breaking.create_task(mesh.suffer(plan(run.seed, run.hits, broken_s), run.seed))
            breaking.create_task(clients.submit_all(run.tasks, broken_s, CALLERS))
        in_peace_s = loop.time()
        looked_enough.set()
        await asyncio.gather(*lookers)
        await clients.wait_for_all(began_s + run.time_s)
        watching.cancel()
    over_s = loop.time()
    facts = {
        "took_s": over_s - began_s,
        "in_peace_s": over_s - in_peace_s,
        "hits": sum(mesh.hits.values()),
        **mesh.hits,
        "submits": len(clients.history.submitted),
        "sightings": len(clients.history.sightings),
        "errors": dict(clients.errors),
        "again": dict(causes(mesh.logs).most_common()),
    }
    return check(clients.history), facts


async def _watch(mesh: BreakableMesh) -> None:
    """Raises RuntimeError for a process that ends by itself."""
    while True:
        mesh.check()
        await asyncio.sleep(CHECK_S)


def _show(run: Run, verdict: Verdict, facts: Mapping[str, Any]) -> None:
    hits = ", ".join(f"{count} x {what}" for what, count in facts.items() if " " in what)
    print(f"{facts['hits']} hits by seed {run.seed}: {hits}")
    print(
        f"{verdict.accepted} tasks accepted by {facts['submits']} submits,"
        f" looked at {facts['sightings']} times, in {facts['took_s']:.1f} s"
        f" (the last {facts['in_peace_s']:.1f} s in peace)"
    )
    print(
        f"  done {verdict.done}, failed with a reason {verdict.failed}, waiting {verdict.waiting}"
    )
    print(f"  lost {verdict.lost}, second results {verdict.second_results}")
    print(f"  {verdict.executions:.4f} runs a task at most")
    print("  given to a worker again, after:", json.dumps(facts["again"]))
    print("  calls that failed:", json.dumps(facts["errors"]))
    for fault in verdict.faults:
        print(f"BROKEN: {fault}")


def _soak(said: argparse.Namespace) -> None:
    tasks, hits = said.tasks or SOAK_TASKS, said.kills or SOAK_HITS
    rounds = max(1, round(tasks / ROUND_TASKS))
    run = replace(_run(said), tasks=round(tasks / rounds), hits=round(hits / rounds))

    def judged(number: int) -> tuple[Verdict, int]:
        verdict, facts = asyncio.run(chaos(replace(run, seed=run.seed + number)))
        return verdict, facts["hits"]

    seen: list[Round] = []
    try:
        for each in soak(said.progress, asdict(run), rounds, judged):
            seen.append(each)
            if not said.json:
                told = each.verdict
                print(
                    f"round {each.number + 1} of {rounds}, seed {run.seed + each.number}: "
                    f"{each.hits} hits, {told.accepted} accepted, {told.lost} lost, "
                    f"{told.second_results} second results, {told.executions:.4f} runs a task",
                    flush=True,
                )
    except OtherTrial as error:
        sys.exit(f"tasks_chaos: {error}")
    except KeyboardInterrupt:
        sys.exit(f"tasks_chaos: ended after {len(seen)} rounds; the same command goes on")
    found = totals(seen)
    if said.json:
        print(json.dumps(asdict(found)))
    else:
        verdict = found.verdict
        print(
            f"{found.rounds} rounds, {found.hits} hits: {verdict.accepted} tasks accepted, "
            f"done {verdict.done}, failed with a reason {verdict.failed}, waiting "
            f"{verdict.waiting}, lost {verdict.lost}, second results {verdict.second_results}, "
            f"{verdict.executions:.4f} runs a task"
        )
        for fault in verdict.faults:
            print(f"BROKEN: {fault}")
    sys.exit(1 if found.verdict.faults else 0)


def _run(said: argparse.Namespace) -> Run:
    return Run(
        hits=said.kills or HITS,
        tasks=said.tasks or ROUND_TASKS,
        time_s=said.time,
        seed=said.seed,
        workers=said.workers,
        schedulers=said.schedulers,
        shards=said.shards,
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, help=f"and stops: {HITS}, of a soak {SOAK_HITS}")
    parser.add_argument("--tasks", type=int, help=f"{ROUND_TASKS}, of a soak {SOAK_TASKS}")
    parser.add_argument("--time", type=float, default=120.0, help="seconds for all, or a round")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument("--schedulers", type=int, default=2)
    parser.add_argument("--shards", type=int, default=4)
    parser.add_argument("--soak", action="store_true", help="in rounds that are kept in a file")
    parser.add_argument(
        "--progress", type=Path, default=PROGRESS, metavar="FILE", help="rounds of a soak"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    # It starts processes all the time. gRPC's preparations for forks, which it makes when it is
    # imported, end such a process now and then before it has become what it is to be.
    os.environ["GRPC_ENABLE_FORK_SUPPORT"] = "0"
    if said.soak:
        _soak(said)
    run = _run(said)
    verdict, facts = asyncio.run(chaos(run))
    if said.json:
        print(json.dumps({**facts, **asdict(verdict)}))
    else:
        _show(run, verdict, facts)
    sys.exit(1 if verdict.faults else 0)


if __name__ == "__main__":
    main()
