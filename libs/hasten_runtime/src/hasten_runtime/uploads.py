"""Requests that are on their way to a server of grpc.aio.

That tells nothing of one until all of it is there: neither its size nor how much has come. So those
that take long are counted. What has come is counted in bytes.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context

COUNTED_BYTES_MIN: Final = 64 * 1024
"""Shorter requests are bounded by the number of calls."""
SLOW_S: Final = 0.5
"""A request that is not there by then counts as slow."""
LATE_S: Final = 0.1
"""This process stood still when it looks so much later than it meant to: nobody else was slow."""
STALE_S: Final = 5.0
"""The oldest of the slow gives way to a new one after so long."""
RETRY_S: Final = 1.0


@dataclass(frozen=True, slots=True)
class UploadLimits:
    """Bounds of requests that come.

    Attributes:
        slow_max: Requests that take longer than SLOW_S to come, of all clients together.
        held_bytes_max: Bytes of requests above COUNTED_BYTES_MIN that are in the process.
        prefix: Of the environment's variables that set these.
    """

    slow_max: int = 16
    held_bytes_max: int = 512 * 1024 * 1024
    prefix: str = ""


class Uploads:
    """Reads requests within bounds.

    Args:
        limits: The bounds.
        refused: Told each refusal of its own, to be counted.
    """

    def __init__(
        self, limits: UploadLimits, refused: Callable[[Refusal], None] = lambda _: None
    ) -> None:
        self._limits = limits
        self._refused = refused
        held = f"grpc.held_bytes_max ({limits.prefix}HELD_BYTES_MAX)"
        self.budget = ByteBudget(limits.held_bytes_max, "requests of all clients", held)
        """Of requests that are in the process."""
        self.slow: dict[_Reading, float] = {}
        """Those that take long, the oldest first, and since when they do."""

    async def read(self, context: Context) -> object:
        """What comes of a call's request, or the end of what the client sends.

        Raises:
            MeshError: QUEUE_FULL: it takes long, as too many others do.
        """
        reading = _Reading(self, asyncio.current_task())
        try:
            return await context.read()
        except asyncio.CancelledError:
            if reading.refusal is None:
                raise
            self._refused(reading.refusal)
            raise MeshError(reading.refusal) from None
        finally:
            reading.end()

    def enter(self, reading: "_Reading", now_s: float) -> Refusal | None:
        """A request has become slow: counts it, or says why it is refused."""
        if len(self.slow) >= self._limits.slow_max:
            oldest, since_s = next(iter(self.slow.items()))
            if now_s - since_s < STALE_S:
                return self._refusal()
            oldest.give_up(self._refusal())
        self.slow[reading] = now_s
        return None

    def _refusal(self) -> Refusal:
        limits = self._limits
        return Refusal(
            Reason.QUEUE_FULL,
            f"{limits.slow_max} requests take longer than {SLOW_S:g} s to come, which is the most:"
            f" come again, or raise the setting grpc.uploads_max ({limits.prefix}UPLOADS_MAX)",
            retry_after_s=RETRY_S,
            metadata=(("limit", str(limits.slow_max)), ("setting", "grpc.uploads_max")),
        )


class _Reading:
    """One request on its way."""

    __slots__ = ("_due_s", "_loop", "_task", "_timer", "_uploads", "refusal")

    def __init__(self, uploads: Uploads, task: "asyncio.Task[object] | None") -> None:
        self._uploads = uploads
        self._task = task
        self._loop = asyncio.get_running_loop()
        self.refusal: Refusal | None = None
        """Why it is no longer waited for."""
        self._look_later()

    def _look_later(self) -> None:
        self._due_s = self._loop.time() + SLOW_S
        self._timer = self._loop.call_at(self._due_s, self._look)

    def _look(self) -> None:
        now_s = self._loop.time()
        if now_s - self._due_s > LATE_S:
            self._look_later()
            return
        refusal = self._uploads.enter(self, now_s)
        if refusal is not None:
            self.give_up(refusal)

    def give_up(self, refusal: Refusal) -> None:
        """Waits no longer; whoever reads hears why."""
        self._uploads.slow.pop(self, None)
        if self._task is not None and self.refusal is None:
            self.refusal = refusal
            self._task.cancel()

    def end(self) -> None:
        """It is there, or will not be."""
        self._timer.cancel()
        self._uploads.slow.pop(self, None)
