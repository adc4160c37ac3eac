"""Puts one worker together and takes it apart in order."""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final

import grpc

from hasten_runtime import logs
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.fleet.worker.door import LinkDoor
from hasten_runtime.fleet.worker.servicer import WorkerServicer
from hasten_runtime.frames import listening_socket
from hasten_runtime.grpc_server import (
    Health,
    add_health,
    add_reflection,
    bind,
    listening,
    make_server,
)
from hasten_runtime.health import LIVENESS
from hasten_runtime.inference_service import add_inference
from hasten_runtime.leaving import Leaving
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.protocol_names import INFERENCE_SERVICE, WORKER_SERVICE
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import Recorder
from hasten_runtime.surroundings import Surroundings, open_surroundings
from hasten_worker.core import Core, open_core
from hasten_worker.inference.infer import Inference
from hasten_worker.inference.server import LogSettings
from hasten_worker.inference.service import Parts, inference_methods
from hasten_worker.link import LinkSetup
from hasten_worker.presence import Presence
from hasten_worker.reporting import Reporter
from hasten_worker.settings import WorkerSettings
from hasten_worker.shell.shell import Shell
from hasten_worker.state import StateTeller
from hasten_worker.store_port import MakeStore, Store
from hasten_worker.tensors.encode import MESSAGE_VARIABLE

SERVICES: Final = (INFERENCE_SERVICE, WORKER_SERVICE)
"""What health speaks of beside the server as a whole: they serve from the first load until the
worker leaves, whether or not it is ready.
"""


HELD: Final = "grpc.held_bytes_max (HASTEN_WORKER_GRPC__HELD_BYTES_MAX)"


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
        teller: Says how it is.
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
    teller: StateTeller
    leaving: Leaving
    address: str
    metrics_address: str
    recorder: Recorder | None


@asynccontextmanager
async def open_worker(settings: WorkerSettings, make_store: MakeStore) -> AsyncIterator[Worker]:
    """A worker by its settings; what it opened is closed at the end.

    Args:
        settings: Its settings.
        make_store: Makes the model store, its listener given.

    Raises:
        CannotStart: An address cannot be listened at.
    """
    async with AsyncExitStack() as opened:
        around = await _surroundings(settings, opened)
        stack = around.stack
        core = open_core(settings, make_store, around)
        discovery = around.discovery(settings.discovery_settings())
        reporter = _reporter(settings, core)
        presence = Presence(discovery, reporter)
        server = make_server(
            settings.grpc.server_limits(MESSAGE_VARIABLE),
            interceptors=around.traces.server_interceptors(),
        )
        health = add_health(server)
        health.set(LIVENESS, serving=True)
        leaving = _leaving(settings, core, health, presence)
        stack.push_async_callback(server.stop, 0)
        with _listening(settings.address, "address"):
            address = bind(server, settings.address)
        teller = StateTeller(core, settings.advertised(address), presence)
        door = _door(settings, core, address, teller)
        stack.push_async_callback(door.close, 0)
        await door.open()
        _serve(server, settings, core, health, WorkerServicer(door, leaving.drain, teller.state))
        yield Worker(
            settings=settings,
            worker_id=core.worker_id,
            shell=core.shell,
            store=core.store,
            server=server,
            door=door,
            health=health,
            readiness=around.readiness,
            presence=presence,
            reporter=reporter,
            teller=teller,
            leaving=leaving,
            address=address,
            metrics_address=around.metrics.address,
            recorder=core.recorder,
        )


async def _surroundings(settings: WorkerSettings, opened: AsyncExitStack) -> Surroundings:
    """What stands around the machine. Raises CannotStart."""
    surroundings = open_surroundings("worker", settings.worker_id(), settings.metrics_address)
    try:
        return await opened.enter_async_context(surroundings)
    except OSError as error:
        raise CannotStart(str(error)) from error


@contextmanager
def _listening(address: str, setting: str) -> Iterator[None]:
    """What is opened inside listens at an address of the settings. Raises CannotStart."""
    try:
        with listening(address, setting=setting, variable=f"HASTEN_WORKER_{setting.upper()}"):
            yield
    except OSError as error:
        raise CannotStart(str(error)) from error


def _reporter(settings: WorkerSettings, core: Core) -> Reporter:
    return Reporter(
        core.around.load_store(settings.redis_url),
        core.worker_id,
        core.vitals,
        period_s=settings.report_period_s,
        ttl_s=settings.report_ttl_s,
    )


def _leaving(settings: WorkerSettings, core: Core, health: Health, presence: Presence) -> Leaving:
    async def announce() -> None:
        health.enter_drain()
        core.around.readiness.leave()
        await presence.withdraw()

    return Leaving(
        core.shell,
        announce,
        notice_s=settings.drain.notice_s,
        patience_s=settings.drain.patience_s,
    )


def _door(settings: WorkerSettings, core: Core, address: str, teller: StateTeller) -> LinkDoor:
    """Where routers' links come in, on the host of the address."""
    held = ByteBudget(
        settings.grpc.held_bytes_max, "half-sent and unread messages of all links", HELD
    )
    setup = LinkSetup(
        shell=core.shell,
        decoder=core.decoder,
        limits=settings.link_limits(),
        clock=core.around.clock,
        worker_id=core.worker_id,
        state=teller.state,
        start_span=core.meter.start_span,
        held=held,
    )
    host = address.rpartition(":")[0]
    with _listening(f"{host}:{settings.link_port}", "link_port"):
        links = listening_socket(host, settings.link_port)
    return LinkDoor(setup, links, frame_bytes_max=settings.grpc.message_bytes_max, held=held)


def _serve(
    server: grpc.aio.Server,
    settings: WorkerSettings,
    core: Core,
    health: Health,
    servicer: WorkerServicer,
) -> None:
    """Adds both protocols to the server."""

    def ready() -> bool:
        return health.serving(INFERENCE_SERVICE) and core.around.readiness.refresh()

    parts = Parts(
        inference=Inference(
            core.shell,
            core.decoder,
            clock=core.around.clock,
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
