"""Puts one worker together and takes it apart in order."""

import asyncio
import os
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import grpc
from prometheus_client import CollectorRegistry

from hasten.common.v1.load_pb2 import ModelGap, WorkerState
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy
from hasten_runtime import logs, metrics, telemetry, wire
from hasten_runtime.clock import Clock, SystemClock
from hasten_runtime.discovery import open_discovery
from hasten_runtime.fleet.worker.door import LinkDoor
from hasten_runtime.fleet.worker.servicer import WorkerServicer
from hasten_runtime.frames import listening_socket
from hasten_runtime.front_door import FrontDoor, open_front_door
from hasten_runtime.grpc_server import (
    Health,
    add_health,
    add_reflection,
    bind,
    listening,
    make_server,
)
from hasten_runtime.health import LIVENESS
from hasten_runtime.host_counters import HostCounters
from hasten_runtime.host_lag import HostLagMeter
from hasten_runtime.inference_service import add_inference
from hasten_runtime.leaving import Leaving
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.protocol_names import INFERENCE_SERVICE, WORKER_SERVICE
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import Recorder, open_recorder, recorded
from hasten_worker.decoding import RequestDecoder
from hasten_worker.engine.store.entries import Gap
from hasten_worker.inference.infer import Inference
from hasten_worker.inference.server import LogSettings
from hasten_worker.inference.service import Parts, inference_methods
from hasten_worker.link import LinkSetup
from hasten_worker.metrics import WorkerMetrics
from hasten_worker.observing import Meter
from hasten_worker.presence import Presence
from hasten_worker.reporting import Reporter
from hasten_worker.settings import WorkerSettings
from hasten_worker.shared_memory import SystemRegions
from hasten_worker.shell.lanes import Lanes
from hasten_worker.shell.shell import Shell, ShellSettings
from hasten_worker.store_port import MakeStore, Store
from hasten_worker.tensors import NoRegions
from hasten_worker.tensors.encode import MESSAGE_VARIABLE
from hasten_worker.vitals import Vitals

if TYPE_CHECKING:
    from hasten_runtime.load_store import LoadStore

SERVICES: Final = (INFERENCE_SERVICE, WORKER_SERVICE)
"""What health speaks of beside the server as a whole: they serve from the first load until the
worker leaves, whether or not it is ready.
"""
GAPS_MAX: Final = 32
"""Of what should serve and does not, so much is told to routers, four times a second."""
REASON_CHARS_MAX: Final = 300


class CannotStart(Exception):  # noqa: N818  (the operator's settings, not a bug)
    """The worker cannot start as it is set up; the message is one sentence."""


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker, put together and not yet started.

    Attributes:
        settings: Its settings.
        worker_id: Its name.
        shell: Owner of the machine.
        store: Its models.
        server: Serves both protocols; bound, not started.
        door: The routers' links; open.
        health: What health says.
        readiness: Whether it may be sent traffic.
        presence: Its entries in discovery and the load store.
        reporter: Renews the latter.
        leaving: How it leaves.
        address: Where it listens.
        metrics_address: Where metrics are served.
        recorder: Of the machine's events; None when they are not recorded.
    """

    settings: WorkerSettings
    worker_id: str
    shell: Shell
    store: Store
    server: grpc.aio.Server
    door: LinkDoor
    health: Health
    readiness: Readiness
    presence: Presence
    reporter: Reporter
    leaving: Leaving
    address: str
    metrics_address: str
    recorder: Recorder | None


@dataclass(frozen=True, slots=True)
class _Core:
    """What both protocols work on."""

    worker_id: str
    clock: Clock
    shell: Shell
    meter: Meter
    decoder: RequestDecoder
    regions: SystemRegions | None
    store: Store
    vitals: Vitals
    recorder: Recorder | None
    readiness: Readiness
    front: FrontDoor


@asynccontextmanager
async def open_worker(settings: WorkerSettings, make_store: MakeStore) -> AsyncIterator[Worker]:
    """A worker by its settings; what it opened is closed at the end.

    Args:
        settings: Its settings.
        make_store: Makes the model store, its listener given.

    Raises:
        CannotStart: An address cannot be listened at.
    """
    async with AsyncExitStack() as stack:
        traces = telemetry.start("hasten-worker", instance=settings.worker_id())
        stack.push_async_callback(traces.stop)
        registry = metrics.registry("worker", settings.worker_id())
        core = _core(settings, make_store, registry, traces, stack)
        with _listening(settings.metrics_address, "metrics_address"):
            endpoint = metrics.serve(settings.metrics_address, registry, core.readiness)
        stack.callback(endpoint.close)
        discovery = open_discovery(settings.discovery_settings())
        stack.push_async_callback(discovery.close)
        reporter = _reporter(settings, core, stack)
        presence = Presence(discovery, reporter)
        server = make_server(
            settings.grpc.server_limits(MESSAGE_VARIABLE),
            interceptors=traces.server_interceptors(),
        )
        health = add_health(server)
        health.set(LIVENESS, serving=True)
        leaving = _leaving(settings, core, health, presence)
        stack.push_async_callback(server.stop, 0)
        with _listening(settings.address, "address"):
            address = bind(server, settings.address)
        state = _state_of(settings, core, address, presence)
        door = _door(settings, core, address, state)
        stack.push_async_callback(door.close, 0)
        await door.open()
        _serve(
            server, settings, core, health, WorkerServicer(door, leaving.drain, lambda: state(0))
        )
        yield Worker(
            settings=settings,
            worker_id=core.worker_id,
            shell=core.shell,
            store=core.store,
            server=server,
            door=door,
            health=health,
            readiness=core.readiness,
            presence=presence,
            reporter=reporter,
            leaving=leaving,
            address=address,
            metrics_address=endpoint.address,
            recorder=core.recorder,
        )


@contextmanager
def _listening(address: str, setting: str) -> Iterator[None]:
    """What is opened inside listens at an address of the settings. Raises CannotStart."""
    try:
        with listening(address, setting=setting, variable=f"HASTEN_WORKER_{setting.upper()}"):
            yield
    except OSError as error:
        raise CannotStart(str(error)) from error


def _core(
    settings: WorkerSettings,
    make_store: MakeStore,
    registry: CollectorRegistry,
    traces: telemetry.Telemetry,
    stack: AsyncExitStack,
) -> _Core:
    clock = SystemClock()
    regions = SystemRegions() if settings.shared_memory_on() else None
    if regions is not None:
        stack.callback(regions.close)
    readable = regions or NoRegions()
    policy = settings.worker_policy()
    machine = WorkerMachine(policy)
    recorder = _recorder(settings, policy, stack)
    counts = WorkerMetrics(registry, models_max=settings.telemetry.models_max)
    meter = Meter(counts, traces)
    shell = Shell(
        ShellSettings(
            worker_id=settings.worker_id(),
            incarnation=uuid.uuid4().hex,
            stop_grace_s=settings.stop_grace_s,
        ),
        recorded(machine, recorder),
        Lanes(settings.lane_count(), clock=clock, regions=readable),
        clock=clock,
        observer=meter,
    )
    stack.callback(shell.close)
    store = make_store(settings.store(), shell)
    shell.on_idle = store.release
    decoder = RequestDecoder(store, shell.models, readable)
    stack.callback(decoder.close)
    counts.watch(
        waiting=lambda: machine.waiting,
        running=lambda: machine.running,
        models_ready=lambda: len(shell.models),
    )
    lag = HostLagMeter(clock, HostCounters(), shell.host_lagged)
    metrics.watch_host(registry, lag_s=lambda: lag.lag_s, stolen=lambda: lag.stolen)
    stack.callback(lag.close)
    lag.open()
    vitals = Vitals(clock)
    stack.callback(vitals.close)
    front = open_front_door(settings.front_policy(), clock, meter.unread_refused)
    return _Core(
        worker_id=settings.worker_id(),
        clock=clock,
        shell=shell,
        meter=meter,
        decoder=decoder,
        regions=regions,
        store=store,
        vitals=vitals,
        recorder=recorder,
        readiness=Readiness(),
        front=stack.enter_context(front),
    )


def _recorder(
    settings: WorkerSettings, policy: WorkerPolicy, stack: AsyncExitStack
) -> Recorder | None:
    """What records the machine, if that is asked for."""
    recorder = open_recorder(
        settings.record,
        policy,
        name=settings.worker_id(),
        bytes_max=settings.record_bytes_max,
    )
    if recorder is not None:
        stack.push_async_callback(asyncio.to_thread, recorder.close)
    return recorder


def _reporter(settings: WorkerSettings, core: _Core, stack: AsyncExitStack) -> Reporter:
    store: LoadStore | None = None
    if settings.redis_url:
        # Its client takes a sixth of a start: only where there is a Redis.
        from hasten_runtime.redis_store.load import RedisLoadStore

        store = RedisLoadStore(settings.redis_url)
        stack.push_async_callback(store.close)
    return Reporter(
        store,
        core.worker_id,
        core.shell.report,
        core.vitals,
        period_s=settings.report_period_s,
        ttl_s=settings.report_ttl_s,
    )


def _leaving(settings: WorkerSettings, core: _Core, health: Health, presence: Presence) -> Leaving:
    async def announce() -> None:
        health.enter_drain()
        core.readiness.leave()
        await presence.withdraw()

    return Leaving(
        core.shell,
        announce,
        notice_s=settings.leave.notice_s,
        patience_s=settings.leave.patience_s,
    )


def _state_of(
    settings: WorkerSettings, core: _Core, address: str, presence: Presence
) -> Callable[[int], WorkerState]:
    """Tells the worker's state as a link should hear it; 0 for none."""
    advertised = settings.advertised(address)

    def state(link_id: int) -> WorkerState:
        signs = core.vitals.signs
        gaps = core.store.gaps()
        return wire.report_to_wire(
            core.worker_id,
            advertised,
            core.shell.report(link_id),
            cpu_cores=signs.cpu_cores,
            memory_bytes=signs.memory_bytes,
            gpu_memory_bytes=signs.gpu_memory_bytes,
            pid=os.getpid(),
            gaps=[_gap_to_wire(gap) for gap in gaps[:GAPS_MAX]],
            gaps_more=max(0, len(gaps) - GAPS_MAX),
            unannounced=presence.unannounced,
        )

    return state


def _door(
    settings: WorkerSettings, core: _Core, address: str, state: Callable[[int], WorkerState]
) -> LinkDoor:
    """Where routers' links come in, on the host of the address."""
    setup = LinkSetup(
        shell=core.shell,
        decoder=core.decoder,
        limits=settings.link_limits(),
        clock=core.clock,
        worker_id=core.worker_id,
        state=state,
        start_span=core.meter.start_span,
    )
    host = address.rpartition(":")[0]
    with _listening(f"{host}:{settings.link_port}", "link_port"):
        links = listening_socket(host, settings.link_port)
    return LinkDoor(setup, links, frame_bytes_max=settings.grpc.message_bytes_max)


def _gap_to_wire(gap: Gap) -> ModelGap:
    return ModelGap(name=gap.name, version=gap.version, reason=gap.reason[:REASON_CHARS_MAX])


def _serve(
    server: grpc.aio.Server,
    settings: WorkerSettings,
    core: _Core,
    health: Health,
    servicer: WorkerServicer,
) -> None:
    """Adds both protocols to the server."""

    def ready() -> bool:
        return health.serving(INFERENCE_SERVICE) and core.readiness.refresh()

    parts = Parts(
        inference=Inference(
            core.shell,
            core.decoder,
            clock=core.clock,
            worker_id=core.worker_id,
            limit=MessageLimit(settings.grpc.message_bytes_max, MESSAGE_VARIABLE),
        ),
        door=core.front,
        served=core.shell.models,
        store=core.store,
        regions=core.regions,
        ready=ready,
        log=LogSettings(log_level_setter(settings), settings.telemetry.log_level),
    )
    add_inference(server, inference_methods(parts))
    server.add_generic_rpc_handlers((servicer.handler(),))
    add_reflection(server, SERVICES)


def log_level_setter(settings: WorkerSettings) -> Callable[[str], None]:
    """Sets the process's logs up with a level, everything else by the settings."""

    def apply(level: str) -> None:
        logs.configure(
            "worker",
            level=level,
            fmt=settings.telemetry.log_format,
            worker_id=settings.worker_id(),
        )

    return apply
