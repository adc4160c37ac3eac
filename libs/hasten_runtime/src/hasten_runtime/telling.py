"""Tells the load store something of this process, again and again."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from hasten_runtime import logs
from hasten_runtime.load_store import LoadStore, StoreUnavailable, Topic

TELL_S: Final = 1.0
"""Pace."""
KEPT_S: Final = 10.0
"""What is not renewed vanishes after this."""

_log = logs.logger(__name__)

Say = Callable[[], bytes | Awaitable[bytes]]


class Teller:
    """Says it once a second; a dead store changes nothing else.

    Args:
        store: Where to.
        topic: Of what.
        teller_id: Name of this process.
        say: What is said now, at once or after some asking. It may raise StoreUnavailable.
    """

    def __init__(self, store: LoadStore, topic: Topic, teller_id: str, say: Say) -> None:
        self._store = store
        self._topic = topic
        self._teller_id = teller_id
        self._say = say
        self._well = True

    async def run(self) -> None:
        """Tells until cancelled."""
        while True:
            try:
                # A store that hangs must not let what was said grow older than it may.
                async with asyncio.timeout(KEPT_S):
                    said = self._say()
                    value = said if isinstance(said, bytes) else await said
                    await self._store.tell(self._topic, self._teller_id, value, ttl_s=KEPT_S)
            except (StoreUnavailable, TimeoutError) as error:
                if self._well:
                    _log.warning(
                        "telling.store_lost",
                        topic=self._topic.value,
                        reason=str(error),
                        help="calls go on, nobody scales by them; look at the setting redis_url",
                    )
                self._well = False
            else:
                if not self._well:
                    _log.info("telling.store_back", topic=self._topic.value)
                self._well = True
            await asyncio.sleep(TELL_S)

    async def hush(self) -> None:
        """Takes back what was said: this process leaves."""
        with suppress(StoreUnavailable, TimeoutError):
            async with asyncio.timeout(TELL_S):
                await self._store.hush(self._topic, self._teller_id)
