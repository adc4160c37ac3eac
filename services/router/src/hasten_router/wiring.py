"""Puts one router process together and takes it apart in order."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from random import Random

from prometheus_client import CollectorRegistry

from hasten_policy.router.machine import RouterMachine
from hasten_router.fanout.crew import Crew
from hasten_router.front.infer import MESSAGE_VARIABLE, RequestReader
from hasten_router.front.inference import InferenceFanout
from hasten_router.front.operator import RouterOperator
from hasten_router.front.port import FrontServer
from hasten_router.front.server import GrpcFront, Services
from hasten_router.mesh_view import MeshView
from hasten_router.metrics import RouterMetrics
from hasten_router.observing import Meter
from hasten_router.settings import RouterSettings
from hasten_router.shell import Shell
from hasten_runtime import metrics, telemetry
from hasten_runtime.checkpoints import CheckpointKeeper
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery import open_discovery
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.fleet.link import FrameLink, LinkContext
from hasten_runtime.fleet.roster import OpenLink, Roster
from hasten_runtime.front_door import FrontDoor, open_front_door
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.grpc_server import listening
from hasten_runtime.host_counters import HostCounters
from hasten_runtime.host_lag import HostLagMeter
from hasten_runtime.leaving import Leaving
from hasten_runtime.load_store import LoadStore
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import Recorder, open_recorder, recorded


@dataclass(frozen=True, slots=True)
class Router:
    """One router process, put together and not yet started.

    Attributes:
        shell: Owner of the machine.
        front: Where clients come in.
        roster: Links to workers.
        checkpoints: Memory over restarts.
        leaving: How it leaves.
        mesh: What the machine knows.
        readiness: Whether it may be sent traffic.
        metrics: Where Prometheus comes in, already open.
    """

    shell: Shell
    front: FrontServer
    roster: Roster
    checkpoints: CheckpointKeeper
    leaving: Leaving
    mesh: MeshView
    readiness: Readiness
    metrics: metrics.MetricsEndpoint


@dataclass(frozen=True, slots=True)
class _Core:
    """What the front is made of."""

    settings: RouterSettings
    clock: Clock
    shell: Shell
    roster: Roster
    mesh: MeshView
    readiness: Readiness
    traces: telemetry.Telemetry


@asynccontextmanager
async def open_router(settings: RouterSettings) -> AsyncIterator[Router]:
    """A router by its settings; its connections are closed at the end.

    Raises:
        OSError: The metrics address cannot be listened at.
    """
    clock = SystemClock()
    traces = telemetry.start("hasten-router", instance=settings.id)
    registry = metrics.registry("router", settings.id)
    counts = RouterMetrics(registry, models_max=settings.telemetry.models_max)
    readiness = Readiness()
    endpoint = _serve_metrics(settings.metrics_address, registry, readiness)
    seed = settings.seed if settings.seed is not None else secrets.randbits(63)
    recorder = _recorder(settings, seed)
    rng = Random(seed)  # noqa: S311  (spreads load; no secret)
    machine = RouterMachine(settings.router_policy(), rng=rng)
    meter = Meter(counts, traces, knows=lambda name: machine.knows(name, ""))
    told = recorded(machine, recorder)
    shell = Shell(told, clock, meter, suspect_sizes=machine.suspect_sizes)
    discovery = open_discovery(settings.discovery_settings())
    opener = _link_opener(settings, shell, clock, seed, traces)
    roster = Roster(discovery, shell, opener, settings.link.roster_limits())
    mesh = MeshView(machine, clock, roster.states, strict=settings.strict_readiness)
    counts.watch(
        held=lambda: machine.held,
        in_flight=lambda: machine.in_flight,
        discovery_age_s=roster.age_s,
    )
    lag = HostLagMeter(clock, HostCounters(), shell.host_lagged)
    metrics.watch_host(registry, lag_s=lambda: lag.lag_s, stolen=lambda: lag.stolen)
    core = _Core(settings, clock, shell, roster, mesh, readiness, traces)
    try:
        lag.open()
        opened = open_front_door(settings.front_policy(), clock, meter.unread_refused)
        with opened as door:
            async with _open_store(settings) as store:
                front = _front(core, door)
                yield Router(
                    shell=shell,
                    front=front,
                    roster=roster,
                    checkpoints=_checkpoints(settings, store, machine),
                    leaving=_leaving(core, front),
                    mesh=mesh,
                    readiness=readiness,
                    metrics=endpoint,
                )
    finally:
        lag.close()
        shell.close()
        await discovery.close()
        await traces.stop()
        endpoint.close()
        if recorder is not None:
            await asyncio.to_thread(recorder.close)


def _recorder(settings: RouterSettings, seed: int) -> Recorder | None:
    return open_recorder(
        settings.record,
        settings.router_policy(),
        name=settings.id,
        seed=seed,
        bytes_max=settings.record_bytes_max,
    )


def _checkpoints(
    settings: RouterSettings, store: LoadStore, machine: RouterMachine
) -> CheckpointKeeper:
    return CheckpointKeeper(
        store, machine, name=f"router:{settings.id}", interval_s=settings.checkpoint_s
    )


def _leaving(core: _Core, front: FrontServer) -> Leaving:
    async def announce() -> None:
        core.readiness.leave()
        front.announce_leaving()

    drain = core.settings.drain
    return Leaving(core.shell, announce, notice_s=drain.notice_s, patience_s=drain.patience_s)


def _serve_metrics(
    address: str, registry: CollectorRegistry, readiness: Readiness
) -> metrics.MetricsEndpoint:
    with listening(address, setting="metrics_address", variable="HASTEN_ROUTER_METRICS_ADDRESS"):
        return metrics.serve(address, registry, readiness)


@asynccontextmanager
async def _open_store(settings: RouterSettings) -> AsyncIterator[LoadStore]:
    store: LoadStore = MemoryLoadStore()
    if settings.redis_url:
        # Its client takes a sixth of a start: only where there is a Redis.
        from hasten_runtime.redis_store.load import RedisLoadStore

        store = RedisLoadStore(settings.redis_url)
    try:
        yield store
    finally:
        await store.close()


def _link_opener(
    settings: RouterSettings, shell: Shell, clock: Clock, seed: int, traces: telemetry.Telemetry
) -> OpenLink:
    channel_limits = settings.grpc.channel_limits()
    # Of its own: only what the machine draws can be replayed from its log.
    rng = Random(f"{seed}/links")  # noqa: S311  (spreads reconnects; no secret)
    shared = LinkContext(shell, clock, settings.id, settings.link_limits(), rng)

    def open_link(worker_id: str, address: str) -> FrameLink:
        channel = make_channel(address, limits=channel_limits, traces=traces)
        return FrameLink(worker_id, address, channel, shared)

    return open_link


def _front(core: _Core, door: FrontDoor) -> FrontServer:
    settings = core.settings
    reader = RequestReader(
        door=core.shell,
        clock=core.clock,
        limits=settings.front_limits(),
        hears_traces=core.traces.carries_context,
    )
    crew = Crew(core.roster.links, core.shell, settings.fanout.crew_limits())
    return GrpcFront(
        settings.address,
        Services(
            reader=reader,
            door=door,
            fanout=InferenceFanout(
                crew, core.mesh, core.readiness, version=version("hasten-router")
            ),
            operator=RouterOperator(core.roster, core.mesh, core.shell),
        ),
        settings.grpc.server_limits(MESSAGE_VARIABLE),
        interceptors=core.traces.server_interceptors(),
        reuse_port=settings.shared_port,
    )
