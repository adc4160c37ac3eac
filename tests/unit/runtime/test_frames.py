"""Frames, whatever the pieces in which they come."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.errors import MeshError
from hasten_runtime.frames import Frames, FrameTooLong, listening_socket
from tests.support.framed import frame
from tests.support.waiting import eventually

FRAME_BYTES_MAX = 300_000


class Sink:
    """Notes what it is told; may fail at a frame."""

    def __init__(self, fails_at: bytes | None = None) -> None:
        self.frames: list[bytes] = []
        self.ends: list[Exception | None] = []
        self.writable_again = 0
        self._fails_at = fails_at

    def received(self, frame: bytes) -> None:
        self.frames.append(frame)
        if frame == self._fails_at:
            raise ZeroDivisionError

    def writable(self) -> None:
        self.writable_again += 1

    def disconnected(self, error: Exception | None) -> None:
        self.ends.append(error)


class Wire(asyncio.Transport):
    """A transport that keeps what is written, and closes at once."""

    def __init__(self, protocol: Frames) -> None:
        super().__init__()
        self.written = b""
        self.aborted = False
        self._protocol = protocol

    def write(self, data: Any) -> None:
        self.written += bytes(data)

    def is_closing(self) -> bool:
        return self.aborted

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        del high, low

    def abort(self) -> None:
        if not self.aborted:
            self.aborted = True
            self._protocol.connection_lost(None)


def opened(sink: Sink, frame_bytes_max: int = FRAME_BYTES_MAX) -> tuple[Frames, Wire]:
    frames = Frames(sink, frame_bytes_max=frame_bytes_max)
    wire = Wire(frames)
    frames.connection_made(wire)
    return frames, wire


def feed(frames: Frames, data: bytes, sizes: list[int]) -> None:
    """Hands the data over in reads of at most these sizes, in turn, for ever again."""
    at = turn = 0
    while at < len(data) and frames.open:
        room = frames.get_buffer(-1)
        assert len(room) > 0, "no room to read into"
        count = min(len(room), sizes[turn % len(sizes)], len(data) - at)
        room[:count] = data[at : at + count]
        frames.buffer_updated(count)
        at, turn = at + count, turn + 1


contents = st.one_of(
    st.binary(max_size=40),
    st.integers(0, FRAME_BYTES_MAX).map(lambda size: bytes(size % 251 for _ in range(1)) * size),
)


@settings(deadline=None)
@given(
    sent=st.lists(contents, max_size=8),
    sizes=st.lists(st.integers(1, 100_000), min_size=1, max_size=8),
)
def test_frames_come_whole_and_in_order_in_whatever_pieces(
    sent: list[bytes], sizes: list[int]
) -> None:
    sink = Sink()
    frames, _ = opened(sink)
    feed(frames, b"".join(map(frame, sent)), sizes)
    assert sink.frames == sent
    assert not sink.ends


@settings(deadline=None)
@given(sent=st.lists(st.lists(contents, min_size=1, max_size=3), max_size=4))
def test_what_is_sent_is_what_comes(sent: list[list[bytes]]) -> None:
    frames, wire = opened(Sink())
    for parts in sent:
        frames.send(parts)
    assert wire.written == b"".join(frame(b"".join(parts)) for parts in sent)


def test_a_frame_that_is_too_long_ends_the_connection_before_it_is_kept() -> None:
    sink = Sink()
    frames, wire = opened(sink, frame_bytes_max=10)
    feed(frames, frame(b"0123456789") + struct.pack("<I", 2**32 - 1) + frame(b"more"), [7])
    assert sink.frames == [b"0123456789"]
    assert wire.aborted
    assert [type(error) for error in sink.ends] == [FrameTooLong]
    assert "4294967295" in str(sink.ends[0])


def test_what_the_sink_raises_ends_the_connection_and_is_its_cause() -> None:
    sink = Sink(fails_at=b"2")
    frames, wire = opened(sink)
    feed(frames, frame(b"1") + frame(b"2") + frame(b"3"), [1000])
    assert sink.frames == [b"1", b"2"]
    assert wire.aborted
    assert [type(error) for error in sink.ends] == [ZeroDivisionError]


def test_nothing_is_handed_out_after_an_abort() -> None:
    class Leaving(Sink):
        def received(self, frame: bytes) -> None:
            super().received(frame)
            frames.abort()

    sink = Leaving()
    frames, _ = opened(sink)
    feed(frames, frame(b"1") + frame(b"2"), [1000])
    assert sink.frames == [b"1"]
    assert sink.ends == [None]
    frames.send([b"to nobody"])


def test_a_connection_aborted_before_it_was_made_ends_when_it_is() -> None:
    sink = Sink()
    frames = Frames(sink, frame_bytes_max=10)
    frames.abort()
    wire = Wire(frames)
    frames.connection_made(wire)
    assert wire.aborted


def test_a_buffer_that_grew_for_one_large_frame_is_let_go() -> None:
    sink = Sink()
    frames, _ = opened(sink, frame_bytes_max=4_000_000)
    feed(frames, frame(bytes(3_000_000)), [1_000_000])
    feed(frames, frame(b"small"), [1000])
    assert len(frames.get_buffer(-1)) < 1_000_000
    assert sink.frames[1] == b"small"


def test_a_length_alone_takes_no_memory_and_the_frame_comes_whole() -> None:
    sink = Sink()
    frames = Frames(sink, frame_bytes_max=64_000_000)
    frames.connection_made(Wire(frames))
    content = bytes(range(256)) * 40_000
    feed(frames, struct.pack("<I", 60_000_000), [4])
    assert len(frames.get_buffer(-1)) <= 64 * 1024
    frames, _ = opened(sink, frame_bytes_max=64_000_000)
    feed(frames, frame(content), [300_000])
    assert sink.frames == [content]


def test_half_sent_frames_of_all_connections_share_one_budget() -> None:
    budget = ByteBudget(5_000_000, "messages", "grpc.held_bytes_max (X)")
    told: list[MeshError] = []
    begun: list[Frames] = []
    for _ in range(4):
        frames = Frames(Sink(), frame_bytes_max=64_000_000, held=budget)
        frames.on_no_room = told.append
        frames.connection_made(Wire(frames))
        feed(frames, frame(bytes(40_000_000))[:2_500_000], [200_000])
        begun.append(frames)
    assert 1 <= len(told) <= 3
    assert budget.held <= 5_000_000
    for frames in begun:
        frames.abort()
    assert budget.held == 0
    assert "grpc.held_bytes_max (X)" in told[0].refusal.message


async def test_a_reader_that_stops_clogs_the_connection_and_frees_it_again() -> None:
    loop = asyncio.get_running_loop()
    sink, other = Sink(), Sink()
    listening = listening_socket("127.0.0.1", 0)
    there = Frames(other, frame_bytes_max=2_000_000)
    server = await loop.create_server(lambda: there, sock=listening)
    here = Frames(sink, frame_bytes_max=2_000_000)
    reading, _ = await loop.create_connection(lambda: here, *listening.getsockname())
    reading.pause_reading()
    await eventually(lambda: there.open)
    count = 0
    while not there.clogged:
        there.send([bytes(1_000_000)])
        count += 1
    reading.resume_reading()
    await eventually(lambda: len(sink.frames) == count)
    await eventually(lambda: not there.clogged)
    assert other.writable_again == 1
    assert all(frame == bytes(1_000_000) for frame in sink.frames)
    here.close()
    server.close()
    await eventually(lambda: other.ends)
    assert (sink.ends, other.ends) == ([None], [None])


async def test_small_frames_are_not_held_back_at_either_end() -> None:
    loop = asyncio.get_running_loop()
    listening = listening_socket("127.0.0.1", 0)
    there, here = Frames(Sink(), frame_bytes_max=10), Frames(Sink(), frame_bytes_max=10)
    server = await loop.create_server(lambda: there, sock=listening)
    calling, _ = await loop.create_connection(lambda: here, *listening.getsockname())
    await eventually(lambda: there.open)
    accepted = there._transport
    assert accepted is not None
    for transport in (calling, accepted):
        connection = transport.get_extra_info("socket")
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    here.abort()
    there.abort()
    server.close()


def test_what_came_is_counted_before_the_frame_is_complete() -> None:
    frames, _ = opened(Sink())
    feed(frames, frame(b"0123456789")[:9], [3])
    assert frames.bytes_received == 9


def hosts() -> list[str]:
    """Those that can be listened at here: not every machine has IPv6."""
    found = ["127.0.0.1", "localhost", "0.0.0.0"]  # noqa: S104  (for a moment)
    with contextlib.suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        found += ["[::1]", "[::]", "::"]
    return found


@pytest.mark.parametrize("host", hosts())
def test_the_hosts_that_grpc_can_listen_at_can_be_listened_at(host: str) -> None:
    with listening_socket(host, 0) as listening:
        assert listening.getsockname()[1] > 0


LOOPS = pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])


@LOOPS
@pytest.mark.parametrize("before", [0, 1, 40_000])
def test_what_is_sent_at_once_is_with_the_system_when_that_returns(
    new_loop: Callable[[], asyncio.AbstractEventLoop], before: int
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(sent_at_once(before))


async def sent_at_once(before: int) -> None:
    listener = listening_socket("127.0.0.1", 0)
    sink = Sink()
    frames = Frames(sink, frame_bytes_max=FRAME_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: frames, *listener.getsockname()[:2])
    peer, _ = listener.accept()
    with listener, peer:
        if before:
            frames.send([b"b" * before])
        frames.send_at_once([b"now"])
        # No await: the loop has had no turn.
        peer.settimeout(10.0)
        expected = (frame(b"b" * before) if before else b"") + frame(b"now")
        found = b""
        while len(found) < len(expected):
            found += peer.recv(65536)
        assert found == expected
        assert not frames.clogged
        frames.abort()
    await eventually(lambda: bool(sink.ends))


@LOOPS
def test_what_is_sent_at_once_over_a_clogged_connection_waits_its_turn(
    new_loop: Callable[[], asyncio.AbstractEventLoop],
) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(sent_over_a_clogged_connection())


async def sent_over_a_clogged_connection() -> None:
    listener = listening_socket("127.0.0.1", 0)
    sink = Sink()
    frames = Frames(sink, frame_bytes_max=FRAME_BYTES_MAX)
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: frames, *listener.getsockname()[:2])
    peer, _ = listener.accept()
    with listener, peer:
        while not frames.clogged:
            frames.send([bytes(1024 * 1024)])
        frames.send_at_once([b"last"])
        assert frames.clogged
        peer.setblocking(False)
        found = b""
        while not found.endswith(frame(b"last")):
            found = found[-64:] + await loop.sock_recv(peer, 1024 * 1024)
        await eventually(lambda: not frames.clogged)
        assert sink.writable_again == 1
        frames.abort()
    await eventually(lambda: bool(sink.ends))
