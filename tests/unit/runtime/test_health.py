"""The health service tells the truth, at once, to everyone who asks or watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hasten_policy.reasons import Reason
from hasten_runtime import grpc_client, grpc_server, health, protocol_names
from hasten_runtime.errors import refusal_from_rpc_error
from hasten_runtime.health import Health
from tests.support.waiting import eventually

Status = health_pb2.HealthCheckResponse
SERVICE = "inference.GRPCInferenceService"
PATIENCE_S = 60.0


@asynccontextmanager
async def healthy() -> AsyncIterator[tuple[Health, grpc.aio.Channel]]:
    server = grpc_server.make_server()
    added = grpc_server.add_health(server)
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    try:
        async with grpc_client.make_channel(address) as channel:
            yield added, channel
    finally:
        added.close()
        await server.stop(0)


async def next_status(watch: grpc.aio.UnaryStreamCall) -> int:
    answer = await asyncio.wait_for(watch.read(), PATIENCE_S)
    return int(answer.status)


async def test_a_server_does_not_serve_until_it_says_so() -> None:
    async with healthy() as (table, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest()
        assert (await stub.Check(request)).status == Status.NOT_SERVING
        table.set("", serving=True)
        assert (await stub.Check(request)).status == Status.SERVING
        assert table.serving()


async def test_a_service_that_is_not_there_is_not_found() -> None:
    async with healthy() as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Check(health_pb2.HealthCheckRequest(service="nobody"))
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "nobody" in (caught.value.details() or "")


async def test_watchers_hear_each_change_and_survive_each_other() -> None:
    async with healthy() as (table, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=SERVICE)
        first, second = stub.Watch(request), stub.Watch(request)
        assert await next_status(first) == Status.SERVICE_UNKNOWN
        assert await next_status(second) == Status.SERVICE_UNKNOWN
        table.set(SERVICE, serving=True)
        assert await next_status(first) == Status.SERVING
        assert await next_status(second) == Status.SERVING
        first.cancel()
        table.set(SERVICE, serving=False)
        assert await next_status(second) == Status.NOT_SERVING
        await eventually(lambda: len(table._watchers) == 1, what="the first watcher is forgotten")


async def test_all_services_are_listed() -> None:
    async with healthy() as (table, channel):
        table.set("", serving=True)
        table.set(SERVICE, serving=False)
        answer = await channel.unary_unary(
            f"/{protocol_names.HEALTH_SERVICE}/List",
            response_deserializer=health._ListResponse.FromString,
        )(b"")
    assert {name: entry.status for name, entry in answer.statuses.items()} == {
        "": Status.SERVING,
        SERVICE: Status.NOT_SERVING,
    }


async def test_after_a_drain_began_nothing_serves_again() -> None:
    async with healthy() as (table, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        table.set("", serving=True)
        watch = stub.Watch(health_pb2.HealthCheckRequest())
        assert await next_status(watch) == Status.SERVING
        table.enter_drain()
        assert await next_status(watch) == Status.NOT_SERVING
        table.set("", serving=True)
        table.set("new", serving=True)
        assert not table.serving()
        assert not table.serving("new")


async def test_closing_ends_the_watches() -> None:
    async with healthy() as (table, channel):
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert await next_status(watch) == Status.NOT_SERVING
        table.close()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(watch.read(), PATIENCE_S)
    assert refusal_from_rpc_error(caught.value).reason is Reason.DRAINING


async def test_watches_beyond_the_limit_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "WATCHERS_MAX", 1)
    async with healthy() as (_, channel):
        stub = health_pb2_grpc.HealthStub(channel)
        first = stub.Watch(health_pb2.HealthCheckRequest())
        await next_status(first)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await asyncio.wait_for(stub.Watch(health_pb2.HealthCheckRequest()).read(), PATIENCE_S)
    assert refusal_from_rpc_error(caught.value).reason is Reason.QUEUE_FULL
