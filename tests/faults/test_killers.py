"""What ends the process of a model ends nothing else: a zoo of killers beside honest callers."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress

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
    once,
    running,
)
from tests.support.processes import lives
from tests.support.waiting import eventually, eventually_sync
from tests.unit.worker_engine import killers, zoo

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("poison")]

ENDLESS = """\
max_batch_size: 0
parameters { key: "hasten.run_timeout_ms" value { string_value: "500" } }
"""
TOO_OFTEN = "ended within a minute"
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
    """The worker's; its forks look the same but for their parent."""
    found: dict[int, psutil.Process] = {}
    for each in psutil.Process(mesh.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if NURSERY in each.cmdline():
                found[each.pid] = each
    (nursery,) = [each for each in found.values() if each.ppid() not in found]
    return nursery


def forks_of(mesh: Mesh) -> list[int]:
    return [each.pid for each in nursery_of(mesh).children()]


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
        for pid in forks_of(mesh):
            os.kill(pid, signal.SIGSEGV)
        await them.more()
        assert {line.state for line in await client.index()} == {"READY"}
    assert them.failed == []
    assert nursery_of(mesh).pid == before
    assert " ended with " not in mesh.process.stderr


async def test_a_model_whose_processes_end_too_often_leaves_rotation_and_says_so(
    mesh: Mesh,
) -> None:
    others = forks_of(mesh)
    others.pop()
    async with once(mesh) as client:

        async def gone() -> list[str]:
            for pid in set(forks_of(mesh)) - set(others):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return [line.state for line in await client.index() if TOO_OFTEN in line.reason]

        assert await eventually(gone, BACK_S_MAX) == ["UNAVAILABLE"]
        assert {line.state for line in await client.index()} == {"READY", "UNAVAILABLE"}


def test_nothing_is_left_of_a_worker_that_was_killed(mesh: Mesh) -> None:
    nursery = nursery_of(mesh)
    family = [nursery, *nursery.children()]
    copies = list(mesh.process.tmp.rglob("hasten-model-*"))
    assert copies
    os.kill(nursery.ppid(), signal.SIGKILL)
    eventually_sync(lambda: not any(lives(each.pid) for each in family), BACK_S_MAX)
    assert not any(each.exists() for each in copies)
