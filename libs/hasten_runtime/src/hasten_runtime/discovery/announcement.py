"""One standing announcement: made, renewed, and withdrawn at the end."""

import asyncio
import contextlib
import random

from hasten_runtime import logs
from hasten_runtime.discovery.port import Instance
from hasten_runtime.discovery.registry import Registry, RegistryTrouble

_log = logs.logger(__name__)

OTHERS_MAX = 16
"""Addresses that share the id: so many are told of, each once."""


class Announcement:
    """Keeps one instance announced from `start` to `close`. A dead registry is no error."""

    def __init__(self, registry: Registry, instance: Instance, *, renew_s: float) -> None:
        self._registry = registry
        self._instance = instance
        self._renew_s = renew_s
        self._stop = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._well = True
        self._others: set[str] = set()

    @property
    def key(self) -> tuple[str, str]:
        """Service and instance id."""
        return self._instance.service, self._instance.instance_id

    @property
    def well(self) -> bool:
        """The registry took the last announcement."""
        return self._well

    @property
    def closed(self) -> bool:
        """True from the call of `close`."""
        return self._stop.is_set()

    async def start(self) -> None:
        """Returns after the first attempt, whether it succeeded or not."""
        # What stands there at first may well be the process that ran here before.
        await self._announce(first=True)
        if self.closed:
            # Closed meanwhile: the withdrawal may have come before the announcement.
            await self._withdraw()
        else:
            self._task = asyncio.create_task(self._renew(), name=f"announce-{'/'.join(self.key)}")

    async def close(self) -> None:
        """Withdraws the registration. Idempotent; never raises for a dead registry."""
        if self.closed:
            return
        self._stop.set()
        if self._task is not None:
            # An announcement on its way is awaited and not cancelled: it could arrive after
            # the withdrawal and undo it.
            await self._task
        await self._withdraw()

    async def _withdraw(self) -> None:
        try:
            await self._registry.withdraw(self._instance)
        except RegistryTrouble as trouble:
            _log.warning(
                "discovery.not_withdrawn",
                instance=self.key[1],
                reason=str(trouble),
                help="the registry forgets it when its lease ends; look at the setting"
                " discovery.address",
            )

    async def _renew(self) -> None:
        while not self.closed:
            pause_s = self._renew_s * random.uniform(0.9, 1.0)  # noqa: S311  (no secret)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause_s):
                    await self._stop.wait()
            if not self.closed:
                await self._announce()

    async def _announce(self, *, first: bool = False) -> None:
        try:
            other = await self._registry.announce(self._instance)
        except RegistryTrouble as trouble:
            if self._well:
                _log.warning(
                    "discovery.not_announced",
                    instance=self.key[1],
                    reason=str(trouble),
                    help="it is tried again; look at the setting discovery.address",
                )
            self._well = False
        else:
            if not self._well:
                _log.info("discovery.announced_again", instance=self.key[1])
            self._well = True
            if other and not first and other not in self._others and len(self._others) < OTHERS_MAX:
                self._others.add(other)
                _log.error(
                    "discovery.id_shared",
                    instance=self.key[1],
                    address=self._instance.address,
                    other=other,
                    help="two processes have the same id, and calls reach now the one and now"
                    " the other; give each its own",
                )
