"""Whoever cancels, pauses, dies or is away, in any call of an owner: no task outlives its job.

The driver of jobs with its real kinds, stores in memory and virtual time.
"""

import asyncio
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_runtime.clock import SystemClock
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import JobState
from hasten_runtime.tasks.port import TaskRecord
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.jobs.tasks import JobTasks
from tests.support.batches import JOB_ID, BatchWorld, line_of
from tests.support.dags import Caller, array, dag, double, infer, kinds_of, source, taken
from tests.support.jobs import JobOwner, JobWorld
from tests.support.virtual_time import VirtualLoop, elapse, loop_time_s
from tests.support.waiting import eventually

Kinds = Callable[[JobTasks], Sequence[JobKind]]
CALLS_MAX = 12
"""A race is in one of the owner's next calls."""
FEW = settings(max_examples=15, stateful_step_count=12)


class RacedJob(RuleBasedStateMachine):
    """One job; owners that follow one another, and people whose calls come between theirs."""

    world: JobWorld
    job_id: str

    def __init__(self) -> None:
        super().__init__()
        self.loop = VirtualLoop()
        self.clock = SystemClock.now_s
        SystemClock.now_s = loop_time_s  # type: ignore[method-assign, assignment]
        self.number = 0
        self.owner: JobOwner | None = None

    def kinds(self) -> Kinds:
        raise NotImplementedError

    async def want(self, wanted: JobState) -> None:
        """Somebody's call."""
        raise NotImplementedError

    def run(self, work: Awaitable[Any]) -> Any:
        async def inside() -> Any:
            return await work

        return self.loop.run_until_complete(inside())

    async def begin(self) -> None:
        self.working = asyncio.create_task(self.world.work())
        await self.take_over()

    async def take_over(self, dies_at: int | None = None, *, before: bool = False) -> None:
        if self.owner is not None:
            await self.owner.close()
        self.number += 1
        self.owner = JobOwner(
            self.world, self.kinds(), number=self.number, dies_at=dies_at, dies_before=before
        )

    @rule(in_calls=st.integers(1, CALLS_MAX), before=st.booleans())
    def its_owner_dies(self, in_calls: int, before: bool) -> None:
        self.run(self.take_over(in_calls, before=before))

    @rule(in_calls=st.integers(1, CALLS_MAX), wanted=st.sampled_from(JobState))
    def somebody_calls_meanwhile(self, in_calls: int, wanted: JobState) -> None:
        assert self.owner is not None
        at = self.owner.calls + in_calls

        async def before_call(call: int) -> None:
            if call == at:
                with suppress(MeshError):
                    await self.want(wanted)

        self.owner.before_call = before_call

    @rule(seconds=st.sampled_from([0.0, 0.005, 0.05, 1.0]), works=st.booleans())
    def time_passes(self, seconds: float, works: bool) -> None:
        self.world.working = works
        self.run(elapse(seconds))

    def teardown(self) -> None:
        try:
            if self.owner is not None:
                self.run(self.end())
        finally:
            self.loop.run_until_complete(self.leave_nothing())
            self.loop.close()
            SystemClock.now_s = self.clock  # type: ignore[method-assign]

    async def leave_nothing(self) -> None:
        left = asyncio.all_tasks() - {asyncio.current_task()}
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def end(self) -> None:
        """Whatever became of it: in the end it ends, and nothing of it is left."""
        await self.take_over()
        with suppress(MeshError):
            await self.want(JobState.ACTIVE)
        self.world.working = False
        await elapse(1.0)
        ended = await self.world.has_ended(self.job_id)
        if ended:
            # Nobody has worked since: what is not cancelled by now never will be.
            assert not await self.unended()
        self.world.working = True
        await eventually(lambda: self.world.has_ended(self.job_id), 300.0)
        assert not await self.unended()
        assert all(count == 1 for count in self.world.runs.values()), self.world.runs
        self.working.cancel()
        assert self.owner is not None
        await self.owner.close()

    async def stored(self) -> list[TaskRecord]:
        return [record for queue in self.world.queues for record in (await queue.page("", 1000))[0]]

    async def unended(self) -> list[str]:
        return [record.task_id for record in await self.stored() if not record.state.ended]


DAGS = [
    dag(
        double("first"),
        double("left", source("first")),
        double("right", source("first")),
        pb.DagStep(
            name="last",
            model="add",
            inputs=[taken("a", source("left")), taken("b", source("right"))],
        ),
    ),
    dag(
        double(
            "parts",
            split=pb.DagSplit(rows=1, join=pb.DAG_JOIN_MODEL, join_model="sum"),
        ),
        outputs=[pb.DagOutput(name="answer", sources=[source("parts", "total")])],
    ),
    dag(
        double("fails", source("", "bad")),
        double("runs"),
        inputs={"rows": array([1, 2]), "bad": array([-1, 2])},
    ),
]


class RacedDag(RacedJob):
    """A DAG."""

    @initialize(made=st.sampled_from(DAGS))
    def submit(self, made: pb.Dag) -> None:
        self.world = JobWorld(infer, shards=2)
        self.job_id = "dag:acme/d"
        self.run(self.begin())
        assert self.owner is not None
        self.run(Caller(self.world, self.owner).submit(made))

    def kinds(self) -> Kinds:
        kinds: Kinds = kinds_of(self.world)
        return kinds

    async def want(self, wanted: JobState) -> None:
        if wanted is JobState.CANCELLING:
            await self.world.desk.change(
                "dag", "acme", "d", lambda job: (JobState.CANCELLING, job.body)
            )


class RacedBatch(RacedJob):
    """A batch of five chunks, two at once."""

    @initialize()
    def create(self) -> None:
        self.folder = tempfile.TemporaryDirectory(prefix="hasten-raced-")
        self.batches = BatchWorld(Path(self.folder.name) / "batches")
        self.world = self.batches.jobs
        self.job_id = JOB_ID
        self.run(self.begin())
        self.run(self.batches.create([line_of(number) for number in range(9)]))

    def kinds(self) -> Kinds:
        return self.batches.kinds

    async def want(self, wanted: JobState) -> None:
        if wanted is not JobState.ENDED:
            await self.batches.desk.set_state("acme", "b", wanted)

    async def end(self) -> None:
        await super().end()
        assert not await self.stored()
        lines = [line.line for line in await self.batches.results()]
        assert lines == sorted(set(lines))

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            self.folder.cleanup()


TestRacedDag = RacedDag.TestCase
TestRacedDag.settings = FEW
TestRacedBatch = RacedBatch.TestCase
TestRacedBatch.settings = FEW
