"""Reads what clients send, within bounds of bytes and time."""

import asyncio
from collections.abc import Callable

from aiohttp import StreamReader
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.short import short
from hasten_router.rest.bounds import Pace
from hasten_runtime.byte_budget import Lease
from hasten_runtime.errors import MeshError
from hasten_runtime.message_limit import too_large


class BodyReader:
    """Reads whole bodies.

    Args:
        bytes_max: Of one, unpacked.
        variable: The environment's variable that sets it.
        pace: How slow a client may be.
    """

    def __init__(self, bytes_max: int, variable: str, pace: Pace) -> None:
        self._bytes_max = bytes_max
        self._variable = variable
        self._pace = pace

    def check(self, size: int) -> None:
        """Raises MeshError MESSAGE_TOO_LARGE for a body of so many bytes, if it is too large."""
        if size > self._bytes_max:
            raise MeshError(too_large("a body", size, self._bytes_max, self._variable))

    async def read(
        self,
        content: StreamReader,
        lease: Lease,
        deadline_s: float | None,
        check: Callable[[int], None],
    ) -> bytes:
        """The body, unpacked where it was packed.

        Args:
            content: Where it comes from.
            lease: Holds its bytes.
            deadline_s: The caller's, on the loop's clock; None for none.
            check: Raises for a body of so many bytes, if it is too large.

        Raises:
            MeshError: It is too large, too slow, broken, or there is no room for it.
        """
        pieces: list[bytes] = []
        size = 0
        begun_s = asyncio.get_running_loop().time()
        while True:
            until_s = begun_s + self._pace.time_s(size)
            try:
                async with asyncio.timeout_at(_first(until_s, deadline_s)):
                    piece = await content.readany()
            except TimeoutError:
                raise _late(size, passed=deadline_s is not None and deadline_s <= until_s) from None
            except (RequestPayloadError, HttpProcessingError) as error:
                raise _broken(str(error)) from None
            if not piece:
                return pieces[0] if len(pieces) == 1 else b"".join(pieces)
            size += len(piece)
            check(size)
            lease.take(len(piece))
            pieces.append(piece)


def _first(until_s: float, deadline_s: float | None) -> float:
    return until_s if deadline_s is None else min(until_s, deadline_s)


def _late(size: int, *, passed: bool) -> MeshError:
    if passed:
        sentence = f"the deadline passed when {size} bytes of the body had come"
        return MeshError(Refusal(Reason.DEADLINE_PASSED, sentence))
    sentence = f"the body stopped or came too slowly: {size} bytes of it came"
    return MeshError(Refusal(Reason.INVALID_REQUEST, sentence))


def _broken(what: str) -> MeshError:
    sentence = f"the body is broken: {short(what.partition(chr(10))[0])}"
    return MeshError(Refusal(Reason.INVALID_REQUEST, sentence))
