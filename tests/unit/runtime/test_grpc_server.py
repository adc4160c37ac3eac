"""What one peer can take of a server is bounded, and peers that stop are noticed."""

import asyncio
import os
import signal
import socket
import struct
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest
from tritonclient.grpc import MAX_GRPC_MESSAGE_SIZE

from hasten_router.settings import RouterSettings
from hasten_runtime import grpc_client, grpc_server
from hasten_runtime.grpc_client import ChannelLimits
from hasten_runtime.grpc_server import ServerLimits, server_options
from hasten_runtime.settings import GrpcSettings
from tests.unit.runtime.conftest import Serving

START_S_MAX = 60.0
PATIENCE_S = 20.0
"""Far above what is expected and far below what gRPC's own settings would take (a minute)."""

UNWELCOME_S = 6.5
"""By then a server that dislikes one ping a second has said so."""
UNWELCOME_TRIES = 3
"""It says so each time; a process that stands still for a second misses a ping of its own once."""
HANGS_UP_S = 9.0
"""Without a limit of our own, silent connections are closed after ten seconds, or never."""
HANGS_UP_TRIES = 3
"""A process that stands still for so long hears of it too late."""

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
SETTINGS = 4
MAX_CONCURRENT_STREAMS = 3

CHILD = """
import asyncio, sys
import grpc
from hasten_runtime import grpc_server

async def wait(request, context):
    print("called", flush=True)
    await asyncio.Event().wait()

async def main():
    server = grpc_server.make_server()
    handler = grpc.unary_unary_rpc_method_handler(wait)
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("t.T", {"Wait": handler}),)
    )
    address = grpc_server.bind(server, "127.0.0.1:0")
    await server.start()
    print(address, flush=True)
    await server.wait_for_termination()

asyncio.run(main())
"""


@asynccontextmanager
async def child_server() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A server in a process of its own, whose one method never answers."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", CHILD, stdout=asyncio.subprocess.PIPE
    )
    try:
        assert child.stdout is not None
        address = (await asyncio.wait_for(child.stdout.readline(), START_S_MAX)).decode().strip()
        yield child, address
    finally:
        child.kill()
        await child.wait()


async def test_a_stopped_server_is_noticed_while_a_call_is_open() -> None:
    async with child_server() as (child, address), grpc_client.make_channel(address) as channel:
        call = channel.unary_unary("/t.T/Wait")(b"")
        assert child.stdout is not None
        await asyncio.wait_for(child.stdout.readline(), START_S_MAX)
        os.kill(child.pid, signal.SIGSTOP)
        code = await asyncio.wait_for(call.code(), PATIENCE_S)
    assert code is grpc.StatusCode.UNAVAILABLE


async def test_a_stopped_server_is_noticed_on_an_idle_channel() -> None:
    async with child_server() as (child, address), grpc_client.make_channel(address) as channel:
        await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
        os.kill(child.pid, signal.SIGSTOP)
        await asyncio.wait_for(
            channel.wait_for_state_change(grpc.ChannelConnectivity.READY), PATIENCE_S
        )


async def test_pings_at_our_pace_are_welcome(serving: Serving) -> None:
    """A server with gRPC's own settings would cut this connection off (too_many_pings)."""
    for _ in range(UNWELCOME_TRIES):
        async with serving() as channel:
            await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
            changes = channel.wait_for_state_change(grpc.ChannelConnectivity.READY)
            try:
                await asyncio.wait_for(changes, UNWELCOME_S)
            except TimeoutError:
                return
    raise AssertionError("no connection lasted")


@pytest.mark.parametrize(
    ("said", "count"), [(b"", 20), (PREFACE[:10], 1)], ids=["never speaks", "stops in its preface"]
)
async def test_a_connection_that_does_not_greet_is_closed(
    serving: Serving, said: bytes, count: int
) -> None:
    async with serving(limits=ServerLimits(handshake_s=0.3)) as channel:
        for _ in range(HANGS_UP_TRIES):
            try:
                await hung_up_on(channel.address, said, count)
            except TimeoutError:
                continue
            return
    raise AssertionError("the server did not hang up")


async def hung_up_on(address: str, said: bytes, count: int) -> None:
    """Returns when so many connections were closed from the other side."""
    host, _, port = address.rpartition(":")
    pairs = [await asyncio.open_connection(host, int(port)) for _ in range(count)]
    try:
        for reader, writer in pairs:
            writer.write(said)
            # The server may send its own settings first; then it hangs up.
            await asyncio.wait_for(reader.read(-1), HANGS_UP_S)
    finally:
        for _, writer in pairs:
            writer.close()


async def test_a_connection_is_told_how_many_streams_it_may_open(serving: Serving) -> None:
    async with serving(limits=ServerLimits(streams_max=7)) as channel:
        host, _, port = channel.address.rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(PREFACE + b"\0\0\0\x04\0\0\0\0\0")
        head = await asyncio.wait_for(reader.readexactly(9), PATIENCE_S)
        size, kind = int.from_bytes(head[:3], "big"), head[3]
        assert kind == SETTINGS
        body = await asyncio.wait_for(reader.readexactly(size), PATIENCE_S)
        writer.close()
        await writer.wait_closed()
    settings = dict(struct.iter_unpack(">HI", body))
    assert settings[MAX_CONCURRENT_STREAMS] == 7


@pytest.mark.parametrize(("size", "said"), [(4097, True), (16_000_000, True), (17_000_000, False)])
async def test_a_message_over_the_limit_is_refused_and_the_server_lives(
    serving: Serving, size: int, *, said: bool
) -> None:
    async def answer(request: bytes, _: object) -> bytes:
        return request

    echo = grpc.unary_unary_rpc_method_handler(answer, request_deserializer=bytes)
    limits = ServerLimits(message_bytes_max=4096, message_variable="THE_LIMIT")
    async with serving(limits=limits, Echo=echo) as channel:
        call = channel.unary_unary("/t.T/Echo")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(bytes(size))
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        # Far over it nothing is read, and gRPC, if it is grpc.aio that serves, says what it says.
        sentence = f"may have 4096 bytes, not {size}: send less, or raise the setting"
        assert sentence in str(caught.value.details()) or not said
        assert await call(b"x" * 4096) == b"x" * 4096


def test_by_default_a_message_may_be_as_large_as_the_stock_client_allows() -> None:
    assert ServerLimits().message_bytes_max == MAX_GRPC_MESSAGE_SIZE
    assert GrpcSettings().message_bytes_max == MAX_GRPC_MESSAGE_SIZE
    assert (
        dict(server_options(ServerLimits(), reuse_port=False))["grpc.max_receive_message_length"]
        == MAX_GRPC_MESSAGE_SIZE
    )


async def test_a_message_over_the_clients_own_limit_is_not_sent(
    serving: Serving, echo: grpc.RpcMethodHandler
) -> None:
    async with serving(channel_limits=ChannelLimits(message_bytes_max=4096), Echo=echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Echo")(b"x" * 5000)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_metadata_over_the_limit_is_refused(
    serving: Serving, echo: grpc.RpcMethodHandler
) -> None:
    async with serving(limits=ServerLimits(metadata_bytes_max=2048), Echo=echo) as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Echo")(b"", metadata=(("big", "x" * 8000),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_calls_beyond_the_servers_limit_are_refused(serving: Serving) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def wait(request: bytes, _: object) -> bytes:
        begun.set()
        await go_on.wait()
        return request

    handler = grpc.unary_unary_rpc_method_handler(wait)
    async with serving(limits=ServerLimits(calls_max=1), Wait=handler) as channel:
        first = asyncio.ensure_future(channel.unary_unary("/t.T/Wait")(b"1"))
        await begun.wait()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.unary_unary("/t.T/Wait")(b"2")
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        go_on.set()
        assert await first == b"1"


async def test_an_address_in_use_is_named() -> None:
    server = grpc_server.make_server()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen at {address}"):
            grpc_server.bind(server, address)


async def test_several_servers_share_a_port_only_when_asked() -> None:
    first = grpc_server.make_server(reuse_port=True)
    address = grpc_server.bind(first, "127.0.0.1:0")
    await first.start()
    second = grpc_server.make_server(reuse_port=True)
    assert grpc_server.bind(second, address) == address
    alone = grpc_server.make_server()
    with pytest.raises(OSError, match="cannot listen"):
        grpc_server.bind(alone, address)
    await first.stop(0)


async def test_channels_to_one_address_have_connections_of_their_own(serving: Serving) -> None:
    peers: list[str] = []

    async def peer(request: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        peers.append(context.peer())
        return request

    handler = grpc.unary_unary_rpc_method_handler(peer)
    async with (
        serving(Peer=handler) as channel,
        grpc_client.make_channel(channel.address) as other,
    ):
        for one in (channel, other, channel):
            await one.unary_unary("/t.T/Peer")(b"")
    assert peers[0] == peers[2] != peers[1]


async def test_a_connection_that_is_old_is_made_anew_and_loses_no_call(serving: Serving) -> None:
    peers: list[str] = []
    old, over = asyncio.Event(), asyncio.Event()

    async def answer(_: bytes, context: grpc.aio.ServicerContext) -> bytes:
        peers.append(context.peer())
        return b""

    async def wait(_: bytes, __: object) -> bytes:
        old.set()
        await over.wait()
        return b""

    ask, stay = (grpc.unary_unary_rpc_method_handler(one) for one in (answer, wait))
    limits = ServerLimits(connection_age_s=0.5)
    async with serving(limits=limits, Ask=ask, Stay=stay) as channel:
        staying = channel.unary_unary("/t.T/Stay")(b"")
        await old.wait()
        while len(set(peers)) < 3:
            await channel.unary_unary("/t.T/Ask")(b"")
        over.set()
        assert await staying == b""


def test_connections_of_clients_grow_old_and_those_of_the_mesh_do_not() -> None:
    assert RouterSettings().grpc.server_limits().connection_age_s == 20.0
    assert GrpcSettings().server_limits().connection_age_s is None
    assert GrpcSettings(connection_age_s=60).server_limits().connection_age_s == 60.0
