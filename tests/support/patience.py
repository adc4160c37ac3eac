"""Patience with Redis, for tests of what is done while nothing is wrong."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hasten_runtime.redis_store import client

PATIENCE_S = 60.0


@contextmanager
def redis_answers_within(limit_s: float = PATIENCE_S) -> Iterator[None]:
    """Inside the block a call to Redis may take this long.

    Its own limit is a second: less than a busy machine may have this process stand still.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(client.bounded.__wrapped__, "__defaults__", (limit_s,))
        patched.setattr(client, "CONNECT_TIMEOUT_S", limit_s)
        yield
