"""Puts one autoscaler process together and takes it apart in order."""

import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from hasten.autoscaler.v1.autoscaler_service_pb2_grpc import (
    add_AutoscalerServiceServicer_to_server,
)
from hasten.externalscaler.v1.externalscaler_pb2_grpc import add_ExternalScalerServicer_to_server
from hasten_autoscaler.book import Book
from hasten_autoscaler.external_scaler import KedaServicer
from hasten_autoscaler.metrics import AutoscalerMetrics
from hasten_autoscaler.reign import Realm
from hasten_autoscaler.replica import Replica
from hasten_autoscaler.servicer import AutoscalerServicer
from hasten_autoscaler.settings import AutoscalerSettings
from hasten_policy.autoscaler.events import AutoscalerEffect, AutoscalerEvent
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.pools import UNNAMED
from hasten_policy.machines import Machine
from hasten_runtime.discovery import CONSUL_ADDRESS_DEFAULT
from hasten_runtime.election.port import Election
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.grpc_front import GrpcFront, OwnService
from hasten_runtime.metrics import MetricsEndpoint
from hasten_runtime.pools.port import Pool
from hasten_runtime.pools.socket import SocketPool
from hasten_runtime.protocol_names import AUTOSCALER_SERVICE, EXTERNAL_SCALER_SERVICE
from hasten_runtime.readiness import Readiness
from hasten_runtime.recording import recorded
from hasten_runtime.redis_store.election import RedisElection
from hasten_runtime.surroundings import Surroundings, open_surroundings
from hasten_runtime.tasks.shard_tenure import Candidate

if TYPE_CHECKING:
    from hasten_autoscaler.foreseeing import Foreseer


@dataclass(frozen=True, slots=True)
class Autoscaler:
    """One autoscaler process, put together and not yet started.

    Attributes:
        replica: Leads or follows.
        candidate: As which it campaigns.
        front: Where operators come in.
        readiness: Whether it may be asked.
        metrics: Where Prometheus comes in, already open.
    """

    replica: Replica
    candidate: Candidate
    front: GrpcFront
    readiness: Readiness
    metrics: MetricsEndpoint


@asynccontextmanager
async def open_autoscaler(settings: AutoscalerSettings) -> AsyncIterator[Autoscaler]:
    """An autoscaler by its settings; its connections are closed at the end.

    Raises:
        OSError: The metrics address cannot be listened at.
    """
    opened = open_surroundings("autoscaler", settings.id, settings.metrics_address)
    async with opened as around:
        book = Book()
        counts = AutoscalerMetrics(around.registry, settings.pool)
        replica = Replica(_realm(settings, around, book, counts))
        counts.watch(leads=lambda: replica.leads)
        around.stack.push_async_callback(replica.close)
        election = _election(settings)
        around.stack.push_async_callback(election.close)
        candidate = Candidate(
            # Of this process alone: the one before it may still be believed to live.
            f"{settings.id}~{secrets.token_hex(4)}",
            election,
            replica,
            settings.times(),
            around.clock,
        )
        servicer = AutoscalerServicer(replica, book)
        front = GrpcFront(
            settings.address,
            None,
            [
                OwnService(
                    AUTOSCALER_SERVICE, partial(add_AutoscalerServiceServicer_to_server, servicer)
                ),
                *_external_scaler(settings, replica, book),
            ],
            settings.grpc.server_limits("HASTEN_AUTOSCALER_GRPC__MESSAGE_BYTES_MAX"),
            variable="HASTEN_AUTOSCALER_ADDRESS",
            interceptors=around.traces.server_interceptors(),
        )
        yield Autoscaler(replica, candidate, front, around.readiness, around.metrics)


def _realm(
    settings: AutoscalerSettings, around: Surroundings, book: Book, counts: AutoscalerMetrics
) -> Realm:
    policy = settings.autoscaler_policy()

    def machine() -> tuple[AutoscalerMachine, Machine[AutoscalerEvent, AutoscalerEffect]]:
        made = AutoscalerMachine(policy)
        recorder = around.recorder(settings.record, policy, bytes_max=settings.record_bytes_max)
        return made, recorded(made, recorder)

    def foreseer(lead_s: float, values: Sequence[float], now_s: float) -> "Foreseer | None":
        if not settings.forecast_s:
            return None
        # numpy: not before there is something to forecast.
        from hasten_autoscaler.foreseeing import Foreseer

        return Foreseer(settings.forecast_s, lead_s, settings.day_s, values, now_s)

    return Realm(
        instance=settings.id,
        pool_name=settings.pool,
        mode=settings.mode,
        bounds=settings.pool_bounds(),
        policy=policy.rule,
        store=around.load_store(settings.redis_url) or MemoryLoadStore(),
        pools=_pools(settings),
        offers=tuple(entry.offer for entry in settings.pool_entries()),
        clock=around.clock,
        book=book,
        counts=counts,
        machine=machine,
        foreseer=foreseer,
        look_s=settings.look_s,
        drain_s=settings.drain_s,
        worker_name=settings.worker_name,
    )


def _external_scaler(
    settings: AutoscalerSettings, replica: Replica, book: Book
) -> list[OwnService]:
    """What KEDA asks, where KEDA carries the number out: elsewhere it is not to be had, so that
    two parties never act on one pool.
    """
    if settings.scaled_by != "keda":
        return []
    servicer = KedaServicer(replica, book, settings.pool)
    add = partial(add_ExternalScalerServicer_to_server, servicer)
    return [OwnService(EXTERNAL_SCALER_SERVICE, add)]


def _pools(settings: AutoscalerSettings) -> dict[str, Pool]:
    if settings.driver == "process" and settings.driver_address is not None:
        return {UNNAMED: SocketPool(settings.driver_address)}
    return {entry.offer.name: entry.open() for entry in settings.pool_entries()}


def _election(settings: AutoscalerSettings) -> Election:
    discovery = settings.discovery
    if discovery.kind != "consul":
        return RedisElection(settings.redis_url, namespace=discovery.namespace)
    # Its client takes a tenth of a second to load.
    from hasten_runtime.election.consul import ConsulElection

    return ConsulElection(
        discovery.address or CONSUL_ADDRESS_DEFAULT,
        token=discovery.token.get_secret_value() or None,
        datacenter=discovery.datacenter or None,
        namespace=discovery.namespace,
    )
