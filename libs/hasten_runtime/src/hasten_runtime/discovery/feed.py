"""One service's view as this process knows it, shared by all who watch it."""

import asyncio
import math
from collections.abc import Iterable
from typing import Final

from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_runtime.discovery.port import Instance, View

_log = logs.logger(__name__)

INSTANCES_MAX: Final = 4096
"""Most instances of a service in a view; more are cut off, in order of their ids."""


class Feed:
    """Turns a registry's answers and silences into views, and wakes those who wait for them.

    Losses are not believed blindly. A registry that comes back after trouble may have forgotten
    instances that are well, and one that lost its state says that nearly all have left. Then the
    missing ones stay in the view, with fresh=False, until they are announced again or `settle_s`
    has passed: long enough for every live instance to renew.
    """

    def __init__(self, clock: Clock, *, settle_s: float) -> None:
        self._clock = clock
        self._settle_s = settle_s
        self._view: View | None = None
        self._answered_s = -math.inf
        self._in_trouble = False
        self._settles_s: float | None = None
        self._changed = asyncio.Event()
        self._closed = False
        self._error: BaseException | None = None

    @property
    def age_s(self) -> float:
        """Seconds since the registry last answered; math.inf before the first."""
        return self._clock.now_s() - self._answered_s

    async def after(self, seen: View | None) -> View | None:
        """The newest view once it differs from `seen`; None once the feed is closed."""
        while not self._closed and (self._view is None or self._view == seen):
            await self._changed.wait()
        if self._error is not None:
            raise RuntimeError("the watch has failed") from self._error
        return None if self._closed else self._view

    def answered(self, instances: Iterable[Instance]) -> None:
        """The registry is well and says that these live."""
        now_s = self._clock.now_s()
        self._answered_s = now_s
        answer = {instance.instance_id: instance for instance in instances}
        known = {} if self._view is None else {i.instance_id: i for i in self._view.instances}
        missing = known.keys() - answer.keys()
        shaken = self._in_trouble or (len(known) > 1 and 2 * len(missing) > len(known))
        self._in_trouble = False
        if self._settles_s is None and missing and shaken:
            self._settles_s = now_s + self._settle_s
        if missing and self._settles_s is not None and now_s < self._settles_s:
            self._publish((known | answer).values(), fresh=False)
        else:
            self._settles_s = None
            self._publish(answer.values(), fresh=True)

    def failed(self) -> None:
        """The registry is in trouble: what is known stays."""
        self._in_trouble = True
        self._settles_s = None
        self._publish(() if self._view is None else self._view.instances, fresh=False)

    def close(self, error: BaseException | None = None) -> None:
        """Ends all waits; with an error they raise it."""
        self._closed = True
        self._error = error
        self._changed.set()

    def _publish(self, instances: Iterable[Instance], *, fresh: bool) -> None:
        ordered = sorted(instances, key=lambda instance: instance.instance_id)
        view = View(tuple(ordered[:INSTANCES_MAX]), fresh)
        if view == self._view:
            return
        if len(ordered) > INSTANCES_MAX:
            _log.warning("discovery.too_many", instances=len(ordered), kept=INSTANCES_MAX)
        self._view = view
        self._changed.set()
        # Whoever waits from now on waits for the next change.
        self._changed = asyncio.Event()
