"""Patience of the stores' clients, for tests of what they do while nothing is wrong."""

import pytest

from hasten_runtime.discovery import consul, redis_leases
from hasten_runtime.redis_store import client

PATIENCE_S = 60.0


@pytest.fixture
def patient_redis(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to Redis has a second: less than a busy machine may have this process stand still."""
    monkeypatch.setattr(client.bounded.__wrapped__, "__defaults__", (PATIENCE_S,))
    monkeypatch.setattr(client, "CONNECT_TIMEOUT_S", PATIENCE_S)


@pytest.fixture
def patient_registries(patient_redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for discovery, whose views are not fresh while a registry seems not to answer."""
    del patient_redis
    monkeypatch.setattr(redis_leases, "CALL_TIMEOUT_S", PATIENCE_S)
    monkeypatch.setattr(consul, "CALL_TIMEOUT_S", PATIENCE_S)
