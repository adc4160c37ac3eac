"""A scheduler looks at its store when it starts."""

from pathlib import Path

import pytest

from tests.support.servers import RedisServer
from tests.support.services import running_service, scheduler_environ
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration


def test_a_store_that_cannot_keep_what_was_promised_ends_the_scheduler(tmp_path: Path) -> None:
    server = RedisServer("--appendonly", "no")
    environ = scheduler_environ("s", server.url, queue__durability="durable")
    log_path = tmp_path / "log"
    try:
        server.start()
        with running_service("hasten_scheduler.main", environ, log_path=log_path) as scheduler:
            process = scheduler.process
            assert eventually_sync(lambda: process.exit_status is not None)
            assert process.exit_status == 1
    finally:
        server.close()
    assert "DURABLE needs an append-only file" in log_path.read_text()


def test_what_the_store_can_lose_is_said(tmp_path: Path, redis_server: RedisServer) -> None:
    environ = scheduler_environ("s", redis_server.url)
    log_path = tmp_path / "log"
    with running_service("hasten_scheduler.main", environ, log_path=log_path):
        eventually_sync(lambda: "a power cut the last second or two" in log_path.read_text())
