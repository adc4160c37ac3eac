"""Fixtures for all tests: real servers and checks for what a test leaves behind."""

import asyncio
import os
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from hasten_runtime import imports
from hasten_runtime.clock import SystemClock
from tests.support.scheduling import Schedule, place
from tests.support.servers import ConsulAgent, RedisServer
from tests.support.virtual_time import VirtualLoop, loop_time_s
from tests.support.waiting import eventually

LEAK_GRACE_S = 60.0

# Tests say nothing about speed: a starved machine takes long for an example, and to make one.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
# The same examples every time, so that a change fails for what it changes. To look for new ones:
# pytest --hypothesis-profile=explore, or as many as always but others: --hypothesis-profile=fresh
settings.register_profile("hasten", PATIENT, derandomize=True)
settings.register_profile("explore", PATIENT, max_examples=1000)
settings.register_profile("fresh", PATIENT, print_blob=True)
settings.load_profile("hasten")


def pytest_configure(config: pytest.Config) -> None:
    """Workers of this run share what they found out about the same models, and nothing else."""
    if not hasattr(config, "workerinput"):
        folder = tempfile.TemporaryDirectory(prefix="hasten-tests-")
        config.add_cleanup(folder.cleanup)
        os.environ["HASTEN_WORKER_EXAMINATIONS_DIR"] = folder.name


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Schedule:
    """How tests are spread over processes."""
    return Schedule(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """What is imported and collected stays until the end: no garbage is looked for among it."""
    with imports.kept():
        return (yield)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The order in which they are spread: long tests at the end would run alone."""
    if hasattr(config, "workerinput"):
        items.sort(key=place)


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loops that a test runs on, once on each."""
    del config
    if item.get_closest_marker("every_network"):
        return {"tcp": asyncio.new_event_loop, "pair": VirtualLoop}
    if item.get_closest_marker("virtual_time"):
        return {"virtual": VirtualLoop}
    return {"system": asyncio.new_event_loop}


@pytest.fixture(autouse=True)
def _clocks_follow_the_loop(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    call = getattr(request.node, "callspec", None)
    if call is not None and VirtualLoop in call.params.values():
        monkeypatch.setattr(SystemClock, "now_s", loop_time_s)


@pytest.fixture(scope="session")
def _redis_server_of_session() -> Iterator[RedisServer]:
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def redis_server(_redis_server_of_session: RedisServer) -> RedisServer:
    """A real, empty Redis, shared by this process's tests: leave it running."""
    _redis_server_of_session.command("FLUSHALL")
    return _redis_server_of_session


@pytest.fixture(scope="session")
def _debian_redis_server_of_session() -> Iterator[RedisServer]:
    server = RedisServer(program="redis-7.0")
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def debian_redis_server(_debian_redis_server_of_session: RedisServer) -> RedisServer:
    """As `redis_server`, of the lowest version that Hasten runs on."""
    _debian_redis_server_of_session.command("CONFIG", "SET", "appendfsync", "everysec")
    _debian_redis_server_of_session.command("FLUSHALL")
    return _debian_redis_server_of_session


@pytest.fixture
def own_redis_server() -> Iterator[RedisServer]:
    """A real Redis of this test alone, to be killed, paused and restarted."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(scope="module")
def _consul_agent_of_module() -> Iterator[ConsulAgent]:
    agent = ConsulAgent()
    try:
        agent.start()
        yield agent
    finally:
        agent.close()


@pytest.fixture
def consul_agent(_consul_agent_of_module: ConsulAgent) -> ConsulAgent:
    """A real Consul agent without services, shared by the tests of a file: leave it running.

    Not for longer: an agent that nobody asks takes a twentieth of a core.
    """
    for service_id in _consul_agent_of_module.get("/v1/agent/services"):
        _consul_agent_of_module.put(f"/v1/agent/service/deregister/{service_id}")
    return _consul_agent_of_module


@pytest.fixture
def own_consul_agent() -> Iterator[ConsulAgent]:
    """A real Consul agent of this test alone, to be killed, paused and restarted."""
    agent = ConsulAgent()
    try:
        agent.start()
        yield agent
    finally:
        agent.close()


@pytest.fixture
async def no_leaked_tasks() -> AsyncIterator[None]:
    """Fails the test when it leaves an asyncio task behind."""
    before = asyncio.all_tasks()
    yield

    def all_ended() -> bool:
        left = asyncio.all_tasks() - before - {asyncio.current_task()}
        assert not left, f"tasks left behind: {[str(task) for task in left]}"
        return True

    await eventually(all_ended, LEAK_GRACE_S, what="all tasks of the test have ended")
