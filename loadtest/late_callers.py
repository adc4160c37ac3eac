"""Twenty callers, one worker, room for three: who is run, and how soon do the others know?

Twenty calls of 300 ms reach one worker at once; each caller leaves after one second, so three
can succeed. A server without deadlines runs four to all twenty of them and lets the losers wait
the full second.

One Python process takes some milliseconds to send twenty calls and would time itself if it sent
them in one go, so the callers come a millisecond apart; `--spacing-ms 0` sends all at once.

    python -m loadtest.late_callers [--spacing-ms 1] [--json]
"""

import argparse
import asyncio
import json
import tempfile
import time
from pathlib import Path

import grpc
import numpy as np

from loadtest.call import OPTIONS, Outcome, open_infer, serialised, timed_call
from loadtest.executed import executed_of
from loadtest.mesh import running_mesh
from loadtest.repository import write_synthetic

CALLS = 20
RUN_MS = 300
PATIENCE_S = 1.0


async def experiment(address: str, spacing_s: float) -> tuple[list[Outcome], int]:
    """Sends the calls `spacing_s` apart; returns the outcomes and how many were executed."""
    payload = serialised("slow", "INPUT", np.zeros((1, 4), np.float32))
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        before = (await executed_of(address, "slow")).batches
        await channel.channel_ready()
        infer = open_infer(channel)

        async def one(number: int) -> Outcome:
            await asyncio.sleep(number * spacing_s)
            # Timed from its own sending: this process may be late.
            due_s = time.monotonic()
            return await timed_call(infer, payload, due_s=due_s, deadline_s=PATIENCE_S)

        outcomes = await asyncio.gather(*(one(number) for number in range(CALLS)))
        # Were refused calls run all the same, it would show after the last patience ended.
        await asyncio.sleep(CALLS * RUN_MS / 1000 / 4)
        return list(outcomes), (await executed_of(address, "slow")).batches - before


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    parser.add_argument("--spacing-ms", type=float, default=1.0, help="between two callers")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic(Path(folder), "slow", alpha_ms=RUN_MS, beta_ms=0, batch_max=1)
        with running_mesh(Path(folder)) as mesh:
            outcomes, ran = asyncio.run(experiment(mesh.router, said.spacing_ms / 1000))
    refused = sorted(o.took_s * 1000 for o in outcomes if not o.answered)
    answered = sorted(o.took_s * 1000 for o in outcomes if o.answered)
    if said.json:
        sent_s = sorted(outcome.due_s for outcome in outcomes)
        found = {"executed": ran, "answered_ms": answered, "refused_ms": refused}
        print(json.dumps({**found, "sent_within_ms": (sent_s[-1] - sent_s[0]) * 1000}))
        return
    print(f"{CALLS} calls of {RUN_MS} ms on one worker, callers leave after {PATIENCE_S:.0f} s:")
    print(
        f"  executed {ran}, answered {len(answered)} after", *(f"{ms:.0f}" for ms in answered), "ms"
    )
    print(
        f"  refused  {len(refused)}, the slowest refusal after {refused[-1]:.1f} ms"
        if refused
        else ""
    )
    reasons = sorted({outcome.reason for outcome in outcomes if not outcome.answered})
    print("  reasons ", ", ".join(reasons) or "none")


if __name__ == "__main__":
    main()
