"""Requests that take their time to come."""

import asyncio
from typing import cast

import pytest

from hasten_policy.reasons import Reason
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.uploads import SLOW_S, STALE_S, UploadLimits, Uploads
from tests.support.virtual_time import elapse

pytestmark = pytest.mark.virtual_time
PREFIX = "HASTEN_ROUTER_GRPC__"


class Arriving:
    """A call whose request is there after a while; None: never."""

    def __init__(self, after_s: float | None) -> None:
        self._after_s = after_s

    async def read(self) -> bytes:
        if self._after_s is None:
            await asyncio.Event().wait()
        else:
            await elapse(self._after_s)
        return b"request"


def reading(uploads: Uploads, after_s: float | None) -> "asyncio.Task[object]":
    return asyncio.create_task(uploads.read(cast("Context", Arriving(after_s))))


async def test_any_number_may_come_fast_and_some_slowly() -> None:
    uploads = Uploads(UploadLimits(slow_max=2))
    fast = [reading(uploads, SLOW_S / 2) for _ in range(50)]
    slow = [reading(uploads, 60.0) for _ in range(2)]
    assert await asyncio.gather(*fast, *slow) == [b"request"] * 52
    assert not uploads.slow


async def test_one_too_many_is_refused_with_limit_and_setting() -> None:
    uploads = Uploads(UploadLimits(slow_max=2, prefix=PREFIX))
    first = [reading(uploads, 2.0) for _ in range(2)]
    with pytest.raises(MeshError) as raised:
        await reading(uploads, 2.0)
    refusal = raised.value.refusal
    assert refusal.reason is Reason.QUEUE_FULL
    assert "grpc.uploads_max (HASTEN_ROUTER_GRPC__UPLOADS_MAX)" in refusal.message
    assert refusal.retry_after_s
    assert await asyncio.gather(*first) == [b"request"] * 2
    assert await reading(uploads, 2.0) == b"request"


async def test_those_that_stall_give_way_to_new_ones() -> None:
    uploads = Uploads(UploadLimits(slow_max=2))
    stalled = [reading(uploads, None) for _ in range(2)]
    await elapse(SLOW_S + STALE_S)
    assert await reading(uploads, 3.0) == b"request"
    with pytest.raises(MeshError):
        await stalled[0]
    assert not stalled[1].done()
    stalled[1].cancel()
    with pytest.raises(asyncio.CancelledError):
        await stalled[1]
    assert not uploads.slow


async def test_a_process_that_stood_still_finds_nobody_slow() -> None:
    uploads = Uploads(UploadLimits(slow_max=1))
    many = [reading(uploads, SLOW_S + 0.2) for _ in range(20)]
    await asyncio.sleep(0)
    # As a loop that had no turn for a while: the timers are late.
    asyncio.get_running_loop()._now_s += SLOW_S + 0.15  # type: ignore[attr-defined]
    assert await asyncio.gather(*many) == [b"request"] * 20


def test_a_budget_counts_what_is_held_and_one_alone_always_may() -> None:
    budget = ByteBudget(100, "requests of all clients", "grpc.held_bytes_max (X)")
    with budget.lease() as alone:
        alone.hold(300)
        with budget.lease() as other, pytest.raises(MeshError, match=r"100 bytes.*held_bytes_max"):
            other.take(1)
        alone.hold(50)
        with budget.lease() as other:
            other.take(50)
            assert budget.held == 100
    assert budget.held == 0
