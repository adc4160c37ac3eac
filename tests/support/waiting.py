"""Waiting for a condition: the only way tests wait, so that none sleeps for a guessed time."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

PATIENCE_S = 60.0
"""A busy machine may take long; it costs time only where a test fails."""
POLL_S = 0.005
POLL_S_MAX = 0.1


@overload
async def eventually(
    predicate: Callable[[], Awaitable[T]], timeout_s: float = ..., *, what: str = ...
) -> T: ...


@overload
async def eventually(
    predicate: Callable[[], T], timeout_s: float = ..., *, what: str = ...
) -> T: ...


async def eventually(
    predicate: Callable[[], Any], timeout_s: float = PATIENCE_S, *, what: str = ""
) -> Any:
    """Returns the predicate's first truthy value; fails the test after timeout_s.

    The predicate may be a coroutine function. An AssertionError inside it counts as "not yet"
    and is shown if the time runs out. The time is the loop's, which may be virtual.
    """
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + timeout_s
    pause_s = POLL_S
    while True:
        value, why = await _ask(predicate)
        if value:
            return value
        if loop.time() > ends_s:
            raise AssertionError(_sentence(what, predicate, timeout_s, value, why)) from why
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, POLL_S_MAX)


async def _ask(predicate: Callable[[], Any]) -> tuple[Any, AssertionError | None]:
    try:
        value = predicate()
        if inspect.isawaitable(value):
            return await value, None
    except AssertionError as error:
        return None, error
    return value, None


def eventually_sync(
    predicate: Callable[[], T], timeout_s: float = PATIENCE_S, *, what: str = ""
) -> T:
    """As `eventually`, for tests and fixtures without an event loop."""
    ends_s = time.monotonic() + timeout_s
    pause_s = POLL_S
    while True:
        value: T | None = None
        why: AssertionError | None = None
        try:
            value = predicate()
        except AssertionError as error:
            why = error
        if value:
            return value
        if time.monotonic() > ends_s:
            raise AssertionError(_sentence(what, predicate, timeout_s, value, why)) from why
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, POLL_S_MAX)


def _sentence(
    what: str, predicate: object, timeout_s: float, value: object, why: AssertionError | None
) -> str:
    name = what or getattr(predicate, "__name__", repr(predicate))
    last = f"; last: {why}" if why else f"; last value: {value!r}"
    return f"not within {timeout_s:g} s: {name}{last}"
