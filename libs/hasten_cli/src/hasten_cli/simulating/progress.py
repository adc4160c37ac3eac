"""Runs with a progress bar on standard error, where that is a terminal."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hasten_cli.failures import FAILED, CommandError
from hasten_cli.output import can_redraw, console

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from hasten_sim.figures import Figures
    from hasten_sim.sweep import Job


def run_jobs(jobs: "Sequence[Job]", processes: int, bar: "Bar") -> "list[Figures]":
    """Figures in the order of the jobs.

    Raises:
        CommandError: A run failed.
    """
    from hasten_sim.sweep import JobError, run_all

    bar.more(len(jobs))
    try:
        return run_all(jobs, processes, lambda job, _figures: bar.done(str(job)))
    except JobError as error:
        raise CommandError(
            str(error),
            next_step="run it alone, with its one --policy, --load and --seed, and report it",
            code=FAILED,
        ) from error


class Bar:
    """Tells how far the runs are."""

    def __init__(self, progress: "Progress | None") -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._total = 0

    def more(self, count: int) -> None:
        """So many more runs are to come."""
        if self._progress is None:
            return
        self._total += count
        if self._task is None:
            self._task = self._progress.add_task("simulating", total=count)
        self._progress.update(self._task, total=self._total)

    def done(self, what: str) -> None:
        """One run has ended."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, advance=1, description=what)


@contextmanager
def bar() -> Iterator[Bar]:
    """A bar inside the block; none where it could not be drawn again."""
    target = console(stderr=True)
    if not can_redraw(target):
        yield Bar(None)
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        # A policy may have brackets in its text: it is no markup.
        TextColumn("{task.description}", markup=False),
    )
    with Progress(*columns, console=target, transient=True) as progress:
        yield Bar(progress)
