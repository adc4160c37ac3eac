"""Patience of the stores' clients, for tests of what they do while nothing is wrong; queues."""

from collections.abc import AsyncIterator, Iterator

import pytest

from hasten_runtime.discovery import consul
from hasten_runtime.redis_store import nudges
from tests.contract.task_queues import MemoryQueueHarness, QueueHarness, RedisQueueHarness
from tests.support.patience import PATIENCE_S, redis_answers_within


@pytest.fixture
def patient_redis() -> Iterator[None]:
    with redis_answers_within():
        yield


@pytest.fixture
def patient_registries(patient_redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for discovery, whose views are not fresh while a registry seems not to answer."""
    del patient_redis
    monkeypatch.setattr(nudges, "CALL_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(consul, "CALL_TIMEOUT_S", PATIENCE_S)


@pytest.fixture(params=["memory", "redis", "redis-7.0"])
async def shard(
    request: pytest.FixtureRequest, patient_redis: None, no_leaked_tasks: None
) -> AsyncIterator[QueueHarness]:
    """One shard of durable tasks, owned by the harness."""
    del patient_redis, no_leaked_tasks  # named only to be torn down after this fixture
    harness: QueueHarness
    if request.param == "memory":
        harness = MemoryQueueHarness()
    else:
        name = "redis_server" if request.param == "redis" else "debian_redis_server"
        harness = RedisQueueHarness(request.getfixturevalue(name))
    yield harness
    await harness.close()
