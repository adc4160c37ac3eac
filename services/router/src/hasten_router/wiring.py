"""Puts one router process together and takes it apart in order."""

import secrets
from collections.abc import AsyncIterator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from importlib.metadata import version
from random import Random
from typing import TYPE_CHECKING

from hasten_policy.router.machine import RouterMachine
from hasten_router.front.infer import MESSAGE_VARIABLE, RequestReader
from hasten_router.front.operator import RouterOperator
from hasten_router.front.port import FrontServer
from hasten_router.front.server import (
    Services,
    inference_methods,
    native_router_front,
    router_front,
)
from hasten_router.mesh_view import MeshView
from hasten_router.metrics import RouterMetrics
from hasten_router.observing import Meter
from hasten_router.settings import RouterSettings
from hasten_router.shell import Shell
from hasten_runtime.checkpoints import CheckpointKeeper
from hasten_runtime.demand import DemandTally
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.fanout.crew import Crew
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.fleet.link import FrameLink, LinkContext
from hasten_runtime.fleet.roster import OpenLink, Roster
from hasten_runtime.front_door import FrontDoor, open_front_door
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.leaving import Leaving
from hasten_runtime.load_store import LoadStore, Topic
from hasten_runtime.metrics import MetricsEndpoint
from hasten_runtime.plane.choice import is_native
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import recorded
from hasten_runtime.surroundings import Surroundings, open_surroundings
from hasten_runtime.telling import Teller

if TYPE_CHECKING:
    from hasten_router.rest.server import RestServer


@dataclass(frozen=True, slots=True)
class Router:
    """One router process, put together and not yet started.

    Attributes:
        shell: Owner of the machine.
        front: Where clients come in.
        http: Where clients that speak HTTP come in; None when they are not wanted.
        roster: Links to workers.
        checkpoints: Memory over restarts.
        leaving: How it leaves.
        mesh: What the machine knows.
        teller: Tells what it was asked for.
        readiness: Whether it may be sent traffic.
        metrics: Where Prometheus comes in, already open.
    """

    shell: Shell
    front: FrontServer
    http: "RestServer | None"
    roster: Roster
    checkpoints: CheckpointKeeper
    leaving: Leaving
    mesh: MeshView
    teller: Teller
    readiness: Readiness
    metrics: MetricsEndpoint


@dataclass(frozen=True, slots=True)
class _Core:
    """What the front is made of."""

    settings: RouterSettings
    around: Surroundings
    shell: Shell
    roster: Roster
    mesh: MeshView


@asynccontextmanager
async def open_router(settings: RouterSettings) -> AsyncIterator[Router]:
    """A router by its settings; its connections are closed at the end.

    Raises:
        OSError: The metrics address cannot be listened at.
    """
    opened = open_surroundings("router", settings.id, settings.metrics_address)
    async with opened as around:
        counts = RouterMetrics(around.registry, models_max=settings.telemetry.models_max)
        seed = settings.seed if settings.seed is not None else secrets.randbits(63)
        rng = Random(seed)  # noqa: S311  (spreads load; no secret)
        policy = settings.router_policy()
        machine = RouterMachine(policy, rng=rng)
        recorder = around.recorder(
            settings.record, policy, seed=seed, bytes_max=settings.record_bytes_max
        )
        demand = DemandTally(settings.id, around.clock)
        meter = Meter(counts, around.traces, demand, knows=lambda name: machine.knows(name, ""))
        shell = Shell(
            recorded(machine, recorder), around.clock, meter, suspect_sizes=machine.suspect_sizes
        )
        around.stack.callback(shell.close)
        discovery = around.discovery(settings.discovery_settings())
        opener = _link_opener(settings, shell, around, seed)
        roster = Roster(discovery, shell, opener, settings.link.roster_limits())
        counts.watch(
            held=lambda: machine.held,
            in_flight=lambda: machine.in_flight,
            discovery_age_s=roster.age_s,
        )
        around.measure_host(shell.host_lagged)
        door = around.stack.enter_context(_door(settings, around, meter))
        store = around.load_store(settings.redis_url) or MemoryLoadStore()
        mesh = MeshView(machine, around.clock, roster.states, strict=settings.strict_readiness)
        core = _Core(settings, around, shell, roster, mesh)
        services = _services(core, door)
        front = _front(settings, services)
        http = _http(core, services) if settings.http_address else None
        teller = Teller(
            store,
            Topic.DEMAND,
            settings.id,
            lambda: demand.state(shell.open_calls(), waiting=machine.held),
        )
        yield Router(
            shell=shell,
            front=front,
            http=http,
            roster=roster,
            checkpoints=_checkpoints(settings, store, machine),
            leaving=_leaving(core, front, http),
            mesh=mesh,
            teller=teller,
            readiness=around.readiness,
            metrics=around.metrics,
        )


def _door(
    settings: RouterSettings, around: Surroundings, meter: Meter
) -> AbstractContextManager[FrontDoor]:
    return open_front_door(
        settings.front_policy(),
        around.clock,
        meter.unread_refused,
        settings.grpc.upload_limits("HASTEN_ROUTER_GRPC__"),
    )


def _checkpoints(
    settings: RouterSettings, store: LoadStore, machine: RouterMachine
) -> CheckpointKeeper:
    return CheckpointKeeper(
        store, machine, name=f"router:{settings.id}", interval_s=settings.checkpoint_s
    )


def _leaving(core: _Core, front: FrontServer, http: "RestServer | None") -> Leaving:
    async def announce() -> None:
        core.around.readiness.leave()
        front.announce_leaving()
        if http is not None:
            http.announce_leaving()

    drain = core.settings.drain
    return Leaving(core.shell, announce, notice_s=drain.notice_s, patience_s=drain.patience_s)


def _link_opener(
    settings: RouterSettings, shell: Shell, around: Surroundings, seed: int
) -> OpenLink:
    channel_limits = settings.grpc.channel_limits()
    # Of its own: only what the machine draws can be replayed from its log.
    rng = Random(f"{seed}/links")  # noqa: S311  (spreads reconnects; no secret)
    shared = LinkContext(shell, around.clock, settings.id, settings.link_limits(), rng)

    def open_link(worker_id: str, address: str) -> FrameLink:
        channel = make_channel(address, limits=channel_limits, traces=around.traces)
        return FrameLink(worker_id, address, channel, shared)

    return open_link


def _services(core: _Core, door: FrontDoor) -> Services:
    settings = core.settings
    reader = RequestReader(
        door=core.shell,
        clock=core.around.clock,
        limits=settings.front_limits(),
        hears_traces=core.around.traces.carries_context,
    )
    crew = Crew(core.roster.links, core.shell, settings.fanout.crew_limits())
    traces = core.around.traces
    return Services(
        reader=reader,
        door=door,
        fanout=InferenceFanout(
            crew, core.mesh, core.around.readiness, version=version("hasten-router")
        ),
        operator=RouterOperator(core.roster, core.mesh, core.shell),
        wants_span=traces.wants_span,
        interceptors=traces.server_interceptors(),
    )


def _front(settings: RouterSettings, services: Services) -> FrontServer:
    make = native_router_front if is_native(settings.transport) else router_front
    return make(
        settings.address,
        services,
        settings.grpc.server_limits(MESSAGE_VARIABLE),
        reuse_port=settings.shared_port,
    )


def _http(core: _Core, services: Services) -> "RestServer":
    # Its server takes a part of a start: only where it is wanted.
    from hasten_router.rest.front import Shared, rest_front

    shared = Shared(
        services.reader,
        inference_methods(services),
        services.interceptors,
        core.around.readiness,
        core.around.registry,
    )
    settings = core.settings
    return rest_front(
        settings.http_address,
        shared,
        settings.rest_limits(),
        reuse_port=settings.shared_port,
    )
