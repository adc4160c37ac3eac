"""One real worker process for the tests that leave it as it was."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import tritonclient.grpc as triton

from tests.integration.worker.repository import write_repository
from tests.support.services import Service, running_service, worker_environ

WORKER = "hasten_worker.main"
Start = Callable[..., Service]


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("models")
    write_repository(folder)
    return folder


@pytest.fixture(scope="session")
def worker(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environ = worker_environ("w1", models, {"kind": "memory"}, leave__notice_s="0") | {
        "HASTEN_WORKER_MODEL_CONTROL": "explicit",
        "HASTEN_WORKER_LOAD_MODELS": "*",
    }
    log_path = tmp_path_factory.mktemp("worker") / "log"
    with running_service(WORKER, environ, log_path=log_path) as service:
        yield service


@pytest.fixture
def client(worker: Service) -> Iterator[triton.InferenceServerClient]:
    with triton.InferenceServerClient(worker.address) as opened:
        yield opened


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts workers of the test's own: start(models, discovery, **settings)."""
    with ExitStack() as stack:
        count = 0

        def begin(models: Path, discovery: dict[str, str], **more: str) -> Service:
            nonlocal count
            count += 1
            environ = worker_environ(f"w{count}", models, discovery, **more)
            log_path = tmp_path / f"worker{count}.log"
            return stack.enter_context(running_service(WORKER, environ, log_path=log_path))

        yield begin


@pytest.fixture
def few_models(tmp_path: Path) -> Path:
    """A repository that loads in no time."""
    from tests.integration.worker.repository import write_slow

    folder = tmp_path / "few"
    write_slow(folder, "slow", alpha_ms=1500)
    write_slow(folder, "quick", alpha_ms=1, batch_max=8)
    return folder
