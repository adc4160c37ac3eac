"""Fixtures of the engine's tests."""

import threading
from collections.abc import Iterator
from pathlib import Path

import onnxruntime as ort
import pytest

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_worker.engine.isolation.host import Host
from hasten_worker.engine.onnx.port import ModelRunner
from hasten_worker.engine.onnx.session import CUDA
from hasten_worker.engine.settings import TrialLimits
from hasten_worker.engine.trial.client import Trial
from tests.unit.worker_engine.running import Make, isolated_runner, make_runner
from tests.unit.worker_engine.zoo import Repository


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselects what needs a GPU where onnxruntime has none to offer."""
    if CUDA in ort.get_available_providers():
        return
    out = [item for item in items if item.get_closest_marker("gpu") is not None]
    if out:
        config.hook.pytest_deselected(items=out)
        items[:] = [item for item in items if item not in out]


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    path = tmp_path / "models"
    path.mkdir()
    return Repository(path)


@pytest.fixture(scope="session")
def trial() -> Iterator[Trial]:
    """One trial process for all tests; a task that kills its fork leaves it alive."""
    made = Trial(TrialLimits(timeout_s=60.0, run_s_max=1.0))
    yield made
    made.close()


@pytest.fixture
def never() -> threading.Event:
    """A stop that nobody asks for."""
    return threading.Event()


@pytest.fixture(scope="session")
def host() -> Iterator[Host]:
    """One nursery for all tests: what ends a model's process leaves it alive."""
    made = Host()
    made.start()
    yield made
    made.close()


@pytest.fixture(params=["thread", "process"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Make]:
    """Makes runners, which keep one contract wherever the model runs."""
    made: list[ModelRunner] = []

    def maker(content: bytes, config: str | None = None) -> tuple[ModelRunner, ModelConfig]:
        if request.param == "thread":
            return make_runner(tmp_path, content, config)
        host = request.getfixturevalue("host")
        runner, completed = isolated_runner(host, tmp_path, content, config)
        made.append(runner)
        return runner, completed

    yield maker
    for runner in made:
        runner.close()
