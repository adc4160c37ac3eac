"""Many runs at once: scenarios, policies and seeds over a pool of processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import isclose
from multiprocessing.context import SpawnProcess
from typing import TYPE_CHECKING, Final, Protocol

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.scenario import Scenario
from hasten_sim.simulate import simulate

if TYPE_CHECKING:
    from hasten_sim.workload import Workload

END_S_MAX: Final = 5.0
"""Longest wait for a process that was told to end, before it is killed."""


class Source(Protocol):
    """Makes scenarios; a plain value, so that it can go to another process.

    `Lasting` is one; so is a `hasten_sim.whatif.Question`.
    """

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """The scenario with some of it changed; load 1.0 is the capacity.

        Raises ValueError where that cannot be.
        """
        ...


@dataclass(frozen=True, slots=True)
class Lasting:
    """A workload that lasts longer or shorter than its file says; a `Source`.

    Attributes:
        workload: Which.
        duration_s: How long; None for as long as it says.
    """

    workload: "Workload"
    duration_s: float | None = None

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
    ) -> Scenario:
        """As `Source`."""
        return self.workload.scenario(
            load=load, workers=workers, routers=routers, duration_s=self.duration_s
        )


@dataclass(frozen=True, slots=True)
class Point:
    """What a run changes in its scenario; None keeps what the scenario says.

    Attributes:
        load: Offered load as a multiple of the capacity.
        workers: Workers. Without `load` the offered rate stays what it was.
        routers: Routers.
    """

    load: float | None = None
    workers: int | None = None
    routers: int | None = None

    def __str__(self) -> str:
        said = [
            f"{value:g}x load" if name == "load" else f"{value} {name}"
            for name in ("load", "workers", "routers")
            if (value := getattr(self, name)) is not None
        ]
        return ", ".join(said) or "as the workload says"


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        source: Of the scenario.
        policy: As `hasten_policy.registry.resolve` reads it.
        seed: Of everything that is drawn.
        point: What is changed.
    """

    source: Source
    policy: str
    seed: int
    point: Point = Point()

    def __str__(self) -> str:
        return f"{self.policy} at {self.point}, seed {self.seed}"


class JobError(Exception):
    """A run failed.

    Attributes:
        job: Which.
    """

    def __init__(self, job: Job, error: BaseException) -> None:
        super().__init__(f"the run of {job} failed: {type(error).__name__}: {error}")
        self.job = job


def scenario_at(source: Source, point: Point) -> Scenario:
    """The scenario at a point.

    More or fewer workers meet the same offered rate: a workload that gives its rate as a
    multiple of the capacity is not offered more because there are more workers.
    """
    if point.load is None and point.workers is not None:
        as_said = source.scenario(routers=point.routers)
        changed = source.scenario(workers=point.workers, routers=point.routers)
        if isclose(changed.offered_per_s, as_said.offered_per_s):
            return changed
        point = at_rate(source, as_said.offered_per_s, point)
    return source.scenario(load=point.load, workers=point.workers, routers=point.routers)


def at_rate(source: Source, rate_per_s: float, point: Point) -> Point:
    """The point with the load that is this rate there."""
    return replace(point, load=rate_per_s / capacity_at(source, point))


def capacity_at(source: Source, point: Point) -> float:
    """Requests a second that are the load 1.0 there."""
    full = source.scenario(load=1.0, workers=point.workers, routers=point.routers)
    return full.offered_per_s


def load_at(source: Source, point: Point, scenario: Scenario) -> float:
    """Offered load of the scenario of that point, as a multiple of the capacity."""
    if point.load is not None:
        return point.load
    # Six digits: what was worked out by division reads as what it stands for.
    return round(scenario.offered_per_s / capacity_at(source, point), 6)


def run(job: Job) -> Figures:
    """Carries out one job, in this process."""
    scenario = scenario_at(job.source, job.point)
    load = load_at(job.source, job.point, scenario)
    return simulate(scenario, resolve(job.policy), job.seed, load=load)


def run_all(
    jobs: Sequence[Job],
    processes: int = 0,
    on_done: Callable[[Job, Figures], None] | None = None,
) -> list[Figures]:
    """Carries out jobs over a pool of processes.

    The figures are the same whatever the number of processes is. When this raises, Ctrl-C
    included, no process is left.

    Args:
        jobs: What to run.
        processes: Processes; 0 for one a core, 1 for none beside this one.
        on_done: Called in this process after each job, in the order in which they end.

    Returns:
        The figures, in the order of the jobs.

    Raises:
        JobError: A job failed; the others are given up.
    """
    told = on_done or _nobody
    count = min(processes or cores_available(), len(jobs))
    if count <= 1:
        return [_run_here(job, told) for job in jobs]
    with _pool(count) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        for future in as_completed(futures):
            told(futures[future], _figures(future, futures[future]))
        return [future.result() for future in futures]


def cores_available() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


def _nobody(_job: Job, _figures: Figures) -> None:
    """Nobody wants to know."""


def _run_here(job: Job, told: Callable[[Job, Figures], None]) -> Figures:
    try:
        figures = run(job)
    except Exception as error:
        raise JobError(job, error) from error
    told(job, figures)
    return figures


def _figures(future: "Future[Figures]", job: Job) -> Figures:
    try:
        return future.result()
    except Exception as error:
        raise JobError(job, error) from error


@contextmanager
def _pool(count: int) -> Iterator[ProcessPoolExecutor]:
    """Processes that are gone at the end of the block, however it ends."""
    before = set(multiprocessing.active_children())
    # Spawned: the same on every system, and no thread of ours is copied half-alive.
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, mp_context=context, initializer=_begin)
    try:
        yield pool
    except BaseException:
        ours = [each for each in multiprocessing.active_children() if each not in before]
        _end(each for each in ours if isinstance(each, SpawnProcess))
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end(processes: Iterable[SpawnProcess]) -> None:
    """Ends them without waiting for what they are doing."""
    told = list(processes)
    for process in told:
        process.terminate()
    for process in told:
        process.join(END_S_MAX)
        if process.is_alive():
            process.kill()
            process.join()


def _begin() -> None:
    """In a new process: Ctrl-C is for the parent, and without a parent there is no work."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def leave_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave_with_parent, name="leave-with-parent", daemon=True).start()
