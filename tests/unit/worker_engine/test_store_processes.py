"""A store whose models run in processes of their own: what becomes of them, and of their files."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

from hasten_policy.worker.deaths import DEATHS_MAX
from hasten_worker.engine.isolation.runner import IsolatedRunner
from hasten_worker.engine.onnx.model import OnnxModel
from hasten_worker.engine.store import fates
from hasten_worker.engine.store.model_store import ModelStore
from tests.support.waiting import eventually
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.shop import Listener, answer, lines, open_store
from tests.unit.worker_engine.zoo import Repository


def pid_of(store: ModelStore) -> int:
    """Of the process that runs the model now; 0 while there is none."""
    model = store.resolve("m", "")
    assert isinstance(model, OnnxModel)
    (runner,) = model.runners
    assert isinstance(runner, IsolatedRunner)
    return runner.pid


async def kill(store: ModelStore, listener: Listener) -> list[str]:
    """Kills the model's process; what was told until it was back, or out of rotation."""
    await eventually(lambda: pid_of(store))
    listener.take()
    os.kill(pid_of(store), signal.SIGKILL)
    await eventually(lambda: len(listener.told) == 2)
    return listener.take()


async def test_a_model_comes_back_from_its_own_copy_until_it_dies_too_often(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fates, "REST_S", 2.0)
    folder = repository.write("m", zoo.add(amount=1))
    async with open_store(repository, isolation="process") as (store, listener):
        assert listener.take() == ["+m/1*"]
        assert store.use().processes == 1
        # Its files may change: what serves is what was loaded.
        (folder / "model.onnx").write_bytes(zoo.add(amount=10))
        for _ in range(DEATHS_MAX - 1):
            assert await kill(store, listener) == ["=m/1", "+m/1"]
            assert answer(store.resolve("m", ""), 1, 2, 3, 4) == [2, 3, 4, 5]
        assert await kill(store, listener) == ["=m/1", "-m/1"]
        await eventually(lambda: lines(store)["m/1"] != "UNLOADING")
        assert lines(store)["m/1"].startswith(
            "UNAVAILABLE: 5 processes of it ended within a minute; the last: its process ended "
            "(SIGKILL); it is tried again after"
        )
        assert store.gaps()
        await eventually(lambda: store.ready("m", ""))
        assert answer(store.resolve("m", ""), 1, 2, 3, 4) == [11, 12, 13, 14]
        copies = list(repository.path.parent.glob("hasten-model-*"))
        assert len(copies) == 1


async def test_a_model_that_is_replaced_or_unloaded_leaves_no_process_and_no_file(
    repository: Repository,
) -> None:
    repository.write("m", zoo.add(amount=1))
    how: dict[str, Any] = {"isolation": "process", "control": "explicit"}
    async with open_store(repository, **how) as (store, _):
        await store.load("m")
        first = pid_of(store)
        repository.write("m", zoo.add(amount=10))
        await store.load("m")
        assert answer(store.resolve("m", ""), 1, 2, 3, 4) == [11, 12, 13, 14]
        assert pid_of(store) != first
        await eventually(processes(store, 1))
        await store.unload("m")
        await eventually(processes(store, 0))
        assert not list(repository.path.parent.glob("hasten-model-*"))


def processes(store: ModelStore, count: int) -> Callable[[], bool]:
    return lambda: store.use().processes == count
