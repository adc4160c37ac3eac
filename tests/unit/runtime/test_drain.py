"""A server that leaves in order fails no call."""

import asyncio

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hasten_runtime import grpc_client, grpc_server
from hasten_runtime.drain import drain

PATIENCE_S = 10.0


async def test_a_drain_answers_what_was_begun_and_what_comes_during_the_notice() -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def slow(request: bytes, _: object) -> bytes:
        begun.set()
        await go_on.wait()
        return request

    async def quick(request: bytes, _: object) -> bytes:
        return request

    server = grpc_server.make_server()
    methods = {
        "Slow": grpc.unary_unary_rpc_method_handler(slow),
        "Quick": grpc.unary_unary_rpc_method_handler(quick),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    health = grpc_server.add_health(server)
    health.set("", serving=True)
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    async with grpc_client.make_channel(address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
        first = asyncio.ensure_future(channel.unary_unary("/t.T/Slow")(b"first"))
        await begun.wait()
        # A long notice and grace: the test ends early only because nothing is left to wait for.
        leaving = asyncio.ensure_future(drain(server, health, notice_s=0.3, grace_s=60.0))
        told = await asyncio.wait_for(watch.read(), PATIENCE_S)
        assert told.status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert await channel.unary_unary("/t.T/Quick")(b"during") == b"during"
        with pytest.raises(grpc.aio.AioRpcError):
            await asyncio.wait_for(watch.read(), PATIENCE_S)
        go_on.set()
        assert await first == b"first"
        await asyncio.wait_for(leaving, PATIENCE_S)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Quick")(b"late")
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
