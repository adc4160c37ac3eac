"""One leader among the replicas of a service, as one of them gets, keeps and gives up the lead."""

import asyncio

from hasten_runtime.alarm import Alarm
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.shard_tenure import Candidate, ShardTenure


class Leadership:
    """Campaigns from `start` to `close`. Its candidate's listener is told, with 0 for the shard.

    Args:
        name: What is led.
        candidate: This process; its election is not closed here.
    """

    def __init__(self, name: str, candidate: Candidate) -> None:
        self._clock = candidate.clock
        self._alarm = Alarm(candidate.clock, self._look)
        self._tenure = ShardTenure(0, candidate, changed=self._changed, name=name)
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to campaign."""
        self._tenure.want(at_once=True)
        self._running = asyncio.create_task(self._tenure.run(), name="leadership")

    @property
    def term(self) -> Term | None:
        """The term in which this process leads now; asked before each act, as it may have stood
        still for long.
        """
        self._look()
        return self._tenure.term

    async def close(self) -> None:
        """Gives up the lead, which is free when it returns, unless the store does not answer."""
        self._tenure.leave()
        if self._running is not None:
            await self._running
        self._alarm.close()

    def _changed(self) -> None:
        self._alarm.set(self._tenure.ends_s)

    def _look(self) -> None:
        self._tenure.expire(self._clock.now_s())
