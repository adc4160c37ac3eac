"""How many deadlines could have been kept: the best of all orders, and the worker's machine.

One lane, one job at a time, no job interrupted. The optimum knows all jobs beforehand, and may
leave the lane idle for one that is yet to come; the machine does not and may not.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import inf
from random import Random
from typing import Final, NamedTuple, assert_never

from hasten_policy.load import ModelSpec
from hasten_policy.timers import WakeAt, Woke
from hasten_policy.worker.events import (
    BatchEnded,
    CallArrived,
    Deliver,
    Drained,
    ModelIdle,
    ModelOpened,
    Refuse,
    SendLoad,
    SendReport,
    StartBatch,
    StopBatch,
    TellLoad,
    WorkerEvent,
)
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_sim.loop import Loop

JOBS_MAX: Final = 12
"""The search takes 2 ** jobs * jobs steps."""
PROFILE_RUNS: Final = 10
RUN_S: Final = 0.01
"""Mean run of a random job."""


class Job(NamedTuple):
    """One job.

    Attributes:
        release_s: When it comes.
        run_s: Seconds on the lane.
        deadline_s: By when it should have ended.
    """

    release_s: float
    run_s: float
    deadline_s: float


def most_on_time(jobs: Sequence[Job]) -> int:
    """The most jobs that any order on one lane ends in time.

    Of the orders of a set of jobs, all in time, only the one that ends first matters, for
    whatever follows can follow that one too. So sets are searched instead of orders, with the
    same result (Held and Karp 1962).

    Raises:
        ValueError: More than JOBS_MAX jobs.
    """
    count = len(jobs)
    if count > JOBS_MAX:
        raise ValueError(f"at most {JOBS_MAX} jobs can be searched, not {count}")
    ends_s = [inf] * (1 << count)
    ends_s[0] = 0.0
    best = 0
    for chosen in range(1 << count):
        if ends_s[chosen] == inf:
            continue
        best = max(best, chosen.bit_count())
        for index, job in enumerate(jobs):
            if chosen >> index & 1:
                continue
            end_s = max(ends_s[chosen], job.release_s) + job.run_s
            if end_s <= job.deadline_s:
                wider = chosen | 1 << index
                ends_s[wider] = min(ends_s[wider], end_s)
    return best


def edf_on_time(jobs: Sequence[Job]) -> int:
    """Jobs in time by the textbook's rule: whenever the lane is free, the earliest deadline of
    the jobs that have come and can still be kept.
    """
    waiting = sorted(jobs)
    now_s = 0.0
    kept = 0
    while waiting := [job for job in waiting if _ends_s(job, now_s) <= job.deadline_s]:
        now_s = max(now_s, waiting[0].release_s)
        come = [job for job in waiting if job.release_s <= now_s]
        able = [job for job in come if now_s + job.run_s <= job.deadline_s]
        if able:
            chosen = min(able, key=lambda job: job.deadline_s)
            waiting.remove(chosen)
            now_s += chosen.run_s
            kept += 1
    return kept


def _ends_s(job: Job, now_s: float) -> float:
    return max(now_s, job.release_s) + job.run_s


def random_jobs(rng: Random, *, load: float, count: int, spread: float = 0.0) -> list[Job]:
    """Jobs that come at random, with 1.5 to 4 times their run until the deadline.

    Args:
        rng: Of all that is drawn.
        load: Mean run over mean gap between arrivals.
        count: How many.
        spread: Runs are 10 ms, give or take this share.
    """
    jobs: list[Job] = []
    release_s = 0.0
    for _ in range(count):
        run_s = RUN_S * (1.0 + spread * rng.uniform(-1.0, 1.0))
        jobs.append(Job(release_s, run_s, release_s + run_s * rng.uniform(1.5, 4.0)))
        release_s += rng.expovariate(load / RUN_S)
    return jobs


def on_time(jobs: Sequence[Job], policy: WorkerPolicy) -> int:
    """Jobs that the worker's machine ends in time.

    Jobs of the same run are calls of one model: to the machine, runs of one model and size are
    alike.

    Args:
        jobs: What comes.
        policy: Of the machine; there is one lane whatever it says.
    """
    lane = _Lane(jobs, replace(policy, lanes=1))
    return lane.run()


class _Lane:
    """A machine with one lane, and exact runs."""

    def __init__(self, jobs: Sequence[Job], policy: WorkerPolicy) -> None:
        self._jobs = jobs
        self._loop = Loop()
        self._machine = WorkerMachine(policy)
        self._kept = 0

    def run(self) -> int:
        for run_s in sorted({job.run_s for job in self._jobs}):
            self._tell(ModelOpened(_spec(run_s)))
        for index, job in enumerate(self._jobs):
            slack_s = job.deadline_s - job.release_s
            event = CallArrived(index, 0, f"{job.run_s}/1", 1, 0, slack_s, 0, "", 0)
            self._loop.at(job.release_s, self._tell, event)
        # All are through when each has run, one after the other, after the last has come.
        last_s = max((job.release_s for job in self._jobs), default=0.0)
        self._loop.run_before(last_s + sum(job.run_s for job in self._jobs) + 1.0)
        return self._kept

    def _tell(self, event: WorkerEvent) -> None:
        for effect in self._machine.on(event, now_s=self._loop.now_s):
            if isinstance(effect, StartBatch):
                run_s = sum(self._jobs[call_id].run_s for call_id in effect.call_ids)
                ended = BatchEnded(effect.batch_id, run_s)
                self._loop.at(self._loop.now_s + run_s, self._tell, ended)
            elif isinstance(effect, WakeAt):
                self._loop.at(max(effect.at_s, self._loop.now_s), self._tell, Woke())
            elif isinstance(effect, Deliver):
                self._kept += self._loop.now_s <= self._jobs[effect.call_id].deadline_s
            elif isinstance(
                effect,
                Refuse | StopBatch | TellLoad | SendLoad | SendReport | ModelIdle | Drained,
            ):
                pass  # Such a job is not kept; nobody is told of load or models here.
            else:
                assert_never(effect)


def _spec(run_s: float) -> ModelSpec:
    return ModelSpec(
        key=f"{run_s}/1",
        name=str(run_s),
        version="1",
        serves_unversioned=True,
        batch_max=1,
        batch_sizes=(),
        preferred_sizes=(),
        queue_delay_max_s=0.0,
        instances=1,
        queue_max=1000,
        default_timeout_s=0.0,
        run_s_max=3600.0,
        profile=((1, 1, run_s),) * PROFILE_RUNS,
    )
