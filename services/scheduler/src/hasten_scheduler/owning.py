"""What this process does with the shards that it gets and loses."""

import asyncio
from collections.abc import Callable, Sequence

from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_runtime import logs
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.port import Fenced, TaskQueue
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.jobs.driver import ShardJobs
from hasten_scheduler.jobs.live import JobContext
from hasten_scheduler.owned import OwnedShard
from hasten_scheduler.shell import Shell
from hasten_scheduler.stored import Payloads

_log = logs.logger(__name__)


class Owning:
    """Tends each shard for as long as this process owns it. Implements TenureListener.

    Args:
        shell: Decides about the tasks.
        queues: The shards.
        ends: Of the shards.
        jobs: What the jobs of all shards share.
        payloads: Of the tasks.
        policy: Of the decisions about them.
        failed: Called when a shard cannot be tended for a fault of ours: the process should end, so
            that another one takes the shard.
    """

    def __init__(  # noqa: PLR0913  (each is another neighbour)
        self,
        shell: Shell,
        queues: Sequence[TaskQueue],
        ends: Sequence[ShardEnds],
        jobs: JobContext,
        payloads: Payloads,
        *,
        policy: SchedulerPolicy,
        failed: Callable[[], None],
    ) -> None:
        self._shell = shell
        self._queues = queues
        self._ends = ends
        self._jobs = jobs
        self._payloads = payloads
        self._policy = policy
        self._failed = failed
        self._tending: dict[int, asyncio.Task[None]] = {}
        self._owned: dict[int, OwnedShard] = {}
        self.term_of: Callable[[int], Term | None] = lambda _: None
        """The term in which this process may act for a shard now; set when there is a tenure."""

    def taken(self, shard: int, term: Term) -> None:
        """This process owns the shard from now on."""
        self._tending[shard] = asyncio.create_task(self._tend(shard, term), name=f"tend-{shard}")

    def gone(self, shard: int) -> None:
        """It owns the shard no more: nothing more is done for it."""
        self._tending.pop(shard).cancel()
        self._owned.pop(shard, None)
        self._ends[shard].own(owned=False)
        self._shell.gone(shard)

    async def idle(self) -> None:
        """Waits until the store knows how every attempt ended that has ended."""
        await asyncio.gather(*(owned.idle() for owned in self._owned.values()))

    async def _tend(self, shard: int, term: Term) -> None:
        def holds() -> bool:
            return self.term_of(shard) is term

        jobs = ShardJobs(shard, term, self._jobs, holds=holds)
        owned = OwnedShard(
            shard,
            term,
            self._queues[shard],
            payloads=self._payloads,
            owner=self._shell,
            jobs=jobs,
            clock=self._jobs.clock,
            holds=holds,
            policy=self._policy,
        )
        try:
            await owned.begin()
            self._owned[shard] = owned
            self._ends[shard].own(owned=True)
            self._shell.took(owned)
            async with asyncio.TaskGroup() as group:
                group.create_task(owned.run(), name=f"shard-{shard}")
                group.create_task(jobs.run(), name=f"jobs-{shard}")
        except* Fenced:
            # The tenure hears of it at its next renewal, and tells that the shard is gone.
            _log.warning("shard.fenced", shard=shard, epoch=term.epoch)
            self._shell.gone(shard)
        except* Exception as errors:  # noqa: BLE001  (whatever it is, another process must take over)
            _log.critical("shard.failed", shard=shard, exc_info=errors)
            self._failed()
