"""Patience of the stores' clients, for tests of what they do while nothing is wrong."""

from collections.abc import Iterator

import pytest

from hasten_runtime.discovery import consul
from hasten_runtime.redis_store import nudges
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
