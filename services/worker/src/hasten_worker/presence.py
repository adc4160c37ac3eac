"""The worker in the eyes of the mesh: registered, reported, or neither."""

from hasten_runtime.discovery import Discovery, Instance, Registration
from hasten_worker.reporting import Reporter


class Presence:
    """The worker's entries in discovery and in the load store.

    Args:
        discovery: Where it is registered.
        reporter: Copies its load.
    """

    def __init__(self, discovery: Discovery, reporter: Reporter) -> None:
        self._discovery = discovery
        self._reporter = reporter
        self._registration: Registration | None = None

    @property
    def unannounced(self) -> bool:
        """It wants to be in discovery, and discovery does not take it now."""
        return self._registration is not None and not self._registration.well

    async def announce(self, instance: Instance) -> None:
        """Registers the worker. A registry that is down is told later."""
        self._registration = await self._discovery.register(instance)

    async def withdraw(self) -> None:
        """Takes it out of both. Idempotent."""
        registration, self._registration = self._registration, None
        if registration is not None:
            await registration.close()
        await self._reporter.withdraw()
