"""Connections inside one event loop: both ends in this process, and no socket between them.

The pair behaves as TCP on loopback does: bytes arrive in order in whatever pieces, a reader that
does not read stops the writer, either end may say that it sends no more, and a connection may be
lost at once. The tests in `tests/unit/support/test_network.py` run over both.
"""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any, Final

FLIGHT_BYTES_MAX: Final = 256 * 1024
"""On the way in one direction: what the system keeps for an end that does not read."""
READ_BYTES_MAX: Final = 64 * 1024
HIGH_WATER_BYTES: Final = 64 * 1024
"""Unsent bytes at which a protocol is told to pause, unless it sets another limit."""


class Network:
    """The ports of one loop, and the connections to them."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._ports: dict[int, Listener] = {}
        self._free = itertools.count(20_000)
        self._pairs: list[tuple[PairTransport, PairTransport]] = []
        self.servers: dict[str, Any] = {}
        """Servers of RPCs by their address (tests/support/rpc.py)."""

    def listen(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        *,
        sock: "Port | None" = None,
        **_: Any,
    ) -> "Listener":
        """Serves a port; a free one for 0. Raises OSError when the port is taken."""
        at = sock or Port(self, host or "127.0.0.1", port or 0)
        if at.number in self._ports:
            raise OSError(f"port {at.number} is in use")
        listener = self._ports[at.number] = Listener(self, at, protocol_factory)
        return listener

    async def connect(
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **_: Any,
    ) -> "tuple[PairTransport, asyncio.BaseProtocol]":
        """Connects to a port. Raises ConnectionRefusedError when nobody serves it."""
        await asyncio.sleep(0)
        listener = self._ports.get(port or 0)
        if listener is None:
            raise ConnectionRefusedError(f"nobody listens at {host}:{port}")
        if listener.mute:
            await self._loop.create_future()
        here, there = protocol_factory(), listener.protocol_factory()
        calling, accepted = pair(self._loop, here, there)
        self._pairs.append((calling, accepted))
        # The other end hears of it first, as a server that accepts does.
        there.connection_made(accepted)
        here.connection_made(calling)
        return calling, here

    def cut(self) -> None:
        """Every connection is lost now: both ends hear of a reset."""
        for ends in self._pairs:
            for end in ends:
                end.reset()
        self._pairs.clear()

    def freeze(self) -> None:
        """From now on no byte passes on any open connection, and no end hears of it."""
        for ends in self._pairs:
            for end in ends:
                end.frozen = True

    def free_port(self) -> int:
        """A port that nobody has had."""
        return next(self._free)

    def forget(self, port: int) -> None:
        """Nobody serves it any more."""
        self._ports.pop(port, None)


class Port:
    """What a listening socket is to those who only ask for its name and close it."""

    def __init__(self, network: Network, host: str = "127.0.0.1", number: int = 0) -> None:
        self.host = host
        self.number = number or network.free_port()

    def getsockname(self) -> tuple[str, int]:
        return self.host, self.number

    def close(self) -> None:
        """Nothing to free."""


class Listener:
    """A served port: what the code under test uses of an asyncio.Server.

    Attributes:
        mute: While True, connections are neither taken nor refused.
    """

    def __init__(
        self, network: Network, port: Port, protocol_factory: Callable[[], asyncio.BaseProtocol]
    ) -> None:
        self.protocol_factory = protocol_factory
        self.mute = False
        self.sockets = (port,)
        self._network = network
        self._port = port

    def close(self) -> None:
        self._network.forget(self._port.number)

    def is_serving(self) -> bool:
        return self._network._ports.get(self._port.number) is self

    async def wait_closed(self) -> None:
        """Nothing to wait for: the connections are no part of it."""


def pair(
    loop: asyncio.AbstractEventLoop, here: asyncio.BaseProtocol, there: asyncio.BaseProtocol
) -> "tuple[PairTransport, PairTransport]":
    """Two connected ends; their protocols have not been told yet."""
    ends = PairTransport(loop, here), PairTransport(loop, there)
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    return ends


class PairTransport(asyncio.Transport):
    """One end of a connection.

    What is written fills the flight to the other end first and waits here once that is full;
    the other end takes what flies in turns of the loop.
    """

    peer: "PairTransport"

    def __init__(self, loop: asyncio.AbstractEventLoop, protocol: asyncio.BaseProtocol) -> None:
        super().__init__()
        self.frozen = False
        self._loop = loop
        self._protocol = protocol
        self._unsent = bytearray()
        self._arriving = bytearray()
        """In flight from the other end to this one."""
        self._high, self._low = HIGH_WATER_BYTES, HIGH_WATER_BYTES // 4
        self._protocol_paused = False
        self._reading = True
        self._take_due = False
        self._closing = False
        self._lost = False
        self._eof_wanted = False
        """This end sends no more once what waits has left."""
        self._eof_sent = False
        self._eof_told = False

    # --- asyncio.Transport ---------------------------------------------------------------

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return ("127.0.0.1", 1) if name in {"peername", "sockname"} else default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self._closing

    def is_reading(self) -> bool:
        return self._reading and not self._closing

    def pause_reading(self) -> None:
        self._reading = False

    def resume_reading(self) -> None:
        self._reading = True
        self._take_soon()

    def get_write_buffer_size(self) -> int:
        return len(self._unsent)

    def get_write_buffer_limits(self) -> tuple[int, int]:
        return self._low, self._high

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        if high is None:
            high = HIGH_WATER_BYTES if low is None else 4 * low
        self._high, self._low = high, high // 4 if low is None else low
        self._pause_protocol()

    def write(self, data: Any) -> None:
        if self._eof_wanted:
            raise RuntimeError("write after write_eof")
        if self._lost:
            return
        self._unsent += data
        self._fill_flight()
        self._pause_protocol()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self._eof_wanted = True
        self._fill_flight()

    def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._fill_flight()
        if not self._unsent:
            self._loop.call_soon(self._lose, None)

    def abort(self) -> None:
        self._closing = True
        self._unsent.clear()
        self._loop.call_soon(self._lose, None)

    def reset(self) -> None:
        """The connection is gone, and this end hears so."""
        self._closing = True
        self._unsent.clear()
        self._arriving.clear()
        self._loop.call_soon(self._lose, ConnectionResetError("Connection reset by peer"))

    # --- sending -------------------------------------------------------------------------

    def _fill_flight(self) -> None:
        peer = self.peer
        if peer._lost and self._unsent and not self._lost:
            self.reset()
            return
        room = FLIGHT_BYTES_MAX - len(peer._arriving)
        if self._unsent and room > 0:
            peer._arriving += self._unsent[:room]
            del self._unsent[:room]
        if self._eof_wanted and not self._unsent:
            self._eof_sent = True
        peer._take_soon()

    def _pause_protocol(self) -> None:
        if len(self._unsent) > self._high and not self._protocol_paused:
            self._protocol_paused = True
            self._protocol.pause_writing()

    def _flight_has_room(self) -> None:
        """The other end has taken some of what flew."""
        self._fill_flight()
        if self._protocol_paused and len(self._unsent) <= self._low and not self._lost:
            self._protocol_paused = False
            self._protocol.resume_writing()
        if self._closing and not self._unsent and not self._lost:
            self._lose(None)

    # --- receiving -----------------------------------------------------------------------

    def _take_soon(self) -> None:
        if not self._take_due:
            self._take_due = True
            self._loop.call_soon(self._take)

    def _take(self) -> None:
        self._take_due = False
        if self._closing or not self._reading or self.frozen:
            return
        if self._arriving:
            self._hand_out()
            self.peer._flight_has_room()
            self._take_soon()
        elif self.peer._eof_sent and not self._eof_told:
            self._eof_told = True
            if not self._protocol.eof_received():  # type: ignore[attr-defined]
                self.close()

    def _hand_out(self) -> None:
        protocol = self._protocol
        if isinstance(protocol, asyncio.BufferedProtocol):
            room = memoryview(protocol.get_buffer(-1))
            size = min(len(room), len(self._arriving), READ_BYTES_MAX)
            room[:size] = self._arriving[:size]
            del self._arriving[:size]
            protocol.buffer_updated(size)
            return
        data = bytes(self._arriving[:READ_BYTES_MAX])
        del self._arriving[:READ_BYTES_MAX]
        protocol.data_received(data)  # type: ignore[attr-defined]

    # --- the end -------------------------------------------------------------------------

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = self._closing = True
        peer = self.peer
        if not (peer._lost or self.frozen):
            if self._arriving:
                # As TCP does: who closes on what it has not read resets the other end.
                peer.reset()
            else:
                self._eof_sent = True
                peer._take_soon()
        self._arriving.clear()
        self._protocol.connection_lost(error)
