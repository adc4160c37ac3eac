"""The store's shards as this process uses them, and how it comes to own some."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from hasten_runtime.election.port import Election
from hasten_runtime.errors import MeshError
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.election import RedisElection
from hasten_runtime.redis_store.jobs.job_store import RedisJobStore
from hasten_runtime.redis_store.peers import RedisPeers
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.surroundings import Surroundings
from hasten_runtime.tasks.jobs import JobStore
from hasten_runtime.tasks.payload_folder import FolderPayloads
from hasten_runtime.tasks.port import TaskQueue
from hasten_runtime.tasks.shard_tenure import Candidate
from hasten_runtime.tasks.tenure import Tenure
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.owning import Owning
from hasten_scheduler.settings import SchedulerSettings
from hasten_scheduler.stored import Payloads

StoreT = TypeVar("StoreT", RedisTaskQueue, RedisJobStore)


@dataclass(frozen=True, slots=True)
class Shards:
    """All shards, by number, as everybody but their owners sees them."""

    doors: list[ShardDoor]
    feeds: list[ShardFeed]
    ends: list[ShardEnds]

    def faults(self) -> list[str]:
        """What stands against sending this scheduler traffic, one sentence each."""
        return [
            f"the store of shard {door.shard} does not answer: {door.away}"
            for door in self.doors
            if door.away
        ]

    async def look(self) -> None:
        """Asks each store once: which of them do not answer is known from the start."""
        await asyncio.gather(*(_look(door) for door in self.doors))

    @property
    def waiting(self) -> int:
        """Callers that wait for tasks."""
        return sum(ends.waiting for ends in self.ends)


async def _look(door: ShardDoor) -> None:
    with suppress(MeshError):
        await door.ask(lambda queue: queue.pauses())


def open_queues(settings: SchedulerSettings, around: Surroundings) -> list[TaskQueue]:
    """The tasks of each shard, by number; closed with the surroundings."""
    return [*_of_each_shard(RedisTaskQueue, settings, around)]


def open_job_stores(settings: SchedulerSettings, around: Surroundings) -> list[JobStore]:
    """The jobs of each shard, likewise."""
    return [*_of_each_shard(RedisJobStore, settings, around)]


def _of_each_shard(
    kind: type[StoreT], settings: SchedulerSettings, around: Surroundings
) -> Iterator[StoreT]:
    for shard in range(settings.queue.shards):
        store = kind(
            settings.redis_url,
            namespace=settings.discovery.namespace,
            shard=shard,
            durability=Durability(settings.queue.durability),
            replicas=settings.queue.replicas,
            clock=around.clock,
        )
        around.stack.push_async_callback(store.close)
        yield store


def open_shards(
    settings: SchedulerSettings, queues: list[TaskQueue], around: Surroundings
) -> Shards:
    """The way to each shard, likewise."""
    queue_settings = settings.queue
    limits = queue_settings.limits()
    doors = [
        ShardDoor(shard, queue, limits, pending_max=queue_settings.pending_max)
        for shard, queue in enumerate(queues)
    ]
    for door in doors:
        around.stack.push_async_callback(door.close)
    feeds = [ShardFeed(queue) for queue in queues]
    ends = [ShardEnds(door, feed) for door, feed in zip(doors, feeds, strict=True)]
    for each in ends:
        around.stack.callback(each.close)
    return Shards(doors, feeds, ends)


def open_payloads(settings: SchedulerSettings) -> Payloads:
    """Where long inputs and outputs lie."""
    folder = settings.payloads.folder
    store = FolderPayloads(folder) if folder is not None else None
    return Payloads(store, inline_bytes_max=settings.payloads.inline_bytes_max)


def open_election(settings: SchedulerSettings, around: Surroundings) -> RedisElection:
    """Who owns which shard; closed with the surroundings."""
    election = RedisElection(settings.redis_url, namespace=settings.discovery.namespace)
    around.stack.push_async_callback(election.close)
    return election


def open_tenure(
    settings: SchedulerSettings, around: Surroundings, owning: Owning, election: Election
) -> Tenure:
    """The shards that this process is to own."""
    peers = RedisPeers(settings.redis_url, namespace=settings.discovery.namespace)
    around.stack.push_async_callback(peers.close)
    candidate = Candidate(
        # Of this process alone: the one before it may still be believed to live.
        f"{settings.id}~{secrets.token_hex(4)}",
        election,
        owning,
        settings.queue.times(),
        around.clock,
    )
    tenure = Tenure(candidate, peers, shards=settings.queue.shards)
    owning.term_of = tenure.term
    return tenure
