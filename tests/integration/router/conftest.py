"""Fixtures of the router's tests."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_worker import FakeWorker
from tests.support.transports import TRANSPORTS


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Routers of this test serve clients by it; the test runs once on each."""
    chosen: str = request.param
    monkeypatch.setenv("HASTEN_ROUTER_TRANSPORT", chosen)
    return chosen


@pytest.fixture
async def worker() -> AsyncIterator[FakeWorker]:
    fake = FakeWorker("w")
    await fake.start()
    yield fake
    await fake.stop()
