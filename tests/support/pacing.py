"""Calls that come steadily beside what a test is about, and leave it most of the processors."""

import asyncio
from contextlib import suppress
from typing import Final

PAUSE_S: Final = 0.02


async def pause(over: asyncio.Event, seconds: float = PAUSE_S) -> None:
    """What a caller does between two calls; it is cut short when the load is over.

    A caller that makes the next call at once keeps a core busy for as long as the test takes,
    and with it the tests beside.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await over.wait()
