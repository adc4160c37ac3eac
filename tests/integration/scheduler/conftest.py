"""A real mesh with tasks: Redis, two schedulers, two workers."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from hasten_client import AsyncTaskClient
from loadtest.repository import write_synthetic
from tests.integration.scheduler.models import write_picky, write_table
from tests.support.ports import free_port
from tests.support.servers import RedisServer
from tests.support.services import Service, running_service, scheduler_environ, worker_environ

CALLBACK_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105  (of an example)


@dataclass(frozen=True)
class TaskMesh:
    """What runs.

    Attributes:
        folder: Theirs; batches may lie in `folder / "lines"`.
        receiver_port: Callbacks may go to http://127.0.0.1 there.
    """

    redis: RedisServer
    workers: list[Service]
    schedulers: list[Service]
    folder: Path
    receiver_port: int


@pytest.fixture(scope="session")
def tasks_mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TaskMesh]:
    folder: Path = tmp_path_factory.mktemp("tasks")
    models = folder / "models"
    write_synthetic(models, "echo", alpha_ms=1, beta_ms=0, batch_max=8)
    write_synthetic(models, "slow", alpha_ms=60_000, beta_ms=0, batch_max=1)
    write_picky(models, "picky")
    write_table(models, "table")
    with ExitStack() as running:
        redis = RedisServer()
        running.callback(redis.close)
        redis.start()
        registry = {"kind": "redis", "address": redis.url}
        workers = [
            running.enter_context(
                running_service(
                    "hasten_worker.main",
                    # A run that nobody wants any more goes on: it must not keep the others waiting.
                    worker_environ(name, models, registry, lanes="8"),
                    log_path=folder / f"{name}.log",
                )
            )
            for name in ("w1", "w2")
        ]
        (folder / "lines").mkdir()
        receiver_port = free_port()
        settings = {
            "queue__shards": "2",
            "payloads__folder": str(folder / "payloads"),
            "batches__uri_prefixes": str(folder / "lines"),
            "batches__chunk_lines": "4",
            "batches__window": "12",
            "callbacks__hosts": f"http://127.0.0.1:{receiver_port}",
            "callbacks__secret": CALLBACK_SECRET,
            "callbacks__private_addresses": "true",
        }
        schedulers = [
            running.enter_context(
                running_service(
                    "hasten_scheduler.main",
                    scheduler_environ(name, redis.url, **settings),
                    log_path=folder / f"{name}.log",
                )
            )
            for name in ("s1", "s2")
        ]
        yield TaskMesh(redis, workers, schedulers, folder, receiver_port)


@pytest.fixture(params=[0, 1], ids=["one", "other"])
def address(request: pytest.FixtureRequest, tasks_mesh: TaskMesh) -> str:
    """Of one of the schedulers: whatever shards it owns, it answers for all."""
    return tasks_mesh.schedulers[request.param].address


@pytest.fixture
async def client(address: str) -> AsyncIterator[AsyncTaskClient]:
    async with AsyncTaskClient(address) as opened:
        yield opened
