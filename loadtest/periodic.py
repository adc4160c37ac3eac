"""Do hard schedules keep their deadlines beside bulk without limit?

A mesh of two workers gets as many hard schedules as its response-time tests admit, at most 0.7 of
each worker, and tasks of two other models without end. After so many periods the schedules say what
became of their times: none may have been missed, left out or failed.

    python -m loadtest.periodic [--periods 1000] [--json]

Ends with status 1 when one was. Figures of a machine that is shared say little: a host that takes
the CPU for longer than a deadline makes a miss.
"""

import argparse
import asyncio
import json
import os
import tempfile
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import numpy as np

from hasten_client import (
    AsyncScheduleClient,
    AsyncTaskClient,
    FailedPrecondition,
    InferRequest,
    NewTask,
    RetryPolicy,
    Rhythm,
    Schedule,
)
from loadtest.breaking import breakable_mesh
from loadtest.repository import write_synthetic

INPUT: Final = {"INPUT": np.ones((1, 4), np.float32)}
PERIODS_MS: Final = (200, 300, 400, 600, 800, 1200)
"""Of the schedules, again and again until one is refused."""
SHORTEST_S: Final = 0.2
SCHEDULES_MAX: Final = 24
BULK_KEPT: Final = 400
"""Bulk tasks that wait or run at least."""
LOOK_S: Final = 0.25
SETTLE_S: Final = 10.0


@dataclass(slots=True)
class Report:
    """What was seen.

    Attributes:
        schedules: Admitted.
        refused: Why the next one was not.
        started: Runs of them.
        done: In time.
        failed: Ended without an answer, a passed deadline among them.
        missed: Times that nobody came to.
        overlapped: Times left out, as the run before had not ended.
        bulk_done: Other tasks that were done meanwhile.
        time_s: It took so long.
    """

    schedules: int = 0
    refused: str = ""
    started: int = 0
    done: int = 0
    failed: int = 0
    missed: int = 0
    overlapped: int = 0
    bulk_done: int = 0
    time_s: float = 0.0

    @property
    def kept(self) -> bool:
        """Every run ended in time."""
        return bool(self.schedules) and self.done == self.started and not self.missed

    def text(self) -> str:
        """For people."""
        verdict = "every run was in time" if self.kept else "NOT every run was in time"
        return "\n".join(
            (
                f"{self.schedules} hard schedules; the next one was refused: {self.refused}",
                f"{self.started} runs in {self.time_s:.0f} s: {self.done} done",
                f"{self.failed} failed, {self.missed} missed, {self.overlapped} left out",
                f"{self.bulk_done} bulk tasks beside them",
                verdict,
            )
        )


async def measure(periods: int) -> Report:
    """Runs it for so many periods of the shortest."""
    with tempfile.TemporaryDirectory() as folder:
        models = Path(folder)
        write_synthetic(models, "inspect", alpha_ms=20, beta_ms=0, batch_max=1)
        write_synthetic(models, "score", alpha_ms=5, beta_ms=1, batch_max=8)
        write_synthetic(models, "embed", alpha_ms=3, beta_ms=0, batch_max=1)
        mesh = breakable_mesh(models, workers=2, schedulers=1, environ=dict(os.environ))
        async with mesh as running:
            address = running.schedulers[0]
            retry = RetryPolicy(attempts_max=20, tokens_max=1000.0)
            async with (
                AsyncScheduleClient(address, retry=retry) as schedules,
                AsyncTaskClient(address, retry=retry) as tasks,
            ):
                await _served(tasks)
                return await _run(schedules, tasks, periods)


async def _served(tasks: AsyncTaskClient) -> None:
    """Each model has run, so that its times are measured."""
    for model in ("inspect", "score", "embed"):
        submitted = await tasks.submit(model, INPUT)
        await tasks.wait(submitted.request_id, deadline_s=60.0)


async def _run(schedules: AsyncScheduleClient, tasks: AsyncTaskClient, periods: int) -> Report:
    report = Report()
    loop = asyncio.get_running_loop()
    feeding = asyncio.create_task(_feed(tasks))
    begun_s = loop.time()
    names = [name async for name in _admitted(schedules, report)]
    while loop.time() < begun_s + periods * SHORTEST_S:
        await asyncio.sleep(LOOK_S)
        if feeding.done():
            feeding.result()
    for name in names:
        await schedules.pause(name)
    report.time_s = loop.time() - begun_s
    feeding.cancel()
    for name in names:
        shown = await _settled(schedules, name)
        report.started += shown.started
        report.done += shown.done
        report.failed += shown.failed
        report.missed += shown.missed
        report.overlapped += shown.overlapped
    counts = (await tasks.stats()).states
    report.bulk_done = counts.get("done", 0) - report.done
    return report


async def _admitted(schedules: AsyncScheduleClient, report: Report) -> AsyncIterator[str]:
    """Schedules one after another until one is refused."""
    request = InferRequest("inspect", INPUT, request_id="run")
    for number in range(SCHEDULES_MAX):
        period_s = PERIODS_MS[number % len(PERIODS_MS)] / 1e3
        rhythm = Rhythm(period_s=period_s, deadline_s=period_s, hard=True)
        try:
            await schedules.create(f"hard-{number}", request, rhythm)
        except FailedPrecondition as error:
            report.refused = error.message
            return
        report.schedules += 1
        yield f"hard-{number}"


async def _settled(schedules: AsyncScheduleClient, name: str) -> Schedule:
    """The schedule when none of its runs is open, or as it is after a while."""
    ends_s = asyncio.get_running_loop().time() + SETTLE_S
    while True:
        shown = await schedules.get(name)
        if not shown.open_ids or asyncio.get_running_loop().time() > ends_s:
            return shown
        await asyncio.sleep(LOOK_S)


async def _feed(tasks: AsyncTaskClient) -> None:
    """Keeps bulk waiting, of another tenant."""
    number = 0
    while True:
        lanes = (await tasks.stats()).lanes
        waiting = sum(lane.waiting for lane in lanes if lane.tenant == "bulk")
        more = BULK_KEPT - waiting
        if more > 0:
            batch = [
                NewTask(
                    InferRequest(
                        ("score", "embed")[each % 2],
                        INPUT,
                        tenant="bulk",
                        priority="batch",
                        request_id=f"b{number + each}",
                    )
                )
                for each in range(2 * more)
            ]
            number += len(batch)
            async for outcome in tasks.submit_many(batch):
                if outcome.error is not None:
                    raise outcome.error
        await asyncio.sleep(LOOK_S)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--periods", type=int, default=1000, help="of the shortest, 200 ms")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report = asyncio.run(measure(args.periods))
    if args.json:
        print(json.dumps(asdict(report) | {"kept": report.kept}))
    else:
        print(report.text())
    return 0 if report.kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
