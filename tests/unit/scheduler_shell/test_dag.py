"""DAGs over stores in memory: submitted, driven by owners that die, told to their callers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten_policy.reasons import Reason
from hasten_runtime.errors import MeshError
from hasten_scheduler.dag.tensors import request_of, tensor_from_wire
from tests.support.dags import (
    Caller,
    array,
    dag,
    double,
    infer,
    kinds_of,
    numbers,
    source,
    taken,
)
from tests.support.jobs import JobOwner, JobWorld
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def world() -> AsyncIterator[JobWorld]:
    # So few bytes are kept inline that tensors lie in the payload store.
    made = JobWorld(infer, shards=2, inline_bytes_max=16)
    working = asyncio.create_task(made.work())
    yield made
    working.cancel()


@pytest.fixture
async def caller(world: JobWorld) -> AsyncIterator[Caller]:
    owner = JobOwner(world, kinds_of(world))
    yield Caller(world, owner)
    await owner.close()


DIAMOND = dag(
    double("first"),
    double("left", source("first")),
    pb.DagStep(
        name="right",
        model="add",
        inputs=[
            taken("a", source("first")),
            pb.DagInput(name="b", constant=array([10, 10], [20, 20], [30, 30])),
        ],
    ),
    pb.DagStep(
        name="last", model="add", inputs=[taken("a", source("left")), taken("b", source("right"))]
    ),
)
DIAMOND_SAYS = [[16.0, 22.0], [38.0, 44.0], [66.0, 60.0]]


async def test_a_dag_feeds_outputs_into_inputs(world: JobWorld, caller: Caller) -> None:
    said = await caller.submit(DIAMOND)
    assert (said.name.name, said.name.tenant, said.repeated) == ("d", "acme", False)
    status = await caller.wait()
    assert status.state == pb.DAG_STATE_DONE
    assert numbers(status.outputs) == DIAMOND_SAYS
    assert [step.name for step in status.steps] == ["first", "left", "right", "last"]
    times = [(step.begun_us, step.ended_us) for step in status.steps]
    assert all(begun < ended <= status.ended_us for begun, ended in times)
    assert times[0][1] <= times[1][0]
    # Each step has to end for those behind it: 0.5 s for each, and the way.
    dues = [step.due_us / 1e6 for step in status.steps]
    assert dues == pytest.approx([3598.99, 3599.495, 3599.495, 3600.0])
    assert set(world.runs.values()) == {1}
    assert (status.steps_ended, status.steps_count) == (4, 4)
    (listed,) = await caller.list(tenant="acme")
    assert (listed.state, len(listed.steps)) == (pb.DAG_STATE_DONE, 0)
    assert await caller.list(tenant="other") == []


async def test_the_same_dag_is_found_and_another_of_its_name_is_refused(caller: Caller) -> None:
    await caller.submit(DIAMOND)
    assert (await caller.submit(DIAMOND)).repeated
    later = pb.Dag()
    later.CopyFrom(DIAMOND)
    later.time_left_us = 5_000_000
    assert (await caller.submit(later)).repeated
    refusal = await caller.refused(dag(double("a")))
    assert refusal.reason is Reason.JOB_CONTENT_DIFFERS


async def test_an_owner_that_dies_in_any_call_runs_no_step_twice(world: JobWorld) -> None:
    call, number, died = 0, 0, True
    while died:
        call += 1
        number += 1
        first = JobOwner(world, kinds_of(world), number=number, dies_at=call)
        asking = Caller(world, first)
        made = pb.Dag()
        made.CopyFrom(DIAMOND)
        made.name = f"d{call}"
        await asking.submit(made)
        ending = asyncio.create_task(asking.wait(made.name))
        dying = asyncio.create_task(first.dead.wait())
        await asyncio.wait({ending, dying}, return_when=asyncio.FIRST_COMPLETED)
        died = first.dead.is_set()
        await first.close()
        number += 1
        second = JobOwner(world, kinds_of(world), number=number)
        status = await Caller(world, second).wait(made.name)
        assert numbers(status.outputs) == DIAMOND_SAYS, f"killed in call {call}"
        assert set(world.runs.values()) == {1}, f"killed in call {call}"
        for task in (ending, dying):
            task.cancel()
        await second.close()
    assert call > 10


async def test_a_condition_chooses_a_branch_and_what_was_skipped_is_not_missed(
    caller: Caller,
) -> None:
    def gate(value: float) -> pb.DagCondition:
        return pb.DagCondition(
            source=source("first"), comparison=pb.DAG_COMPARISON_GT, value=value, every=True
        )

    made = dag(
        double("first"),
        double("never", source("first"), when=[gate(2.0)]),
        double("always", source("first"), when=[gate(1.0)]),
        double("last", source("never"), source("always")),
        outputs=[
            pb.DagOutput(name="answer", sources=[source("last")]),
            pb.DagOutput(name="nothing", sources=[source("never")]),
        ],
    )
    await caller.submit(made)
    status = await caller.wait()
    assert status.state == pb.DAG_STATE_DONE
    assert [step.state for step in status.steps if step.name == "never"] == [
        pb.DAG_STEP_STATE_SKIPPED
    ]
    assert numbers(status.outputs) == [[8.0, 16.0], [24.0, 32.0], [48.0, 40.0]]
    assert set(status.outputs) == {"answer"}


SPLITS: dict[str, tuple[pb.DagSplit, str, list[Any]]] = {
    "two parts": (pb.DagSplit(parts=2), "y", [[2, 4], [6, 8], [12, 10]]),
    "a row each": (pb.DagSplit(rows=1), "y", [[2, 4], [6, 8], [12, 10]]),
    "as many as workers": (pb.DagSplit(), "y", [[2, 4], [6, 8], [12, 10]]),
    "mean": (pb.DagSplit(rows=2, join=pb.DAG_JOIN_MEAN), "y", [[20 / 3, 22 / 3]]),
    "vote": (pb.DagSplit(rows=1, join=pb.DAG_JOIN_VOTE), "larger", [[1]]),
    "top": (
        pb.DagSplit(rows=1, join=pb.DAG_JOIN_TOP_K, top_k=2, top_by="larger"),
        "y",
        [[2, 4], [6, 8]],
    ),
    "a model": (
        pb.DagSplit(rows=1, join=pb.DAG_JOIN_MODEL, join_model="sum"),
        "total",
        [20, 22],
    ),
}


@pytest.mark.parametrize(("split", "output", "says"), SPLITS.values(), ids=SPLITS.keys())
async def test_a_step_is_split_over_rows_and_joined_in_order(
    world: JobWorld, caller: Caller, split: pb.DagSplit, output: str, says: list[Any]
) -> None:
    outputs = [pb.DagOutput(name="answer", sources=[source("a", output)])]
    await caller.submit(dag(double("a", split=split), outputs=outputs))
    status = await caller.wait()
    assert status.state == pb.DAG_STATE_DONE, status.failure
    assert np.allclose(numbers(status.outputs), says)
    assert len(status.steps[0].parts) == (2 if split.parts or split.rows == 2 else 3)
    assert set(world.runs.values()) == {1}


async def test_there_are_as_many_parts_as_the_model_needs(caller: Caller) -> None:
    rows = array(*([number, 0] for number in range(9)))
    await caller.submit(dag(double("a", split=pb.DagSplit(parts=1)), rows=rows))
    status = await caller.wait()
    assert numbers(status.outputs) == [[2.0 * number, 0] for number in range(9)]
    assert len(status.steps[0].parts) == 3


async def test_parts_that_fail_are_left_out_or_end_the_dag(caller: Caller) -> None:
    rows = array([1, 2], [-1, 0], [6, 5])
    await caller.submit(dag(double("a", split=pb.DagSplit(rows=1)), rows=rows))
    status = await caller.wait()
    assert (status.state, status.failed_step) == (pb.DAG_STATE_FAILED, "a")
    assert status.failure.reason == "MODEL_FAILED"

    best = pb.DagSplit(rows=1, best_effort=True)
    await caller.submit(dag(double("a", split=best), rows=rows, name="e"))
    status = await caller.wait("e")
    assert status.state == pb.DAG_STATE_DONE
    assert numbers(status.outputs) == [[2, 4], [12, 10]]
    parts = status.steps[0].parts
    assert [part.failure.reason for part in parts] == ["", "MODEL_FAILED", ""]


async def test_a_dag_that_waits_says_for_what(world: JobWorld, caller: Caller) -> None:
    world.working = False
    await caller.submit(DIAMOND)

    async def submitted() -> bool:
        return (await caller.get()).steps[0].state == pb.DAG_STEP_STATE_RUNNING

    await eventually(submitted)
    steps = {step.name: list(step.reasons) for step in (await caller.get()).steps}
    assert steps["first"] == ["dag:d/first/0 waits for a worker"]
    assert steps["last"] == ["step 'left' has not ended", "step 'right' has not ended"]


async def test_a_cancelled_dag_ends_with_its_tasks(world: JobWorld, caller: Caller) -> None:
    world.working = False
    await caller.submit(DIAMOND)
    assert await caller.cancel() == pb.DAG_STATE_ACTIVE
    status = await caller.wait()
    assert status.state == pb.DAG_STATE_CANCELLED
    world.working = True
    await caller.submit(dag(double("a"), name="e"))
    await caller.wait("e")
    assert list(world.runs) == ["acme/dag:e/a/0"]
    with pytest.raises(MeshError) as refused:
        await caller.cancel()
    assert refused.value.refusal.reason is Reason.JOB_STATE


async def test_a_deadline_ends_a_dag(world: JobWorld, caller: Caller) -> None:
    world.working = False
    await caller.submit(dag(double("a"), time_left_us=5_000_000))
    status = await caller.wait()
    assert status.state == pb.DAG_STATE_FAILED
    assert status.failure.reason == "DEADLINE_PASSED"
    assert status.ended_us == pytest.approx(5_000_000, rel=0.01)


BAD: dict[str, tuple[pb.Dag, Reason]] = {
    "an unknown model": (
        dag(pb.DagStep(name="a", model="nothing", inputs=[taken("x", source("", "rows"))])),
        Reason.MODEL_NOT_FOUND,
    ),
    "a circle": (dag(double("a", source("b")), double("b", source("a"))), Reason.DAG_CYCLE),
    "a wrong shape": (dag(double("a"), rows=array([1, 2, 3])), Reason.SHAPE_MISMATCH),
    "a wrong type": (
        dag(double("a"), rows=pb.Tensor(datatype="INT32", shape=[1, 2], content=b"12345678")),
        Reason.DTYPE_MISMATCH,
    ),
    "too few bytes": (
        dag(double("a"), rows=pb.Tensor(datatype="FP32", shape=[1, 2], content=b"1234")),
        Reason.BYTE_LENGTH_MISMATCH,
    ),
    "no datatype": (
        dag(double("a"), rows=pb.Tensor(datatype="FP31", shape=[1], content=b"1234")),
        Reason.BYTE_LENGTH_MISMATCH,
    ),
    "a bad name": (dag(double("a"), name="a/b"), Reason.INVALID_REQUEST),
    "a bad class": (dag(double("a"), priority=4), Reason.INVALID_REQUEST),
    "a bad label": (dag(double("a"), labels={"": "x"}), Reason.INVALID_REQUEST),
    "too long": (dag(double("a"), time_left_us=40 * 86_400_000_000), Reason.INVALID_REQUEST),
    "kept too long": (dag(double("a"), keep_us=604_800_000_000), Reason.INVALID_REQUEST),
    "too little time": (dag(double("a"), time_left_us=400_000), Reason.DEADLINE_INFEASIBLE),
    "too little time before": (
        dag(double("a"), double("b", source("a")), time_left_us=900_000),
        Reason.DEADLINE_INFEASIBLE,
    ),
    "a comparison that is none": (
        dag(double("a", when=[pb.DagCondition(source=source("", "rows"))])),
        Reason.INVALID_REQUEST,
    ),
    "a constant and a source": (
        dag(
            pb.DagStep(
                name="a",
                model="double",
                inputs=[
                    pb.DagInput(name="x", constant=array([1, 2]), sources=[source("", "rows")])
                ],
            )
        ),
        Reason.INVALID_REQUEST,
    ),
    "split without a way": (
        dag(
            pb.DagStep(
                name="a", model="double", inputs=[taken("x", source("", "rows"), split=True)]
            )
        ),
        Reason.INVALID_REQUEST,
    ),
}


@pytest.mark.parametrize(("bad", "reason"), BAD.values(), ids=BAD.keys())
async def test_what_cannot_be_run_is_refused_and_nothing_is_stored(
    world: JobWorld, caller: Caller, bad: pb.Dag, reason: Reason
) -> None:
    refusal = await caller.refused(bad)
    assert refusal.reason is reason
    assert refusal.message
    assert await caller.list() == []
    for queue in world.queues:
        assert await queue.page("", 10) == ([], "")


async def test_a_task_of_a_dag_cannot_be_submitted_by_a_caller(
    world: JobWorld, caller: Caller
) -> None:
    del caller
    owner = JobOwner(world, kinds_of(world), number=2)
    request = request_of("double", "", {"x": tensor_from_wire(array([1, 2]))})
    with pytest.raises(MeshError) as refused:
        await owner.submitter.submit(
            task_pb.NewTask(request=request, request_id="dag:d/first/0", tenant="acme"), ""
        )
    assert refused.value.refusal.reason is Reason.INVALID_REQUEST
    await owner.close()


async def test_a_dag_that_is_too_large_without_a_folder_is_refused() -> None:
    everything_inline = JobWorld(infer, inline_bytes_max=1 << 20)
    owner = JobOwner(everything_inline, kinds_of(everything_inline))
    rows = array(*([1.0, 2.0] for _ in range(10_000)))
    refusal = await Caller(everything_inline, owner).refused(dag(double("a"), rows=rows))
    assert refusal.reason is Reason.MESSAGE_TOO_LARGE
    assert "PAYLOADS__FOLDER" in refusal.message
    await owner.close()
