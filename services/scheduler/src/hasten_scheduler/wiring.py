"""Puts one scheduler process together and takes it apart in order."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from random import Random

from hasten_policy.machines import Machine
from hasten_policy.scheduler.events import SchedulerEffect, SchedulerEvent
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_runtime.demand import DemandTally
from hasten_runtime.fanout.crew import Crew
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.fleet.link import FrameLink, LinkContext
from hasten_runtime.fleet.roster import OpenLink, Roster
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.grpc_front import GrpcFront, OwnService
from hasten_runtime.load_store import Topic
from hasten_runtime.metrics import MetricsEndpoint
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import recorded
from hasten_runtime.surroundings import Surroundings, open_surroundings
from hasten_runtime.tasks.tenure import Tenure
from hasten_runtime.telling import Teller
from hasten_scheduler.accepting import MESSAGE_VARIABLE, Acceptor
from hasten_scheduler.backlog import Backlog
from hasten_scheduler.batches.desk import BatchDesk
from hasten_scheduler.finding import Finder
from hasten_scheduler.front import scheduler_front, task_service
from hasten_scheduler.job_kinds import JobParts, job_kinds, job_services
from hasten_scheduler.job_wiring import open_batches, open_callbacks
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.live import JobContext
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.knowing import Knowledge
from hasten_scheduler.metrics import SchedulerMetrics
from hasten_scheduler.observing import Meter
from hasten_scheduler.operating import Operator
from hasten_scheduler.owning import Owning
from hasten_scheduler.schedules.known import KnownSchedules
from hasten_scheduler.schedules.wiring import open_schedules
from hasten_scheduler.servicer import TaskServicer
from hasten_scheduler.settings import SchedulerSettings
from hasten_scheduler.shard_wiring import (
    Shards,
    open_election,
    open_job_stores,
    open_payloads,
    open_queues,
    open_shards,
    open_tenure,
)
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
        batches: Batches; None where none are taken.
        shards: The way to each shard.
        tellers: Tell what waits, and what was begun.
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
    batches: BatchDesk | None
    shards: "Shards"
    tellers: tuple[Teller, ...]
    readiness: Readiness
    metrics: MetricsEndpoint


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
        queues = open_queues(settings, around)
        shards = open_shards(settings, queues, around)
        demand = DemandTally(settings.id, around.clock)
        meter = Meter(counts, around.traces, around.clock, demand)
        shell = _shell(_recorded(machine, settings, around, seed), around, meter, shards)
        roster = _roster(settings, shell, around, seed)
        intake = _intake(settings, around, _Core(machine, shell, shards, counts))
        parts = intake.parts
        jobs = _jobs(parts, around, shards, counts)
        owning = Owning(
            shell, queues, shards.ends, jobs, parts.payloads, policy=policy, failed=failed
        )
        election = open_election(settings, around)
        tenure = open_tenure(settings, around, owning, election)
        _watch(counts, shell, shards)
        operator = Operator(intake.finder, election, parts.knowledge)
        fanout = _fanout(settings, roster, shell, parts.knowledge, around)
        services = [
            task_service(intake.servicer(operator, Watchers(shards.doors, shards.feeds))),
            *job_services(parts, fanout, operator),
        ]
        front = _front(settings, around, intake.submitter, services, fanout)
        backlog = Backlog(settings.id, queues, tenure.term, parts.knowledge.views)
        tellers = _tellers(settings, around, backlog, lambda: demand.state(shell.open_tasks()))
        yield Scheduler(
            shell=shell,
            front=front,
            roster=roster,
            tenure=tenure,
            owning=owning,
            submitter=intake.submitter,
            payloads=parts.payloads,
            schedules=parts.schedules.known,
            batches=parts.batches.desk,
            shards=shards,
            tellers=tellers,
            readiness=around.readiness,
            metrics=around.metrics,
        )


@dataclass(frozen=True, slots=True)
class _Core:
    machine: SchedulerMachine
    shell: Shell
    shards: Shards
    counts: SchedulerMetrics


@dataclass(frozen=True, slots=True)
class _Intake:
    """Where tasks and jobs come in."""

    acceptor: Acceptor
    finder: Finder
    submitter: Submitter
    parts: JobParts

    def servicer(self, operator: Operator, watchers: Watchers) -> TaskServicer:
        return TaskServicer(
            self.acceptor, self.submitter, self.finder, operator, watchers, self.parts.desk
        )


def _intake(settings: SchedulerSettings, around: Surroundings, core: _Core) -> _Intake:
    shards, counts = core.shards, core.counts
    payloads = open_payloads(settings)
    knowledge = Knowledge(core.machine, around.clock)
    stores = open_job_stores(settings, around)
    desk = JobDesk(stores, settings.queue.job_limits())
    callbacks = open_callbacks(settings, around, desk, shards.doors, shards.ends)
    limits = settings.accept_limits()
    ordering = settings.scheduler_policy().ordering
    acceptor = Acceptor(limits, ordering, knowledge.refuses, callbacks.check)
    finder = Finder(shards.doors)
    submitter = Submitter(acceptor, payloads, finder, shards.ends, counts, callbacks.desk)
    tasks = JobTasks(submitter, finder)
    parts = JobParts(
        desk=desk,
        stores=stores,
        accept_limits=limits,
        tasks=tasks,
        payloads=payloads,
        knowledge=knowledge,
        batches=open_batches(settings, desk, tasks, payloads, callbacks, knowledge.refuses),
        callbacks=callbacks,
        schedules=open_schedules(
            acceptor, core.machine, core.shell.reservations_told, counts, desk, tasks
        ),
    )
    return _Intake(acceptor, finder, submitter, parts)


def _tellers(
    settings: SchedulerSettings, around: Surroundings, backlog: Backlog, demand: Callable[[], bytes]
) -> tuple[Teller, ...]:
    store = around.load_store(settings.redis_url)
    if store is None:
        return ()
    return (
        Teller(store, Topic.BACKLOG, settings.id, backlog.state),
        Teller(store, Topic.DEMAND, settings.id, demand),
    )


def _recorded(
    machine: SchedulerMachine, settings: SchedulerSettings, around: Surroundings, seed: int
) -> Machine[SchedulerEvent, SchedulerEffect]:
    recorder = around.recorder(
        settings.record, settings.scheduler_policy(), seed=seed, bytes_max=settings.record_bytes_max
    )
    return recorded(machine, recorder)


def _fanout(
    settings: SchedulerSettings,
    roster: Roster,
    shell: Shell,
    knowledge: Knowledge,
    around: Surroundings,
) -> InferenceFanout:
    crew = Crew(roster.links, shell, settings.fanout.crew_limits())
    return InferenceFanout(crew, knowledge, around.readiness, version=version("hasten-scheduler"))


def _shell(
    machine: Machine[SchedulerEvent, SchedulerEffect],
    around: Surroundings,
    meter: Meter,
    shards: Shards,
) -> Shell:
    shell = Shell(machine, around.clock, meter, shards.ends)
    around.stack.callback(shell.close)
    around.measure_host(shell.host_lagged)
    return shell


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
