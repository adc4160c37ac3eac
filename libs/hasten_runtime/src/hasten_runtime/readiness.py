"""Whether a process may be sent traffic, and if not, why: one truth for all who ask.

`ServerReady`, the health service and the metrics port answer from here. What readiness means is
the service's business; see docs/decisions/0024.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from hasten_runtime import logs

FAULTS_MAX: Final = 32
"""Sentences that are told; further ones are counted."""
FAULTS_LOGGED: Final = 4
REFRESH_S: Final = 0.25
"""Pace of those who are told of changes."""
STARTING: Final = "it is starting"
LEAVING: Final = "it is leaving"

_log = logs.logger(__name__)


class Readiness:
    """Not ready before `begin`, nor after `leave`; between them as the service finds.

    Attributes:
        faults: What stood against it when it was looked at last, one sentence each; none when it
            is ready. May be read from any thread.
    """

    def __init__(self) -> None:
        self.faults: tuple[str, ...] = (STARTING,)
        self._look: Callable[[], Sequence[str]] | None = None

    def begin(self, look: Callable[[], Sequence[str]]) -> None:
        """From now on `look` says what stands against it; asked on the event loop, often."""
        self._look = look
        self.refresh()

    def leave(self) -> None:
        """It is not ready any more, whatever it finds."""
        self._look = None
        self._take((LEAVING,))

    def refresh(self) -> bool:
        """Looks anew; True when nothing stands against it."""
        if self._look is not None:
            self._take(bounded(self._look()))
        return not self.faults

    async def follow(self, tell: Callable[[bool], None]) -> None:
        """Tells again and again whether it is ready, until cancelled."""
        while True:
            tell(self.refresh())
            await asyncio.sleep(REFRESH_S)

    def _take(self, faults: tuple[str, ...]) -> None:
        before, self.faults = self.faults, faults
        if bool(before) == bool(faults) and before != (STARTING,):
            return
        if faults:
            _log.warning("readiness.not_ready", why="; ".join(faults[:FAULTS_LOGGED]))
        else:
            _log.info("readiness.ready")


def bounded(faults: Sequence[str]) -> tuple[str, ...]:
    """The sentences, the last of which says how many more there are if there are too many."""
    if len(faults) <= FAULTS_MAX:
        return tuple(faults)
    return (*faults[:FAULTS_MAX], f"and {len(faults) - FAULTS_MAX} more")


def gap_sentence(model: str, version: str, reason: str) -> str:
    """What is said of a model version that should be served and is not."""
    return f"model {model}{f' version {version}' if version else ''} does not serve: {reason}"
