"""Leaving in order: out of everybody's sight first, then no new calls, then no calls."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from hasten_runtime import logs

_log = logs.logger(__name__)


class Drainable(Protocol):
    """Whatever takes calls, as far as leaving goes: a service's shell."""

    @property
    def unanswered(self) -> int:
        """Calls that have not ended."""
        ...

    def begin_drain(self) -> None:
        """Takes no new calls from now on. Idempotent."""
        ...

    async def drained(self) -> None:
        """Waits until it takes no new calls and the last one has ended."""
        ...


class Leaving:
    """Drains a service, once, whoever asks and however often.

    Args:
        shell: Whose calls are awaited.
        announce: Tells everybody that the service leaves: health, readiness, discovery.
        notice_s: Calls are still taken for this long after that.
        patience_s: Longest wait for accepted calls.
    """

    def __init__(
        self,
        shell: Drainable,
        announce: Callable[[], Awaitable[None]],
        *,
        notice_s: float,
        patience_s: float,
    ) -> None:
        self._shell = shell
        self._announce = announce
        self._notice_s = notice_s
        self._patience_s = patience_s
        self._announced: asyncio.Future[None] | None = None

    async def drain(self, patience_s: float = 0.0) -> int:
        """Returns when no call is left or patience is over.

        Args:
            patience_s: Longest wait for accepted calls; 0 for the service's own setting.

        Returns:
            Calls that were still unanswered.
        """
        patience_s = patience_s or self._patience_s
        await self._give_notice()
        try:
            async with asyncio.timeout(patience_s):
                await self._shell.drained()
        except TimeoutError:
            unanswered = self._shell.unanswered
            _log.warning("drain.patience_over", unanswered=unanswered, patience_s=patience_s)
        return self._shell.unanswered

    async def _give_notice(self) -> None:
        """Tells everybody; further callers wait for the first one's telling."""
        if self._announced is not None:
            await asyncio.shield(self._announced)
            return
        self._announced = asyncio.get_running_loop().create_future()
        _log.info("drain.began", unanswered=self._shell.unanswered, notice_s=self._notice_s)
        try:
            await self._announce()
            await asyncio.sleep(self._notice_s)
        finally:
            # A caller that went away in the middle must not leave the service half drained.
            self._shell.begin_drain()
            self._announced.set_result(None)
