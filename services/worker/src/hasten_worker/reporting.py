"""The copy of the worker's load in the store, for routers that have just started."""

import asyncio
import contextlib
from collections.abc import Callable

from hasten.common.v1.load_pb2 import WorkerState
from hasten_runtime import logs
from hasten_runtime.load_store import LoadStore, StoreUnavailable
from hasten_worker.vitals import Vitals

_log = logs.logger(__name__)


class Reporter:
    """Publishes the worker's state again and again; a dead store changes nothing else.

    Args:
        store: Where to; None measures the process only.
        worker_id: Whose load it is.
        vitals: Measured at the same pace.
        period_s: Seconds between reports.
        ttl_s: A report that is not renewed vanishes after this.
    """

    def __init__(
        self,
        store: LoadStore | None,
        worker_id: str,
        vitals: Vitals,
        *,
        period_s: float,
        ttl_s: float,
    ) -> None:
        self._store = store
        self._worker_id = worker_id
        self._vitals = vitals
        self._period_s = period_s
        self._ttl_s = ttl_s
        self._reachable = True
        self._withdrawn = False
        self._closed = asyncio.Event()

    async def run(self, state: Callable[[], WorkerState]) -> None:
        """Runs until closed; `state` says how the worker is now."""
        while not self._closed.is_set():
            await asyncio.to_thread(self._vitals.sample)  # GPU libraries take their time.
            if self._store is not None and not self._withdrawn:
                await self._publish(self._store, state)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._period_s):
                    await self._closed.wait()

    def close(self) -> None:
        """Ends `run`."""
        self._closed.set()

    async def withdraw(self) -> None:
        """Takes the report away and publishes no more."""
        self._withdrawn = True
        if self._store is None:
            return
        try:
            async with asyncio.timeout(self._period_s):
                await self._store.withdraw(self._worker_id)
        except (StoreUnavailable, TimeoutError) as error:
            _log.warning(
                "report.not_withdrawn",
                reason=str(error),
                expires_in_s=self._ttl_s,
                help="it vanishes by itself; look at the setting redis_url",
            )

    async def _publish(self, store: LoadStore, state: Callable[[], WorkerState]) -> None:
        try:
            # A store that hangs must not let the report grow older than it may.
            async with asyncio.timeout(self._ttl_s):
                await store.publish(state(), ttl_s=self._ttl_s)
        except (StoreUnavailable, TimeoutError) as error:
            if self._reachable:
                _log.warning(
                    "report.store_lost",
                    reason=str(error),
                    help="inference goes on; look at the setting redis_url",
                )
            self._reachable = False
            return
        if not self._reachable:
            _log.info("report.store_back")
        self._reachable = True
