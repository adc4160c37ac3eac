"""The pair behaves as TCP does: the same tests over both."""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from hasten_runtime.frames import Frames
from tests.support.framed import read_frame
from tests.support.virtual_time import VirtualLoop
from tests.support.waiting import eventually

FRAME_BYTES_MAX = 2_000_000


class Sink:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.writable_again = 0

    def received(self, frame: bytes) -> None:
        self.frames.append(frame)

    def writable(self) -> None:
        self.writable_again += 1

    def disconnected(self, error: Exception | None) -> None:
        self.ends.append(error)


@dataclass
class End:
    """One end of a connection of frames."""

    frames: Frames
    sink: Sink

    @property
    def transport(self) -> asyncio.Transport:
        assert self.frames._transport is not None
        return self.frames._transport

    def lose(self) -> None:
        """As a host that forgets the connection: the other end gets a reset."""
        loop = asyncio.get_running_loop()
        if isinstance(loop, VirtualLoop):
            loop.network.cut()
            return
        connection: socket.socket = self.transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.frames.abort()


def new_end() -> End:
    sink = Sink()
    return End(Frames(sink, frame_bytes_max=FRAME_BYTES_MAX), sink)


@asynccontextmanager
async def served(factory: Callable[[], asyncio.BaseProtocol]) -> AsyncIterator[tuple[str, int]]:
    """Where the protocols of this factory can be reached."""
    server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        server.close()


@asynccontextmanager
async def connected() -> AsyncIterator[tuple[End, End]]:
    """Two ends of one connection; both are gone at the end."""
    here, there = new_end(), new_end()
    async with served(lambda: there.frames) as at:
        await asyncio.get_running_loop().create_connection(lambda: here.frames, *at)
        await eventually(lambda: there.frames.open)
        try:
            yield here, there
        finally:
            here.frames.abort()
            there.frames.abort()
            await eventually(lambda: here.sink.ends and there.sink.ends)


pytestmark = pytest.mark.every_network


async def test_what_is_sent_arrives_whole_and_in_order_both_ways() -> None:
    contents = [bytes([number % 251]) * (number * 977) for number in range(100)]
    async with connected() as (here, there):
        for content in contents:
            here.frames.send([content])
            there.frames.send([content[:5], content[5:]])
        await eventually(lambda: len(here.sink.frames) == len(there.sink.frames) == 100)
        assert here.sink.frames == there.sink.frames == contents
        assert there.frames.bytes_received == sum(4 + len(content) for content in contents)


async def test_nobody_at_a_port_refuses() -> None:
    async with served(asyncio.Protocol) as at:
        pass
    with pytest.raises(ConnectionRefusedError):
        await asyncio.get_running_loop().create_connection(asyncio.Protocol, *at)


async def test_a_port_is_served_once() -> None:
    loop = asyncio.get_running_loop()
    async with served(asyncio.Protocol) as at:
        with pytest.raises(OSError, match="in use"):
            await loop.create_server(asyncio.Protocol, *at)


async def test_a_reader_that_stops_clogs_the_writer_and_frees_it_again() -> None:
    async with connected() as (here, there):
        there.transport.pause_reading()
        count = 0
        while not here.frames.clogged:
            here.frames.send([bytes(500_000)])
            count += 1
            await asyncio.sleep(0)
        assert here.frames.bytes_unsent > 0
        received = len(there.sink.frames)
        here.frames.send([b"last"])
        await asyncio.sleep(0)
        assert len(there.sink.frames) == received
        there.transport.resume_reading()
        await eventually(lambda: len(there.sink.frames) == count + 1)
        await eventually(lambda: not here.frames.clogged)
        assert there.sink.frames[-1] == b"last"
        assert (here.sink.writable_again, here.frames.bytes_unsent) == (1, 0)


async def test_what_is_sent_at_once_has_left_when_that_returns() -> None:
    async with connected() as (here, there):
        here.frames.send([b"before" * 1000])
        here.frames.send_at_once([b"now"])
        # No await: the loop has had no turn. The end that dies now has lost nothing.
        here.frames.abort()
        await eventually(lambda: there.sink.ends)
        assert there.sink.frames == [b"before" * 1000, b"now"]
        assert there.sink.ends == [None]


async def test_what_was_sent_before_a_close_arrives_and_then_both_ends_are_told() -> None:
    async with connected() as (here, there):
        for _ in range(20):
            here.frames.send([bytes(300_000)])
        here.frames.close()
        assert not here.frames.open
        here.frames.send([b"swallowed"])
        await eventually(lambda: here.sink.ends and there.sink.ends)
        assert [len(content) for content in there.sink.frames] == [300_000] * 20
        assert (here.sink.ends, there.sink.ends) == ([None], [None])


async def test_an_end_that_finishes_is_read_to_its_last_word_and_then_closed() -> None:
    async with connected() as (here, there):
        for _ in range(20):
            here.frames.send([bytes(300_000)])
        here.frames.finish()
        there.frames.send([b"into the void"])
        await eventually(lambda: here.sink.ends and there.sink.ends)
        assert len(there.sink.frames) == 20
        assert here.sink.frames == []
        assert (here.sink.ends, there.sink.ends) == ([None], [None])


async def test_an_end_that_aborts_is_seen_to_end_in_order() -> None:
    async with connected() as (here, there):
        why = ZeroDivisionError("ours")
        here.frames.abort(why)
        await eventually(lambda: here.sink.ends and there.sink.ends)
        assert (here.sink.ends, there.sink.ends) == ([why], [None])


async def test_an_end_that_aborts_with_words_unread_resets_the_other() -> None:
    async with connected() as (here, there):
        here.transport.pause_reading()
        there.frames.send([b"unread"])
        for _ in range(1000):
            await asyncio.sleep(0)
        here.frames.abort()
        await eventually(lambda: there.sink.ends)
        assert [type(error) for error in there.sink.ends] == [ConnectionResetError]


async def test_a_lost_connection_ends_with_a_reset() -> None:
    async with connected() as (here, there):
        here.lose()
        await eventually(lambda: there.sink.ends)
        assert [type(error) for error in there.sink.ends] == [ConnectionResetError]
        there.frames.send([b"swallowed"])


async def test_a_half_closed_stream_may_still_be_answered() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard = await reader.read()
        writer.write(heard[::-1] * 200_000)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2])
    writer.write(b"abc")
    writer.write_eof()
    assert await reader.read() == b"cba" * 200_000
    assert await read_frame(reader) is None
    writer.close()
    await writer.wait_closed()
    server.close()
