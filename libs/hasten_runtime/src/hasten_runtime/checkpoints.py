"""Keeps what a machine learnt over restarts, in the load store. Never in a call's way."""

import asyncio
from typing import Final, Protocol

from hasten_policy.load import WorkerReport
from hasten_runtime import logs
from hasten_runtime.load_store import LoadStore, StoreUnavailable

CHECKPOINT_TTL_S: Final = 3600.0
RESTORE_S_MAX: Final = 1.0
"""A service starts without its memory rather than later."""

_log = logs.logger(__name__)


class Learning(Protocol):
    """A machine that can write down what it learnt."""

    def checkpoint(self) -> bytes:
        """What it learnt."""
        ...


class Remembering(Protocol):
    """Takes over what is known from before the restart."""

    def restore(self, checkpoint: bytes) -> None:
        """Uses what the machine had learnt."""
        ...

    def remember(self, reports: dict[str, WorkerReport]) -> None:
        """Uses these for workers that join before their own first report."""
        ...


class CheckpointKeeper:
    """Saves a machine's checkpoint now and then, and brings it back at the start.

    Args:
        store: Where to.
        machine: Whose.
        name: Of the service and this instance of it, "router:r1"; the same after a restart.
        interval_s: Between two checkpoints.
    """

    def __init__(
        self, store: LoadStore, machine: Learning, *, name: str, interval_s: float
    ) -> None:
        self._store = store
        self._machine = machine
        self._name = name
        self._interval_s = interval_s
        self._failing = False

    async def restore(self, shell: Remembering) -> None:
        """Restores checkpoint and last reports, if the store has them and answers in time."""
        try:
            async with asyncio.timeout(RESTORE_S_MAX):
                checkpoint = await self._store.checkpoint(self._name)
                if checkpoint is not None:
                    shell.restore(checkpoint)
                shell.remember(await self._store.reports())
        except (StoreUnavailable, TimeoutError) as error:
            _log.warning(
                "checkpoint.not_restored",
                reason=str(error) or "the store is slow",
                help="what was learnt before is learnt anew; look at the setting redis_url",
            )

    async def run(self) -> None:
        """Saves checkpoints until cancelled."""
        while True:
            await asyncio.sleep(self._interval_s)
            await self.save()

    async def save(self) -> None:
        """Saves one checkpoint; a store that is down is told in the log once."""
        try:
            await self._store.save_checkpoint(
                self._name, self._machine.checkpoint(), ttl_s=CHECKPOINT_TTL_S
            )
        except (StoreUnavailable, ValueError) as error:
            if not self._failing:
                _log.warning(
                    "checkpoint.not_saved",
                    reason=str(error),
                    help="calls go on; if Redis is not reached, look at the setting redis_url",
                )
            self._failing = True
        else:
            self._failing = False
