"""A plane that a test drives, and clients of it that speak HTTP/2 frame by frame."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any

from hpack import Decoder, Encoder

from hasten_plane import Asked, Limits, Plane, Status
from loadtest import frames
from loadtest.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
)
from tests.support.waiting import PATIENCE_S, eventually

QUICK = "/t.T/Quick"
LIMITS = Limits(handshake_s=60.0, ping_s=60.0)
OVERLOADED = Status(8, "too much")


class Driver:
    """Polls a plane, answers each call with its request unless it is told to hold."""

    def __init__(self, limits: Limits) -> None:
        self.plane = Plane(limits, QUICK, OVERLOADED)
        self.port = self.plane.listen("127.0.0.1", 0, False)
        self.events: list[Any] = []
        self.answers = True
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self.plane.fileno(), self.turn)
        self._timer: asyncio.TimerHandle | None = None

    def turn(self) -> None:
        """One turn, as a service has it."""
        for event in self.plane.poll():
            self.events.append(event)
            if isinstance(event, Asked) and self.answers:
                self.plane.answer(event.call_id, event.payload())
        self.flush()

    def flush(self) -> None:
        """Writes what was noted."""
        self.plane.flush()
        if self.plane.has_more():
            self._loop.call_soon(self.turn)
        if self._timer is not None:
            self._timer.cancel()
        left_s = self.plane.next_timer_s()
        if left_s is not None:
            self._timer = self._loop.call_later(left_s, self.turn)

    def of(self, kind: type) -> list[Any]:
        """The events of this kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def close(self) -> None:
        """Ends it."""
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self.plane.fileno())
        self.plane.close()


@asynccontextmanager
async def driven(**limits: Any) -> AsyncIterator[Driver]:
    """A plane with these bounds, those that are not given wide."""
    driver = Driver(replace(LIMITS, **limits))
    try:
        yield driver
    finally:
        driver.close()


class Peer:
    """One connection to a plane."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.seen: list[tuple[int, int, int, bytes]] = []
        self.lost = False
        self.answers = True
        """It answers pings."""
        self._reader = reader
        self._encoder = Encoder()
        self._decoder = Decoder()
        self.headers: dict[int, dict[str, str]] = {}
        self.data: dict[int, bytes] = {}
        self._reading = asyncio.create_task(self._read())

    def call(
        self,
        stream: int,
        body: bytes | None = b"",
        *,
        path: str = QUICK,
        ends: bool = True,
        **headers: str,
    ) -> bytes:
        """The frames of a call; its body is one message, or nothing if None."""
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "t",
            "content-type": "application/grpc",
            "te": "trailers",
            **{name.replace("_", "-"): value for name, value in headers.items()},
        }
        flags = END_HEADERS | (END_STREAM if ends and body is None else 0)
        parts = [frames.frame(HEADERS, flags, stream, self._encoder.encode(fields.items()))]
        if body is not None:
            message = frames.message(body)
            last = END_STREAM if ends else 0
            parts.append(frames.frame(DATA, last, stream, message))
        return b"".join(parts)

    def send(self, *parts: bytes) -> None:
        """Writes the frames."""
        self.writer.write(b"".join(parts))

    async def ended(self, stream: int) -> dict[str, str]:
        """The headers and trailers of a call that has ended."""
        await eventually(lambda: self._is_over(stream), PATIENCE_S, what="the call has ended")
        return self.headers.get(stream, {})

    def _is_over(self, stream: int) -> bool:
        return any(
            at == stream and (flags & END_STREAM or kind == RST_STREAM)
            for kind, flags, at, _ in self.seen
            if kind in {DATA, HEADERS, RST_STREAM}
        )

    def kinds(self, kind: int) -> list[bytes]:
        """The bodies of all frames of a kind."""
        return [body for at, _, _, body in self.seen if at == kind]

    async def _read(self) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = await self._reader.readexactly(9)
                body = await self._reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags = head[3], head[4]
                stream = int.from_bytes(head[5:], "big")
                if kind == HEADERS:
                    block = self._decoder.decode(body)
                    self.headers.setdefault(stream, {}).update(block)
                elif kind == DATA:
                    self.data[stream] = self.data.get(stream, b"") + body
                elif kind == PING and not flags and self.answers:
                    self.send(frames.frame(PING, ACK, 0, body))
                self.seen.append((kind, flags, stream, body))
        self.lost = True

    async def close(self) -> None:
        """Goes away."""
        self._reading.cancel()
        self.writer.close()
        with suppress(asyncio.CancelledError, ConnectionError):
            await self._reading
            await self.writer.wait_closed()


@asynccontextmanager
async def peer_of(driver: Driver, *settings: tuple[int, int]) -> AsyncIterator[Peer]:
    """A client that has sent its greeting."""
    peer = Peer(*await asyncio.open_connection("127.0.0.1", driver.port))
    peer.send(frames.PREFACE, frames.settings(*settings))
    await eventually(lambda: peer.kinds(SETTINGS), PATIENCE_S, what="the greeting is answered")
    try:
        yield peer
    finally:
        await peer.close()
