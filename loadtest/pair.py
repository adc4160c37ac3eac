"""Two trees side by side: what a change does to the latency of a call.

    python -m loadtest.pair OLD_TREE [NEW_TREE] [--callers 1,8] [--rounds 20] [--json]

A mesh of each tree runs on this machine, with one worker and a model that takes no time. They
take turns of a third of a second, straight to the worker and through the router, so that a noisy
machine disturbs both alike; "paired" is the median over the rounds of new less old. Each tree needs
its own environment: run `make setup` there. `git worktree add DIR COMMIT` makes an older tree.
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from loadtest import closed_loop
from loadtest.call import serialised
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_mean

TURN_S = 0.3
WAYS = ("direct", "router")

Medians = dict[tuple[str, str, int], list[float]]
"""Of each turn, in microseconds, by tree, way and callers."""


def python_of(tree: Path) -> str:
    """The interpreter that a tree's services run on.

    Raises:
        SystemExit: The tree has none yet.
    """
    python = tree / ".venv" / "bin" / "python"
    if not python.exists():
        raise SystemExit(f"{tree} has no environment: run `make setup` there")
    return str(python)


def take_turns(meshes: dict[str, Mesh], callers: list[int], rounds: int) -> Medians:
    """The median latency of each turn."""
    payload = serialised("mean", "INPUT", np.ones((1, 16), np.float32))
    found: Medians = {}
    for _ in range(rounds):
        for tree, mesh in meshes.items():
            for way, address in zip(WAYS, (mesh.workers[0], mesh.router), strict=True):
                for count in callers:
                    run = asyncio.run(
                        closed_loop.run(address, payload, callers=count, seconds=TURN_S)
                    )
                    found.setdefault((tree, way, count), []).append(run.quantile_s(0.5) * 1e6)
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def rows(found: Medians, callers: list[int]) -> list[dict[str, float | str]]:
    """A row for each way and number of callers."""
    made: list[dict[str, float | str]] = []
    for way in WAYS:
        for count in callers:
            old, new = found["old", way, count], found["new", way, count]
            pairs = [after - before for before, after in zip(old, new, strict=True)]
            made.append(
                {
                    "way": way,
                    "callers": count,
                    "old_us": statistics.median(old),
                    "new_us": statistics.median(new),
                    "paired_us": statistics.median(pairs),
                }
            )
    return made


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, help="folder of the one tree")
    parser.add_argument("new", type=Path, nargs="?", default=Path(), help="the other [default: .]")
    parser.add_argument("--callers", default="1,8", help="concurrent callers, as 1,8")
    parser.add_argument("--rounds", type=int, default=20, help="turns of each tree")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    said = parser.parse_args()
    callers = [int(count) for count in said.callers.split(",")]
    pythons = {"old": python_of(said.old), "new": python_of(said.new)}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_mean(Path(folder), "mean", width=16)
        meshes = {
            tree: stack.enter_context(running_mesh(Path(folder), python=python))
            for tree, python in pythons.items()
        }
        found = rows(take_turns(meshes, callers, said.rounds), callers)
    if said.json:
        print(json.dumps(found))
        return
    print("way     callers   old p50   new p50   paired")
    for row in found:
        print(
            f"{row['way']:<7} {row['callers']:>7} {row['old_us']:>6.0f} us {row['new_us']:>6.0f} us"
            f" {row['paired_us']:>+5.0f} us"
        )


if __name__ == "__main__":
    main()
