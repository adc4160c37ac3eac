"""What attacks do to a mesh, one by one, beside callers who are honest.

Honest callers call at a steady pace, first alone and then beside the attack, each time over
connections of their own. The table says what share of them was answered, how much longer their
99th percentile was than alone, how many were CANCELLED, what the mesh's processes held beyond
what they held before, how many of these processes are still there, and when the honest were served
as before once the attack was over.

The attacker is a process of lower priority, as it would have machines of its own.

    python -m loadtest.hostile [--only NAME] [--seconds 5] [--json]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np
import psutil

from loadtest import generator
from loadtest.attacks.__main__ import ATTACKS
from loadtest.attacks.where import MODEL
from loadtest.call import Outcome, serialised
from loadtest.mesh import Mesh, running_mesh
from loadtest.repository import write_synthetic
from loadtest.summary import quantile

MIB: Final = 2**20
RATE_PER_S: Final = 40.0
DEADLINE_S: Final = 2.0
LOOK_S: Final = 0.05
HEAD_START_S: Final = 0.5
"""Of the attack before the honest come."""
LAST_S: Final = 600.0
"""Longest attack: it is ended when the honest are done."""
STOP_S_MAX: Final = 10.0
RECOVERY_S_MAX: Final = 30.0
IN_A_ROW: Final = 10
AS_BEFORE: Final = 3.0
"""Of the p99 alone: the honest are served as before."""
P99_S_MIN: Final = 0.005
"""A p99 that is shorter counts as this: below it a busy machine decides."""


@dataclass(frozen=True)
class Row:
    """What one attack did.

    Attributes:
        attack: Its name.
        honest: Calls beside it.
        answered: Share of them, in time.
        cancelled: Of them, cut without a reason.
        alone_p99_ms: Without the attack.
        p99_factor: Beside it, of alone.
        memory_mib: Of router and workers together, at most, beyond before.
        alive: Processes of the mesh that are still there, ...
        processes: ... of so many.
        recovered_s: Until the honest were served as before, after the attack.
        left_out: Why calls were not answered.
    """

    attack: str
    honest: int
    answered: float
    cancelled: int
    alone_p99_ms: float
    p99_factor: float
    memory_mib: float
    alive: int
    processes: int
    recovered_s: float
    left_out: dict[str, int]


@dataclass
class Peak:
    """Most that processes held while it was looked."""

    bytes: int = 0


def _resident(pids: tuple[int, ...]) -> int:
    total = 0
    for pid in pids:
        try:
            total += psutil.Process(pid).memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


@contextmanager
def _watched(pids: tuple[int, ...]) -> Iterator[Peak]:
    """Looks at what the processes hold until the block ends."""
    peak, over = Peak(), threading.Event()

    def look() -> None:
        while not over.wait(LOOK_S):
            peak.bytes = max(peak.bytes, _resident(pids))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    try:
        yield peak
    finally:
        over.set()
        thread.join()


@contextmanager
def _attacked(mesh: Mesh, attack: str) -> Iterator[None]:
    """The attack is on inside the block."""
    where = {
        "router": mesh.router,
        "http": mesh.http,
        "worker": mesh.workers[0],
        "metrics": mesh.metrics,
    }
    command = [sys.executable, "-m", "loadtest.attacks", attack, json.dumps(where), str(LAST_S)]
    attacker = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    assert attacker.stdout is not None  # noqa: S101  (asked for above)
    try:
        if not attacker.stdout.readline():
            raise RuntimeError(f"the attack {attack} did not begin")
        yield
    finally:
        attacker.kill()
        attacker.wait(STOP_S_MAX)
        attacker.stdout.close()


def _honest(mesh: Mesh, payload: bytes, seconds: float) -> tuple[Outcome, ...]:
    offer = generator.Offer(RATE_PER_S, seconds, DEADLINE_S)
    return generator.offer(mesh.router, offer.planned([payload])).outcomes


def _p99_s(outcomes: tuple[Outcome, ...]) -> float:
    return max(P99_S_MIN, quantile([each.took_s for each in outcomes if each.answered], 0.99))


def _recovered_s(mesh: Mesh, payload: bytes, as_before_s: float) -> float:
    """Seconds from now until ten calls in a row were served as before; when the first began."""
    began_s = time.monotonic()
    since_s, row = began_s, 0
    while row < IN_A_ROW:
        if time.monotonic() - began_s > RECOVERY_S_MAX:
            return RECOVERY_S_MAX
        asked_s = time.monotonic()
        [outcome] = generator.one_by_one(mesh.router, [(payload, DEADLINE_S)]).outcomes
        well = outcome.answered and outcome.took_s <= as_before_s
        since_s, row = (since_s if row else asked_s, row + 1) if well else (asked_s, 0)
    return since_s - began_s


def measure(mesh: Mesh, attack: str, seconds: float) -> Row:
    """Runs one attack for so long, and looks at what it does.

    Args:
        mesh: Serves the model that is called.
        attack: Its name.
        seconds: Of the honest alone, and again beside it.
    """
    payload = serialised(MODEL, "INPUT", np.ones((1, 4), np.float32))
    pids = (mesh.router_pid, *mesh.worker_pids)
    alone_s = _p99_s(_honest(mesh, payload, seconds))
    before = _resident(pids)
    with _watched(pids) as peak:
        with _attacked(mesh, attack):
            time.sleep(HEAD_START_S)
            outcomes = _honest(mesh, payload, seconds)
        recovered_s = _recovered_s(mesh, payload, AS_BEFORE * alone_s)
    left_out = [each.why for each in outcomes if not each.answered]
    return Row(
        attack=attack,
        honest=len(outcomes),
        answered=1.0 - len(left_out) / max(1, len(outcomes)),
        cancelled=sum(each.status == "CANCELLED" for each in outcomes),
        alone_p99_ms=alone_s * 1e3,
        p99_factor=_p99_s(outcomes) / alone_s,
        memory_mib=max(0, peak.bytes - before) / MIB,
        alive=sum(psutil.pid_exists(pid) for pid in pids),
        processes=len(pids),
        recovered_s=recovered_s,
        left_out={why: left_out.count(why) for why in sorted(set(left_out))},
    )


def shown(row: Row) -> str:
    """The row as text."""
    reasons = ", ".join(f"{count} {why}" for why, count in row.left_out.items())
    return (
        f"{row.attack:<18}{row.answered:>8.1%}{row.cancelled:>10}{row.alone_p99_ms:>9.1f} ms"
        f"{row.p99_factor:>7.1f}x{row.memory_mib:>8.0f} MiB{row.alive:>5}/{row.processes}"
        f"{row.recovered_s:>8.2f} s  {reasons}"
    )


HEAD: Final = (
    "attack            answered cancelled p99 alone  beside    memory  alive  recovery  why not"
)


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", action="append", choices=ATTACKS, help="this attack")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each attack, 5 by default")
    parser.add_argument("--json", action="store_true", help="one JSON array on stdout")
    said = parser.parse_args()
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=2, beta_ms=0, batch_max=8)
        with running_mesh(models, workers=2) as mesh:
            if not said.json:
                print(HEAD, flush=True)
            for attack in said.only or ATTACKS:
                rows.append(measure(mesh, attack, said.seconds))
                if not said.json:
                    print(shown(rows[-1]), flush=True)
    if said.json:
        print(json.dumps([asdict(row) for row in rows]))


if __name__ == "__main__":
    main()
