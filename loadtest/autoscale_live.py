"""Demand steps to three times and back, again and again, on a real mesh whose workers are scaled.

Workers run a synthetic model, so that capacity is what the numbers say; the autoscaler's windows
are shortened by its settings, since nobody waits ten minutes for a step down here. While the step
is up tasks are submitted too. Then it is judged: no call failed for another reason than that it was
refused at once, every accepted task is done, the workers were there within the measured lead and
one period, and they went down to the floor again.

    python -m loadtest.autoscale_live [--times 2] [--rate 6] [--port 0] [--json]

Ends with status 1 when a promise was broken. The log of decisions is printed as
`hasten explain scale` has it.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import grpc.aio
import numpy as np

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceStub
from hasten_client import AsyncClient, AsyncTaskClient, HastenError
from loadtest.repository import write_synthetic

if TYPE_CHECKING:
    from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import AutoscalerServiceAsyncStub

MODEL: Final = "work"
RUN_S: Final = 0.1
"""Of one call, one at a time: a worker does ten a second."""
DEADLINE_S: Final = 2.0
PERIOD_S: Final = 1.0
STEP_S_MAX: Final = 120.0
"""Longest wait for the workers to be there, or gone."""
STAY_S: Final = 5.0
WORKERS: Final = (1, 4)
TASKS: Final = 10
REFUSED: Final = frozenset({"OVERLOADED", "QUEUE_FULL", "DEADLINE_INFEASIBLE", "SHED_BEFORE_START"})
"""Said at once, with a hint: admission did its work while workers started."""
QUICK: Final = {
    "PERIOD_S": f"{PERIOD_S}",
    "NO_SCALE_IN_S": "5",
    "LEAD_S": "5",
    "START_AGAIN_S": "2",
    "DOWN_SPAN_S": "1",
    "HASTEN__FAST_S": "3",
    "HASTEN__SLOW_S": "6",
    "HASTEN__PANIC_S": "3",
    "HASTEN__PANIC_HOLD_S": "5",
    "HASTEN__PRESSURE_S": "3",
    "HASTEN__DOWN_S": "5",
    "HASTEN__SETTLE_S": "5",
    "HASTEN__SETTLE_S_MAX": "5",
}


@dataclass(slots=True)
class Step:
    """One step up and down.

    Attributes:
        up_s: From the step until the workers served that it needs.
        lead_s: From a decision to a ready worker, as the autoscaler had measured it.
        workers: Most that served.
        down_s: From the end of the step until the floor.
    """

    up_s: float = 0.0
    lead_s: float = 0.0
    workers: int = 0
    down_s: float = 0.0


@dataclass(slots=True)
class Found:
    """What came of it.

    Attributes:
        calls: Sent.
        ended: Of them, by how they ended: "answered", or a reason.
        tasks: Accepted.
        tasks_done: Of them.
        steps: Each step.
    """

    calls: int = 0
    ended: Counter[str] = field(default_factory=Counter[str])
    tasks: int = 0
    tasks_done: int = 0
    steps: list[Step] = field(default_factory=list[Step])

    @property
    def failed(self) -> int:
        """Calls that were neither answered nor refused by admission."""
        return sum(n for how, n in self.ended.items() if how != "answered" and how not in REFUSED)

    @property
    def broken(self) -> list[str]:
        """The promises that were."""
        late = [step.up_s for step in self.steps if step.up_s > step.lead_s + 2 * PERIOD_S]
        return [
            *([f"{self.failed} calls failed: {dict(self.ended)}"] if self.failed else []),
            *(["tasks were lost"] if self.tasks_done != self.tasks else []),
            *([f"workers came later than lead and period: {late}"] if late else []),
        ]


class Load:
    """Calls at a rate that may be changed, sent whether or not others were answered."""

    def __init__(self, client: AsyncClient, found: Found, rate_per_s: float) -> None:
        self.rate_per_s = rate_per_s
        self._client = client
        self._found = found
        self._open: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Sends until cancelled."""
        while True:
            task = asyncio.create_task(self._call())
            self._open.add(task)
            task.add_done_callback(self._open.discard)
            await asyncio.sleep(1.0 / self.rate_per_s)

    async def drained(self) -> None:
        """Waits for what is open."""
        await asyncio.gather(*self._open)

    async def _call(self) -> None:
        self._found.calls += 1
        try:
            await self._client.infer(
                MODEL, {"INPUT": np.zeros((1, 1), np.float32)}, deadline_s=DEADLINE_S
            )
        except HastenError as error:
            self._found.ended[error.reason or error.status] += 1
        else:
            self._found.ended["answered"] += 1


async def measured(times: int, rate_per_s: float, port: int) -> tuple[Found, list[str]]:
    """Runs the steps; what came of them, and why the workers were as many as they were."""
    found = Found()
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, MODEL, alpha_ms=1000 * RUN_S, beta_ms=0, batch_max=1)
        async with mesh(models, port) as facts:
            plan = facts["autoscaler"]["address"]
            tasks = facts["schedulers"][0]["address"]
            async with (
                AsyncClient(facts["address"]) as client,
                AsyncTaskClient(tasks) as queue,
                grpc.aio.insecure_channel(plan) as channel,
            ):
                stub = AutoscalerServiceStub(channel)
                load = Load(client, found, rate_per_s)
                sending = asyncio.create_task(load.run())
                await until(stub, lambda plan: plan.ready >= WORKERS[0] and plan.last.number > 0)
                for _ in range(times):
                    found.steps.append(await _step(stub, load, queue, found))
                sending.cancel()
                await load.drained()
                said = await stub.Explain(pb.ExplainRequest(decisions=512))
    return found, [_line(decision) for decision in reversed(said.decisions)]


async def _step(
    stub: "AutoscalerServiceAsyncStub", load: Load, queue: AsyncTaskClient, found: Found
) -> Step:
    loop = asyncio.get_running_loop()
    step = Step()
    calm = load.rate_per_s
    load.rate_per_s = 3 * calm
    needed = round(3 * calm * RUN_S + 0.5)
    began_s = loop.time()
    plan = await until(stub, lambda plan: plan.ready >= needed)
    step.up_s, step.lead_s, step.workers = loop.time() - began_s, plan.lead_s, plan.ready
    accepted = [
        await queue.submit(MODEL, {"INPUT": np.zeros((1, 1), np.float32)}, deadline_s=300.0)
        for _ in range(TASKS)
    ]
    found.tasks += len(accepted)
    await asyncio.sleep(STAY_S)
    load.rate_per_s = calm
    began_s = loop.time()
    floor = max(WORKERS[0], round(calm * RUN_S + 0.5))
    await until(stub, lambda plan: plan.ready <= floor and not plan.draining)
    step.down_s = loop.time() - began_s
    for task in accepted:
        ended = await queue.wait(task.request_id, deadline_s=60.0)
        found.tasks_done += ended.state == "done"
    return step


async def until(
    stub: "AutoscalerServiceAsyncStub", holds: Callable[[pb.GetPlanResponse], bool]
) -> pb.GetPlanResponse:
    """The first plan that is so."""
    async with asyncio.timeout(STEP_S_MAX):
        while True:
            plan = await stub.GetPlan(pb.GetPlanRequest())
            if holds(plan):
                return plan
            await asyncio.sleep(0.1)


@asynccontextmanager
async def mesh(models: Path, port: int) -> AsyncIterator[dict[str, Any]]:
    """`hasten up` with an autoscaler that acts; its ready line."""
    command = [sys.executable, "-m", "hasten_cli.main", "up", "--json", "--models", str(models)]
    command += ["--port", str(port), "--metrics-port", "0", "--workers", "1"]
    command += ["--autoscale", f"{WORKERS[0]}..{WORKERS[1]}"]
    policy = {f"HASTEN_AUTOSCALER_POLICY__{key}": value for key, value in QUICK.items()}
    environ = {**os.environ, **policy, "HASTEN_WORKER_LANES": "1"}
    process = await asyncio.create_subprocess_exec(
        *command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=environ
    )
    try:
        assert process.stdout is not None  # noqa: S101  (asked for a pipe)
        yield json.loads(await process.stdout.readline())
    finally:
        process.terminate()
        await process.wait()


def _line(decision: pb.Decision) -> str:
    why = "; ".join(because.sentence for because in decision.reasons)
    return (
        f"{decision.number}: {decision.before} -> {decision.desired} ({decision.ready} ready) {why}"
    )


def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=2)
    parser.add_argument("--rate", type=float, default=6.0, help="calls a second before the step")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    found, lines = asyncio.run(measured(asked.times, asked.rate, asked.port))
    if asked.json:
        print(json.dumps({**asdict(found), "broken": found.broken, "decisions": lines}))
    else:
        print(*lines, sep="\n")
        for number, step in enumerate(found.steps, 1):
            print(
                f"step {number}: {step.workers} workers after {step.up_s:.1f} s (lead "
                f"{step.lead_s:.1f} s), the floor {step.down_s:.1f} s after its end"
            )
        print(f"{found.calls} calls: {dict(found.ended)}; failed {found.failed}")
        print(f"{found.tasks_done} of {found.tasks} tasks done")
        print("kept" if not found.broken else "; ".join(found.broken))
    raise SystemExit(bool(found.broken))


if __name__ == "__main__":
    main()
