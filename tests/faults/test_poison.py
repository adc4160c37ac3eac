"""An input that ends the process that runs it ends two of them and no more."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

import hasten_client as hc
from loadtest.repository import write_synthetic
from tests.support.services import PATIENT_UNFROZEN
from tests.support.waiting import eventually
from tests.unit.cli.mesh_process import MeshProcess

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("poison")]

DEADLINE_S = 60.0
BACK_S_MAX = 60.0
IN_ROTATION = {"ready", "slow_start"}
ONCE = hc.RetryPolicy(attempts_max=1)
DIED = "ended with signal SIGFPE"
NO_BATCHES = "max_batch_size: 0\n"
BATCHES = """\
max_batch_size: 8
dynamic_batching { max_queue_delay_microseconds: 20000 }
"""
INT32 = TensorProto.INT32
INT64 = TensorProto.INT64
"""Divided one by one, where of INT32 four at a time are divided in a way that does no harm."""


def write_division(models: Path, element: int, config: str) -> None:
    """A model that divides whole numbers, which the processor itself does and may stumble over."""
    names = ("LEFT", "RIGHT")
    graph = helper.make_graph(
        [helper.make_node("Div", [*names], ["OUTPUT"])],
        "divide",
        [helper.make_tensor_value_info(name, element, ["batch", 1]) for name in names],
        [helper.make_tensor_value_info("OUTPUT", element, ["batch", 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    folder = models / "divide" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    (models / "divide" / "config.pbtxt").write_text(config)


def inputs(left: int, right: int, kind: type[np.signedinteger[Any]] = np.int64) -> dict[str, Any]:
    return {"LEFT": np.full((1, 1), left, kind), "RIGHT": np.full((1, 1), right, kind)}


POISON = inputs(-(2**63), -1)
"""The result is 2^63, which is no INT64: the processor raises an exception and the process ends."""
POISON_32 = inputs(-(2**31), -1, np.int32)


@dataclass(frozen=True)
class Mesh:
    process: MeshProcess
    facts: dict[str, Any]

    @property
    def address(self) -> str:
        return str(self.facts["address"])

    @property
    def deaths(self) -> int:
        return self.process.stderr.count(DIED)


@contextmanager
def running(folder: Path, workers: int, **environ: str) -> Iterator[Mesh]:
    options = ["--json", "--port", "0", "--metrics-port", "0", "--workers", str(workers)]
    options += ["--models", str(folder / "models")]
    # What ends a model's process ends the worker's where it is the same.
    environ = {**PATIENT_UNFROZEN, "HASTEN_WORKER_ISOLATION": "thread", **environ}
    with MeshProcess(folder, *options, environ=environ, real=True) as one:
        yield Mesh(one, one.ready())


@asynccontextmanager
async def once(mesh: Mesh) -> AsyncIterator[hc.AsyncClient]:
    """A client that tries each call once."""
    async with hc.AsyncClient(mesh.address, retry=ONCE) as client:
        yield client


async def divided(
    client: hc.AsyncClient, left: int, right: int, kind: type[np.signedinteger[Any]] = np.int64
) -> int:
    result = await client.infer("divide", inputs(left, right, kind), deadline_s=DEADLINE_S)
    return int(result["OUTPUT"][0, 0])


async def reason_of(client: hc.AsyncClient, given: dict[str, Any], **how: Any) -> str:
    """Why the call was not answered."""
    with pytest.raises(hc.HastenError) as raised:
        await client.infer("divide", given, deadline_s=DEADLINE_S, **how)
    return raised.value.reason


async def in_rotation(client: hc.AsyncClient) -> set[str]:
    return {one.worker_id for one in await client.workers() if one.standing in IN_ROTATION}


async def all_back(client: hc.AsyncClient, workers: int) -> None:
    async def back() -> bool:
        return len(await in_rotation(client)) == workers

    await eventually(back, BACK_S_MAX)


@dataclass
class Bystanders:
    """Callers of the same model whose numbers can be divided."""

    client: hc.AsyncClient
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)

    async def call(self, number: int) -> None:
        while not self.over.is_set():
            try:
                assert await divided(self.client, 6 * number, number) == 6
                self.answered += 1
            except hc.HastenError as error:
                self.failed.append(repr(error))

    async def more(self) -> None:
        enough = self.answered + 20
        await eventually(lambda: self.answered >= enough, BACK_S_MAX)


@asynccontextmanager
async def bystanders(client: hc.AsyncClient, count: int = 3) -> AsyncIterator[Bystanders]:
    them = Bystanders(client)
    async with asyncio.TaskGroup() as group:
        for number in range(1, count + 1):
            group.create_task(them.call(number))
        try:
            await them.more()
            yield them
            await them.more()
        finally:
            them.over.set()


async def test_a_poisonous_input_ends_two_workers_and_is_then_refused_at_once(
    tmp_path: Path,
) -> None:
    write_division(tmp_path / "models", INT64, BATCHES)
    with running(tmp_path, workers=3) as mesh:
        async with once(mesh) as client, bystanders(client) as them:
            assert await reason_of(client, POISON) == "POISONOUS"
            await eventually(lambda: mesh.deaths == 2)
            # The same input under another name, with other wishes: it is the same to the model.
            for number in range(5):
                how: dict[str, Any] = {"request_id": f"again-{number}", "priority": number % 3}
                assert await reason_of(client, POISON, **how) == "POISONOUS"
            await them.more()
            await all_back(client, 3)
            assert await reason_of(client, POISON) == "POISONOUS"
        assert them.failed == []
        assert mesh.deaths == 2


async def test_a_lone_worker_that_came_back_dies_once_more_and_not_a_third_time(
    tmp_path: Path,
) -> None:
    write_division(tmp_path / "models", INT32, NO_BATCHES)
    with running(tmp_path, workers=1) as mesh:
        async with once(mesh) as client:
            assert await reason_of(client, POISON_32) == "WORKER_LOST"
            await all_back(client, 1)
            assert await divided(client, 8, 2, np.int32) == 4
            assert await reason_of(client, POISON_32) == "POISONOUS"
            await all_back(client, 1)
            assert await reason_of(client, POISON_32) == "POISONOUS"
            assert await divided(client, 9, 3, np.int32) == 3
        assert mesh.deaths == 2


async def test_callers_who_shared_a_batch_with_poison_are_answered(tmp_path: Path) -> None:
    write_division(tmp_path / "models", INT64, BATCHES)
    with running(tmp_path, workers=3) as mesh:
        async with once(mesh) as client:
            await divided(client, 2, 1)
            together = [divided(client, 6 * n, n) for n in range(1, 8)]
            *answers, reason = await asyncio.gather(*together, reason_of(client, POISON))
            assert answers == [6] * 7
            assert reason == "POISONOUS"
            assert [await divided(client, 6 * n, n) for n in range(1, 8)] == [6] * 7
        assert mesh.deaths == 2


async def test_who_only_waited_when_workers_were_killed_is_answered_whatever_it_sent(
    tmp_path: Path,
) -> None:
    write_synthetic(tmp_path / "models", "slow", alpha_ms=100, beta_ms=0, batch_max=2)
    with running(tmp_path, workers=3) as mesh:
        async with once(mesh) as client:
            x = np.ones((1, 4), np.float32)
            calls = [
                asyncio.create_task(client.infer("slow", {"INPUT": x}, deadline_s=DEADLINE_S))
                for _ in range(60)
            ]
            await asyncio.wait(calls, return_when=asyncio.FIRST_COMPLETED)
            for worker in mesh.facts["workers"][:2]:
                os.kill(worker["pid"], signal.SIGKILL)
                name = worker["id"]

                async def noticed(name: str = name) -> bool:
                    return name not in await in_rotation(client)

                await eventually(noticed, BACK_S_MAX)
                # Who ran there runs first elsewhere, and is done by then.
                enough = min(len(calls), sum(call.done() for call in calls) + 15)
                await eventually(lambda: sum(c.done() for c in calls) >= enough, BACK_S_MAX)  # noqa: B023  (awaited here)
            for call in await asyncio.gather(*calls):
                assert call["OUTPUT"].tolist() == x.tolist()
