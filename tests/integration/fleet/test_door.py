"""The router's end of links against the worker's door, to the second."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

import pytest

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.fleet.worker.door import LINKS_MAX, TICKET_S, TICKETS_MAX, UNKNOWN_MAX, LinkDoor
from hasten_runtime.frames import Frames, listening_socket
from tests.support.framed import frame, read_frame
from tests.support.network import Port
from tests.support.virtual_time import VirtualLoop, elapse
from tests.support.waiting import eventually

FRAME_BYTES_MAX = 4 * 1024 * 1024


class Echo:
    """The end of a link that says every frame again."""

    def __init__(self, connection: Frames, on_end: Callable[[], None]) -> None:
        self.fault: Refusal | None = None
        self.stays = False
        self.errors: list[Exception | None] = []
        self._connection = connection
        self._on_end = on_end
        connection.send([b"hello"])

    def received(self, frame: bytes) -> None:
        self._connection.send([frame])

    def writable(self) -> None:
        """Nothing waits here."""

    def disconnected(self, error: Exception | None) -> None:
        self.errors.append(error)
        self._on_end()

    def finish(self) -> None:
        if not self.stays:
            self._connection.close()

    def abort(self) -> None:
        self._connection.abort()


class Links:
    """Makes them, and keeps them for the test."""

    def __init__(self) -> None:
        self.made: list[Echo] = []

    def open_link(
        self, connection: Frames, frame_bytes_max: int, on_end: Callable[[], None]
    ) -> Echo:
        del frame_bytes_max
        self.made.append(Echo(connection, on_end))
        return self.made[-1]


Call = Callable[..., Awaitable["Caller"]]


@asynccontextmanager
async def door_of(links: Links) -> AsyncIterator[tuple[LinkDoor, Call]]:
    """A door, and how to come to it: with a ticket, or without a word."""
    loop = asyncio.get_running_loop()
    port = (
        cast("socket.socket", Port(loop.network))
        if isinstance(loop, VirtualLoop)
        else listening_socket("127.0.0.1", 0)
    )
    door = LinkDoor(links, port, frame_bytes_max=FRAME_BYTES_MAX)
    await door.open()
    callers: list[Caller] = []

    async def call(ticket: bytes | None = None) -> Caller:
        callers.append(Caller(*await asyncio.open_connection("127.0.0.1", door.port)))
        if ticket is not None:
            callers[-1].say(pb.ToWorker(ticket=ticket).SerializeToString())
        return callers[-1]

    try:
        yield door, call
    finally:
        for caller in callers:
            caller.leave()
        await door.close(1.0)
        await eventually(lambda: door.links_open == 0)


class Caller:
    """A router's connection to the door."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def say(self, content: bytes) -> None:
        self.writer.write(frame(content))

    async def hears(self) -> bytes | None:
        return await read_frame(self.reader)

    def leave(self) -> None:
        self.writer.transport.abort()


@pytest.mark.every_network
async def test_a_ticket_opens_one_link_and_what_is_said_there_arrives() -> None:
    links = Links()
    async with door_of(links) as (door, call):
        ticket = door.ticket("r")
        first = await call(ticket)
        assert await first.hears() == b"hello"
        first.say(b"x" * 100_000)
        assert await first.hears() == b"x" * 100_000
        second = await call(ticket)
        assert await second.hears() is None
        assert door.links_open == 1
        first.leave()
        await eventually(lambda: door.links_open == 0)


@pytest.mark.every_network
async def test_a_link_over_which_more_comes_than_is_read_loses_nothing() -> None:
    links = Links()
    content = [bytes([number]) * 300_000 for number in range(20)]
    async with door_of(links) as (door, call):
        caller = await call(door.ticket("r"))
        for each in content:
            caller.say(each)
        assert await caller.hears() == b"hello"
        # Everything has been said before anything is read: it waits on its way.
        assert [await caller.hears() for _ in content] == content


@pytest.mark.every_network
async def test_a_link_that_is_finished_is_heard_to_its_end() -> None:
    links = Links()
    async with door_of(links) as (door, call):
        caller = await call(door.ticket("r"))
        assert await caller.hears() == b"hello"
        caller.say(bytes(3_000_000))
        await eventually(lambda: links.made[0]._connection.bytes_received > 3_000_000)
        door.finish()
        assert await caller.hears() == bytes(3_000_000)
        assert await caller.hears() is None


@pytest.mark.virtual_time
async def test_a_ticket_is_good_until_its_time_and_not_for_longer() -> None:
    async with door_of(Links()) as (door, call):
        in_time, late = door.ticket("r"), door.ticket("r")
        await elapse(TICKET_S - 0.001)
        caller = await call(in_time)
        assert await caller.hears() == b"hello"
        await elapse(0.002)
        stranger = await call(late)
        assert await stranger.hears() is None
        assert door.links_open == 1


@pytest.mark.virtual_time
async def test_who_says_nothing_is_cut_when_a_ticket_would_be_over() -> None:
    loop = asyncio.get_running_loop()
    async with door_of(Links()) as (_door, call):
        begun_s = loop.time()
        silent = [await call() for _ in range(UNKNOWN_MAX)]
        assert await asyncio.gather(*(one.hears() for one in silent)) == [None] * UNKNOWN_MAX
        assert loop.time() == begun_s + TICKET_S


@pytest.mark.virtual_time
async def test_tickets_that_nobody_shows_keep_nobody_out() -> None:
    async with door_of(Links()) as (door, call):
        first = door.ticket("spy")
        for _ in range(TICKETS_MAX):
            door.ticket("spy")
        honest = await call(door.ticket("r"))
        assert await honest.hears() == b"hello"
        late = await call(first)
        assert await late.hears() is None
        await elapse(TICKET_S)
        await elapse(0.001)
        assert not door._tickets


@pytest.mark.virtual_time
async def test_no_more_links_are_opened_than_there_may_be() -> None:
    async with door_of(Links()) as (door, call):
        spare = door.ticket("r")
        for _ in range(LINKS_MAX):
            await (await call(door.ticket("r"))).hears()
        with pytest.raises(MeshError):
            door.ticket("r")
        assert await (await call(spare)).hears() is None
        assert door.links_open == LINKS_MAX


@pytest.mark.virtual_time
async def test_a_door_that_closes_waits_for_its_links_as_long_as_it_is_told() -> None:
    loop = asyncio.get_running_loop()
    links = Links()
    async with door_of(links) as (door, call):
        caller = await call(door.ticket("r"))
        assert await caller.hears() == b"hello"
        links.made[0].stays = True
        begun_s = loop.time()
        await door.close(30.0)
        assert loop.time() == begun_s + 30.0
        assert await caller.hears() is None
        await eventually(lambda: links.made[0].errors == [None])


@pytest.mark.virtual_time
async def test_a_network_that_is_cut_ends_the_link_with_a_reset() -> None:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    links = Links()
    async with door_of(links) as (door, call):
        caller = await call(door.ticket("r"))
        assert await caller.hears() == b"hello"
        loop.network.cut()
        await eventually(lambda: door.links_open == 0)
        assert [type(error) for error in links.made[0].errors] == [ConnectionResetError]
