"""What ends the process of a model ends nothing else: a zoo of killers beside honest callers."""

import asyncio
import os
import signal
from collections.abc import Iterator

import numpy as np
import psutil
import pytest

import hasten_client as hc
from tests.faults.test_poison import (
    BACK_S_MAX,
    BATCHES,
    DEADLINE_S,
    Mesh,
    bystanders,
    divided,
    once,
    running,
)
from tests.support.waiting import eventually, eventually_sync
from tests.unit.worker_engine import killers, zoo

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("poison")]

ENDLESS = """\
max_batch_size: 0
parameters { key: "hasten.run_timeout_ms" value { string_value: "500" } }
"""
NURSERY = "hasten_worker.engine.isolation.nursery"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mesh]:
    folder = tmp_path_factory.mktemp("killers")
    repository = zoo.Repository(folder / "models")
    repository.write("divide", killers.division(), config=BATCHES)
    repository.write("boxes", killers.suppression(), config=ENDLESS)
    repository.write("hoard", killers.hoard(), config="max_batch_size: 0")
    environ = {
        "HASTEN_WORKER_ISOLATION": "process",
        "HASTEN_WORKER_POLICY__STOP_PATIENCE_S": "5",
        "HASTEN_WORKER_MODEL_PROCESS__STOP_GRACE_S": "0.2",
        "HASTEN_WORKER_MODEL_PROCESS__MEMORY_BYTES_MAX": str(2**30),
    }
    with running(folder, 1, **environ) as made:
        yield made


def nursery_of(mesh: Mesh) -> psutil.Process:
    worker = psutil.Process(mesh.facts["workers"][0]["pid"])
    (found,) = [each for each in worker.children() if NURSERY in each.cmdline()]
    return found


async def reason(client: hc.AsyncClient, model: str, given: killers.Inputs) -> str:
    """Why the call was not answered."""
    with pytest.raises(hc.HastenError) as raised:
        await client.infer(model, given, deadline_s=DEADLINE_S)
    return raised.value.reason


async def test_killers_end_the_process_of_their_model_and_their_payload_is_refused(
    mesh: Mesh,
) -> None:
    before = nursery_of(mesh).pid
    async with once(mesh) as client, bystanders(client) as them:
        found = [await reason(client, "divide", killers.POISON) for _ in range(3)]
        assert found[0] == "MODEL_FAILED"
        assert found[-1] == "POISONOUS"
        found = [await reason(client, "boxes", killers.boxes(killers.BOXES)) for _ in range(3)]
        assert found == ["RUN_OVERSTAYED", "RUN_OVERSTAYED", "POISONOUS"]
        small = await client.infer("boxes", killers.boxes(10), deadline_s=DEADLINE_S)
        assert small["OUTPUT"].shape == (10, 3)
        assert await reason(client, "hoard", {"X": np.array([2**30], np.int64)}) == "MODEL_FAILED"
        few = await client.infer("hoard", {"X": np.array([4], np.int64)}, deadline_s=DEADLINE_S)
        assert few["Y"].tolist() == [4.0]
        for child in nursery_of(mesh).children():
            os.kill(child.pid, signal.SIGSEGV)
        await them.more()
        assert {line.state for line in await client.index()} == {"READY"}
    assert them.failed == []
    assert nursery_of(mesh).pid == before
    assert " ended with " not in mesh.process.stderr


async def test_a_model_whose_processes_end_too_often_leaves_rotation_and_says_so(
    mesh: Mesh,
) -> None:
    async with once(mesh) as client:

        async def gone() -> bool:
            for child in nursery_of(mesh).children():
                os.kill(child.pid, signal.SIGKILL)
            return any("ended within a minute" in line.reason for line in await client.index())

        await eventually(gone, BACK_S_MAX)
        lines = [line for line in await client.index() if "ended within a minute" in line.reason]
        assert {line.state for line in lines} == {"UNAVAILABLE"}


def test_nothing_is_left_of_a_worker_that_was_killed(mesh: Mesh) -> None:
    nursery = nursery_of(mesh)
    family = [nursery, *nursery.children()]
    copies = list(mesh.process.tmp.glob("hasten-model-*"))
    assert copies
    os.kill(mesh.facts["workers"][0]["pid"], signal.SIGKILL)
    psutil.wait_procs(family, BACK_S_MAX)
    assert not any(each.is_running() for each in family)
    assert not any(each.exists() for each in copies)
    eventually_sync(lambda: asyncio.run(ready(mesh)), BACK_S_MAX)


async def ready(mesh: Mesh) -> bool:
    async with once(mesh) as client:
        try:
            return await divided(client, 6, 3) == 2
        except hc.HastenError:
            return False
