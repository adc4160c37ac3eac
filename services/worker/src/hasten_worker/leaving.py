"""Leaving in order: out of everybody's sight first, then no new calls, then no calls."""

import asyncio
from collections.abc import Awaitable, Callable

from hasten_runtime import logs
from hasten_runtime.health import Health
from hasten_worker.shell.shell import Shell

_log = logs.logger(__name__)


class Leaving:
    """Drains the worker, once, whoever asks and however often.

    Args:
        shell: Whose calls are awaited.
        health: Says NOT_SERVING from the start.
        withdraw: Takes the worker out of discovery and the load store.
        notice_s: Calls are still taken for this long after that.
        patience_s: Longest wait for accepted calls.
    """

    def __init__(
        self,
        shell: Shell,
        health: Health,
        withdraw: Callable[[], Awaitable[None]],
        *,
        notice_s: float,
        patience_s: float,
    ) -> None:
        self._shell = shell
        self._health = health
        self._withdraw = withdraw
        self._notice_s = notice_s
        self._patience_s = patience_s
        self._announced: asyncio.Future[None] | None = None
        self.began = False
        """The worker is leaving."""

    async def drain(self, patience_s: float = 0.0) -> int:
        """Returns when no call is left or patience is over.

        Args:
            patience_s: Longest wait for accepted calls; 0 for the worker's own setting.

        Returns:
            Calls that were still unanswered.
        """
        await self._announce()
        try:
            async with asyncio.timeout(patience_s or self._patience_s):
                await self._shell.drained.wait()
        except TimeoutError:
            _log.warning("drain.patience_over", unanswered=self._shell.unanswered)
        return self._shell.unanswered

    async def _announce(self) -> None:
        """Tells everybody; further callers wait for the first one's telling."""
        if self._announced is not None:
            await asyncio.shield(self._announced)
            return
        self._announced = asyncio.get_running_loop().create_future()
        self.began = True
        _log.info("drain.began", unanswered=self._shell.unanswered)
        try:
            self._health.enter_drain()
            await self._withdraw()
            await asyncio.sleep(self._notice_s)
        finally:
            # A caller that went away in the middle must not leave the worker half drained.
            self._shell.begin_drain()
            self._announced.set_result(None)
