"""Runs the jobs of a page over a pool of processes, and tells how far it is."""

import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

from hasten_sim.figures import Figures
from hasten_sim.points import scenario_at
from hasten_sim.sweep import Job, run_all
from loadtest.evaluation.setting import Setting

QUICK_S: Final = 0.01
QUICK_WARMUP_S: Final = 0.002
TELL_EVERY_S: Final = 5.0


class Bench:
    """What a page is made with.

    Args:
        name: Of the page, for the progress on stderr.
        processes: As `run_all`.
        quick: A smoke test: runs so short that the figures say nothing.
    """

    def __init__(self, name: str, processes: int = 0, *, quick: bool = False) -> None:
        self.quick = quick
        self._name = name
        self._processes = processes

    def setting(
        self, file: str, change: str = "", *, duration_s: float, warmup_s: float
    ) -> Setting:
        """A workload file, changed, that lasts so long."""
        if self.quick:
            return Setting(file, change, QUICK_S, QUICK_WARMUP_S)
        return Setting(file, change, duration_s, warmup_s)

    def run(self, jobs: Sequence[Job]) -> list[Figures]:
        """The figures, in the order of the jobs.

        A smoke test checks all scenarios, and runs each file under each policy once.
        """
        if not self.quick:
            return run_all(jobs, self._processes, self._progress(len(jobs)))
        for job in jobs:
            scenario_at(job.source, job.point)
        chosen = {(_file(job), job.policy): job for job in reversed(jobs)}
        figures = run_all([*chosen.values()], self._processes, self._progress(len(chosen)))
        found = dict(zip(chosen, figures, strict=True))
        return [found[_file(job), job.policy] for job in jobs]

    def _progress(self, count: int) -> Callable[[Job, Figures], None]:
        began_s = told_s = time.monotonic()
        done = 0

        def on_done(_job: Job, _figures: Figures) -> None:
            nonlocal done, told_s
            done += 1
            now_s = time.monotonic()
            if now_s - told_s >= TELL_EVERY_S or done == count:
                told_s = now_s
                told = f"{self._name}: {done} of {count} runs, {now_s - began_s:.0f} s"
                print(told, file=sys.stderr, flush=True)

        return on_done


def _file(job: Job) -> str:
    return job.source.file if isinstance(job.source, Setting) else ""
