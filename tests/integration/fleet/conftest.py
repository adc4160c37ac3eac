"""Fixtures of the tests of links."""

from collections.abc import AsyncIterator

import pytest

from tests.support.fake_worker import FakeWorker


@pytest.fixture
async def worker() -> AsyncIterator[FakeWorker]:
    fake = FakeWorker("w")
    await fake.start()
    yield fake
    await fake.stop()
