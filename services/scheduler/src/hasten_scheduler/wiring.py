"""Puts one scheduler process together and takes it apart in order."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from random import Random

from hasten_policy.machines import Machine
from hasten_policy.scheduler.events import SchedulerEffect, SchedulerEvent
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_runtime.election.port import Election
from hasten_runtime.fanout.crew import Crew
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.fleet.link import FrameLink, LinkContext
from hasten_runtime.fleet.roster import OpenLink, Roster
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.grpc_front import GrpcFront, OwnService
from hasten_runtime.metrics import MetricsEndpoint
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import recorded
from hasten_runtime.redis_store.durability import Durability
from hasten_runtime.redis_store.election import RedisElection
from hasten_runtime.redis_store.jobs.job_store import RedisJobStore
from hasten_runtime.redis_store.peers import RedisPeers
from hasten_runtime.redis_store.queue.task_queue import RedisTaskQueue
from hasten_runtime.surroundings import Surroundings, open_surroundings
from hasten_runtime.tasks.jobs import JobStore
from hasten_runtime.tasks.payload_folder import FolderPayloads
from hasten_runtime.tasks.port import TaskQueue
from hasten_runtime.tasks.shard_tenure import Candidate
from hasten_runtime.tasks.tenure import Tenure
from hasten_scheduler.accepting import MESSAGE_VARIABLE, Acceptor
from hasten_scheduler.ended import ShardEnds
from hasten_scheduler.feed import ShardFeed
from hasten_scheduler.finding import Finder
from hasten_scheduler.front import scheduler_front, task_service
from hasten_scheduler.intake import ShardDoor
from hasten_scheduler.job_kinds import JobParts, job_kinds, job_services
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.live import JobContext
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.knowing import Knowledge
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.observing import Meter
from hasten_scheduler.operating import Operator
from hasten_scheduler.owning import Owning
from hasten_scheduler.schedules.known import KnownSchedules
from hasten_scheduler.schedules.wiring import Schedules, open_schedules
from hasten_scheduler.servicer import TaskServicer
from hasten_scheduler.settings import SchedulerSettings
from hasten_scheduler.shell import Shell
from hasten_scheduler.stored import Payloads
from hasten_scheduler.submitting import Submitter
from hasten_scheduler.watching import Watchers


@dataclass(frozen=True, slots=True)
class Scheduler:
    """One scheduler process, put together and not yet started.

    Attributes:
        shell: Owner of the machine.
        front: Where callers come in.
        roster: Links to workers.
        tenure: Which shards it owns.
        owning: What it does with those.
        submitter: Takes tasks in.
        payloads: Where their long inputs and outputs lie.
        schedules: What it knows of all schedules.
        shards: The way to each shard.
        readiness: Whether it may be sent traffic.
        metrics: Where Prometheus comes in, already open.
    """

    shell: Shell
    front: GrpcFront
    roster: Roster
    tenure: Tenure
    owning: Owning
    submitter: Submitter
    payloads: Payloads
    schedules: KnownSchedules
    shards: "Shards"
    readiness: Readiness
    metrics: MetricsEndpoint


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

    @property
    def waiting(self) -> int:
        """Callers that wait for tasks."""
        return sum(ends.waiting for ends in self.ends)


@asynccontextmanager
async def open_scheduler(
    settings: SchedulerSettings, failed: Callable[[], None]
) -> AsyncIterator[Scheduler]:
    """A scheduler by its settings; its connections are closed at the end.

    Args:
        settings: The scheduler's.
        failed: Called when it cannot go on for a fault of ours.

    Raises:
        OSError: The metrics address cannot be listened at.
    """
    opened = open_surroundings("scheduler", settings.id, settings.metrics_address)
    async with opened as around:
        counts = SchedulerMetrics(around.registry, models_max=settings.telemetry.models_max)
        seed = settings.seed if settings.seed is not None else secrets.randbits(63)
        policy = settings.scheduler_policy()
        machine = SchedulerMachine(policy, rng=Random(seed))  # noqa: S311  (spreads load; no secret)
        queues = _queues(settings, around)
        shards = _shards(settings, queues, around)
        shell = _shell(_recorded(machine, settings, around, seed), around, counts, shards)
        roster = _roster(settings, shell, around, seed)
        payloads = _payloads(settings)
        knowledge = Knowledge(machine, around.clock)
        acceptor = Acceptor(settings.accept_limits(), policy.ordering, knowledge.refuses)
        finder = Finder(shards.doors)
        submitter = Submitter(acceptor, payloads, finder, shards.ends, counts)
        schedules = partial(open_schedules, acceptor, machine, shell.reservations_told, counts)
        tasks = JobTasks(submitter, finder)
        stores = _job_stores(settings, around)
        parts = _job_parts(settings, stores, tasks, (payloads, knowledge), schedules)
        jobs = _jobs(parts, around, shards, counts)
        owning = Owning(shell, queues, shards.ends, jobs=jobs, payloads=payloads, failed=failed)
        election = _election(settings, around)
        tenure = _tenure(settings, around, owning, election)
        _watch(counts, shell, shards)
        operator = Operator(finder, election, knowledge)
        watchers = Watchers(shards.doors, shards.feeds)
        servicer = TaskServicer(acceptor, submitter, finder, operator, watchers)
        crew = Crew(roster.links, shell, settings.fanout.crew_limits())
        fanout = _fanout(crew, knowledge, around)
        services = [task_service(servicer), *job_services(parts, fanout, operator)]
        front = _front(settings, around, submitter, services, fanout)
        yield Scheduler(
            shell=shell,
            front=front,
            roster=roster,
            tenure=tenure,
            owning=owning,
            submitter=submitter,
            payloads=payloads,
            schedules=parts.schedules.known,
            shards=shards,
            readiness=around.readiness,
            metrics=around.metrics,
        )


def _recorded(
    machine: SchedulerMachine, settings: SchedulerSettings, around: Surroundings, seed: int
) -> Machine[SchedulerEvent, SchedulerEffect]:
    policy = settings.scheduler_policy()
    bytes_max = settings.record_bytes_max
    recorder = around.recorder(settings.record, policy, seed=seed, bytes_max=bytes_max)
    return recorded(machine, recorder)


def _election(settings: SchedulerSettings, around: Surroundings) -> RedisElection:
    election = RedisElection(settings.redis_url, namespace=settings.discovery.namespace)
    around.stack.push_async_callback(election.close)
    return election


def _shell(
    machine: Machine[SchedulerEvent, SchedulerEffect],
    around: Surroundings,
    counts: SchedulerMetrics,
    shards: Shards,
) -> Shell:
    meter = Meter(counts, around.traces, around.clock)
    shell = Shell(machine, around.clock, meter, shards.ends)
    around.stack.callback(shell.close)
    around.measure_host(shell.host_lagged)
    return shell


def _job_parts(
    settings: SchedulerSettings,
    stores: Sequence[JobStore],
    tasks: JobTasks,
    known: tuple[Payloads, Knowledge],
    schedules: Callable[[JobDesk, JobTasks], Schedules],
) -> JobParts:
    payloads, knowledge = known
    desk = JobDesk(stores, settings.queue.job_limits())
    return JobParts(
        desk=desk,
        stores=stores,
        accept_limits=settings.accept_limits(),
        tasks=tasks,
        payloads=payloads,
        knowledge=knowledge,
        schedules=schedules(desk, tasks),
    )


def _jobs(
    parts: JobParts, around: Surroundings, shards: Shards, counts: SchedulerMetrics
) -> JobContext:
    return JobContext(
        kinds=job_kinds(parts),
        stores=parts.stores,
        tasks=parts.tasks,
        doors=shards.doors,
        feeds=shards.feeds,
        clock=around.clock,
        observer=counts,
    )


def _watch(counts: SchedulerMetrics, shell: Shell, shards: Shards) -> None:
    counts.watch(
        running=lambda: shell.running,
        shards=lambda: len(shell.owned),
        waiters=lambda: shards.waiting,
        away=lambda: len(shards.faults()),
    )


def _fanout(crew: Crew, knowledge: Knowledge, around: Surroundings) -> InferenceFanout:
    return InferenceFanout(crew, knowledge, around.readiness, version=version("hasten-scheduler"))


def _front(
    settings: SchedulerSettings,
    around: Surroundings,
    submitter: Submitter,
    services: Sequence[OwnService],
    fanout: InferenceFanout,
) -> GrpcFront:
    return scheduler_front(
        settings.address,
        submitter=submitter,
        services=services,
        fanout=fanout,
        limits=settings.grpc.server_limits(MESSAGE_VARIABLE),
        interceptors=around.traces.server_interceptors(),
    )


def _payloads(settings: SchedulerSettings) -> Payloads:
    folder = settings.payloads.folder
    store = FolderPayloads(folder) if folder is not None else None
    return Payloads(store, inline_bytes_max=settings.payloads.inline_bytes_max)


def _queues(settings: SchedulerSettings, around: Surroundings) -> list[TaskQueue]:
    queues: list[TaskQueue] = []
    for shard in range(settings.queue.shards):
        queue = RedisTaskQueue(
            settings.redis_url,
            namespace=settings.discovery.namespace,
            shard=shard,
            durability=Durability(settings.queue.durability),
            replicas=settings.queue.replicas,
            clock=around.clock,
        )
        around.stack.push_async_callback(queue.close)
        queues.append(queue)
    return queues


def _job_stores(settings: SchedulerSettings, around: Surroundings) -> list[JobStore]:
    stores: list[JobStore] = []
    for shard in range(settings.queue.shards):
        store = RedisJobStore(
            settings.redis_url,
            namespace=settings.discovery.namespace,
            shard=shard,
            durability=Durability(settings.queue.durability),
            replicas=settings.queue.replicas,
            clock=around.clock,
        )
        around.stack.push_async_callback(store.close)
        stores.append(store)
    return stores


def _shards(settings: SchedulerSettings, queues: list[TaskQueue], around: Surroundings) -> Shards:
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


def _tenure(
    settings: SchedulerSettings, around: Surroundings, owning: Owning, election: Election
) -> Tenure:
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


def _roster(settings: SchedulerSettings, shell: Shell, around: Surroundings, seed: int) -> Roster:
    discovery = around.discovery(settings.discovery_settings())
    opener = _link_opener(settings, shell, around, seed)
    return Roster(discovery, shell, opener, settings.link.roster_limits())


def _link_opener(
    settings: SchedulerSettings, shell: Shell, around: Surroundings, seed: int
) -> OpenLink:
    channel_limits = settings.grpc.channel_limits()
    # Of its own: only what the machine draws can be replayed from its log.
    rng = Random(f"{seed}/links")  # noqa: S311  (spreads reconnects; no secret)
    shared = LinkContext(shell, around.clock, settings.id, settings.link_limits(), rng)

    def open_link(worker_id: str, address: str) -> FrameLink:
        channel = make_channel(address, limits=channel_limits, traces=around.traces)
        return FrameLink(worker_id, address, channel, shared)

    return open_link
