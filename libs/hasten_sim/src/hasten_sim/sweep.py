"""Many runs at once: scenarios, policies and seeds over a pool of processes."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.context import SpawnProcess
from typing import Final

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.points import AS_SAID, Point, Source, load_at, scenario_at
from hasten_sim.simulate import simulate, simulate_scaled

END_S_MAX: Final = 5.0
"""Longest wait for a process that was told to end, before it is killed."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run.

    Attributes:
        source: Of the scenario.
        policy: As `hasten_policy.registry.resolve` reads it.
        seed: Of everything that is drawn.
        point: What is changed.
        rule: Of the autoscaler, as `hasten_policy.registry.scaling` reads it; none where "".
        coarse: With an autoscaler: the demand level instead of calls.
    """

    source: Source
    policy: str
    seed: int
    point: Point = AS_SAID
    rule: str = ""
    coarse: bool = False

    def __str__(self) -> str:
        scaled = f" under {self.rule}" if self.rule else ""
        return f"{self.policy}{scaled} at {self.point}, seed {self.seed}"


class JobError(Exception):
    """A run failed.

    Attributes:
        job: Which.
        why: What it raised.
    """

    def __init__(self, job: Job, why: str) -> None:
        # The arguments as they are: it goes from one process to another.
        super().__init__(job, why)
        self.job = job
        self.why = why

    def __str__(self) -> str:
        return f"the run of {self.job} failed: {self.why}"


def run(job: Job) -> Figures:
    """Carries out one job, in this process. Raises JobError."""
    try:
        scenario = scenario_at(job.source, job.point)
        load = load_at(job.source, job.point, scenario)
        policies = resolve(job.policy)
        if not job.rule:
            return simulate(scenario, policies, job.seed, load=load)
        return simulate_scaled(scenario, policies, job.seed, job.rule, coarse=job.coarse, load=load)
    except Exception as error:
        raise JobError(job, f"{type(error).__name__}: {error}") from error


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
        with _ctrl_c_later():
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
    figures = run(job)
    told(job, figures)
    return figures


def _figures(future: "Future[Figures]", job: Job) -> Figures:
    try:
        return future.result()
    except BrokenExecutor as error:
        raise JobError(job, "a process of the pool died, perhaps for want of memory") from error


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


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Ctrl-C waits until the end of the block. Processes started inside never hear it, not even
    while they start: it is for the parent, which ends them.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _begin() -> None:
    """In a new process: without a parent there is no work."""
    parent = multiprocessing.parent_process()

    def leave_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=leave_with_parent, name="leave-with-parent", daemon=True).start()
