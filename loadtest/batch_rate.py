"""Throughput with company: how near to a server that does nothing but batch?

The model is a sentence encoder of MiniLM's size (six layers, 384 wide, random weights), asked by 8
callers in a closed loop for 32 tokens each. The mesh, with one worker and no configuration, takes
turns with a bare server that runs all that waits at once, and with one whose first call waits 2 ms
for the others (loadtest.batching_server); onnxruntime has the same settings in all. The share is
the median over the rounds, of the better of the two bare ones.

    python -m loadtest.batch_rate [--rounds 5] [--seconds 2] [--callers 8] [--length 32] [--json]
"""

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from loadtest import computing, generator
from loadtest.computing import ENCODER
from loadtest.executed import executed_of
from loadtest.mesh import running_mesh
from loadtest.yardstick_server import started

WAIT_MS: Final = "2"
MESH, AT_ONCE, WAITING = "mesh", "all at once", "after 2 ms"
AIM: Final = 0.95


@dataclass(frozen=True)
class Rate:
    """What was measured.

    Attributes:
        per_s: Calls a second, medians, by server.
        share: Of the mesh in the better bare server, median over the rounds.
        rows_a_batch: Rows that the mesh ran together, mean.
    """

    per_s: dict[str, float]
    share: float
    rows_a_batch: float


def measured(addresses: dict[str, str], said: argparse.Namespace) -> Rate:
    """Takes turns over the servers."""
    payload = [computing.payload(ENCODER, said.length)]

    def rate(server: str, seconds: float) -> float:
        sent = generator.keep_busy(
            addresses[server], payload, callers=said.callers, seconds=seconds
        )
        return sum(outcome.answered for outcome in sent.outcomes) / sent.wall_s

    for server in addresses:
        rate(server, min(1.0, said.seconds))
    before = asyncio.run(executed_of(addresses[MESH], ENCODER))
    rounds: list[dict[str, float]] = []
    for _ in range(said.rounds):
        rounds.append({server: rate(server, said.seconds) for server in addresses})
        print(".", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    after = asyncio.run(executed_of(addresses[MESH], ENCODER))
    per_s = {server: statistics.median(one[server] for one in rounds) for server in addresses}
    best = max((AT_ONCE, WAITING), key=lambda server: per_s[server])
    share = statistics.median(one[MESH] / one[best] for one in rounds)
    return Rate(per_s, share, (after.rows - before.rows) / (after.batches - before.batches))


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="turns of each server")
    parser.add_argument("--seconds", type=float, default=2.0, help="length of one turn")
    parser.add_argument("--callers", type=int, default=8)
    parser.add_argument("--length", type=int, default=32, help="tokens of a call")
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        computing.write(Path(folder), ENCODER)
        model = str(Path(folder, ENCODER, "1", "model.onnx"))
        addresses = {MESH: stack.enter_context(running_mesh(Path(folder))).router}
        for server, arguments in ((AT_ONCE, (model,)), (WAITING, (model, WAIT_MS))):
            addresses[server], _ = stack.enter_context(
                started("loadtest.batching_server", *arguments)
            )
        found = measured(addresses, said)
    if said.json:
        print(json.dumps(asdict(found)))
        return
    for server, per_s in found.per_s.items():
        print(f"{server:<12} {per_s:>7.1f} calls/s")
    print(
        f"the mesh does {found.share:.0%} of the better bare server (aim {AIM:.0%}), "
        f"{found.rows_a_batch:.1f} rows a batch"
    )


if __name__ == "__main__":
    main()
