"""Messages over one TCP connection, each behind its length.

A message costs one write and one read of a socket, where a message of a gRPC stream costs several
turns of the event loop and two threads (docs/decisions/0018). Who may connect, what a message
means and when a silent peer is gone is the sink's business.

A frame is a little-endian length of four bytes and that many bytes.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.errors import MeshError

_LENGTH: Final = struct.Struct("<I")
BACKLOG: Final = socket.SOMAXCONN
"""Connections that the system keeps until they are accepted. asyncio's own default is so small that
a burst of strangers keeps honest peers waiting for the system's next attempt.
"""
_BUFFER_BYTES: Final = 64 * 1024
"""Read at once; a larger frame has the buffer grow."""
_BUFFER_BYTES_AT_ONCE: Final = 1024 * 1024
"""A buffer grows to this for the length that a frame says it has; for more, as the frame comes: a
length costs a stranger four bytes.
"""
_BUFFER_BYTES_KEPT: Final = 2 * 1024 * 1024
"""A buffer that grew above this is let go after its frame."""
_JOIN_BYTES: Final = 32 * 1024
"""Parts that are smaller together are copied into one: cheaper than handing them over singly."""
_UNSENT_BYTES_MAX: Final = 1024 * 1024
"""More than this waiting to be sent counts as clogged."""
_UNACKNOWLEDGED_MS: Final = 5000
"""Bytes that the other host has not acknowledged for this long end the connection."""


class FrameTooLong(ValueError):  # noqa: N818  (the other end's fault)
    """The other end announced a frame longer than it may send."""


class FrameSink(Protocol):
    """What a connection tells. All methods are called on the event loop and return at once."""

    def received(self, frame: bytes) -> None:
        """A frame's content. What this raises ends the connection."""
        ...

    def writable(self) -> None:
        """What was written has left to where there is room again."""
        ...

    def disconnected(self, error: Exception | None) -> None:
        """The connection has ended: by this error, or in order when it is None. Told once."""
        ...


class Frames(asyncio.BufferedProtocol):
    """One end of a connection, as the protocol of an asyncio transport.

    Args:
        sink: Is told what happens; may be replaced at any time.
        frame_bytes_max: Longest frame the other end may send; a longer one ends the connection
            before any of it is kept. May be changed at any time.
        held: Where what is held of frames that are not complete is counted; None for nowhere.
    """

    def __init__(
        self, sink: FrameSink, *, frame_bytes_max: int, held: ByteBudget | None = None
    ) -> None:
        self.sink = sink
        self._held = None if held is None else held.lease()
        self.frame_bytes_max = frame_bytes_max
        self.on_too_long: Callable[[int], None] | None = None
        """Told of the bytes of a frame that is too long, instead of ending the connection at once:
        nothing more is taken, and whoever is told ends it, with a last word.
        """
        self.on_no_room: Callable[[MeshError], None] | None = None
        """The same for a frame for which there is no room left."""
        self.clogged = False
        """The other end does not take what is sent; `writable` tells when it does again."""
        self.bytes_received = 0
        """So far, of frames that are not complete as well."""
        self._transport: asyncio.Transport | None = None
        self._aborted = False
        self._deaf = False
        self._error: Exception | None = None
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._filled = 0

    @property
    def open(self) -> bool:
        """Frames can be sent and received."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def half_received(self) -> bool:
        """The beginning of a frame has come, and not yet its end."""
        return self._filled > 0

    @property
    def bytes_unsent(self) -> int:
        """What waits here until the other end takes it."""
        return 0 if self._transport is None else self._transport.get_write_buffer_size()

    def send(self, parts: Sequence[bytes]) -> None:
        """Sends the parts, joined, as one frame. A connection that has ended swallows it."""
        if self._transport is None or self._transport.is_closing():
            return
        size = sum(map(len, parts))
        if size < _JOIN_BYTES:
            self._transport.write(b"".join((_LENGTH.pack(size), *parts)))
        else:
            self._transport.writelines((_LENGTH.pack(size), *parts))

    def finish(self) -> None:
        """Sends what was sent and no more, and takes nothing more; the other end closes when it
        has read it. Whoever calls this ends the connection if it does not.
        """
        self._deaf = True
        if self._transport is not None and self._transport.can_write_eof():
            self._transport.write_eof()

    def send_at_once(self, parts: Sequence[bytes]) -> None:
        """As `send`, and when this returns the system has the frame, and all that was sent before:
        the other end gets it even if this process dies now. Not so while the connection is clogged.
        """
        if self._transport is None or self._transport.is_closing() or self.clogged:
            self.send(parts)
            return
        # A transport that gathers what is written writes at once what exceeds its limit.
        self._transport.set_write_buffer_limits(high=self._transport.get_write_buffer_size())
        self.send(parts)
        self._transport.set_write_buffer_limits(high=_UNSENT_BYTES_MAX)

    def close(self) -> None:
        """Ends the connection once what was sent has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self, error: Exception | None = None) -> None:
        """Ends the connection now; the sink hears of `error` as its cause."""
        self._error = self._error or error
        self._aborted = True
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio's side ----------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport."""
        self._transport = cast("asyncio.Transport", transport)
        if self._aborted:
            self._transport.abort()
            return
        self._transport.set_write_buffer_limits(high=_UNSENT_BYTES_MAX)
        _set_up(transport.get_extra_info("socket"))

    def get_buffer(self, sizehint: int) -> memoryview:
        """Room for what comes next."""
        del sizehint
        return self._view[self._filled :]

    def buffer_updated(self, nbytes: int) -> None:
        """Hands out every frame that is complete."""
        self.bytes_received += nbytes
        if self._deaf:
            self._filled = 0
            return
        self._filled += nbytes
        try:
            self._hand_out()
        except Exception as error:  # noqa: BLE001  (ends this connection, nothing else)
            self.abort(error)

    def _hand_out(self) -> None:
        view, filled = self._view, self._filled
        begin, wanted = 0, 0
        while filled - begin >= _LENGTH.size:
            (size,) = _LENGTH.unpack_from(view, begin)
            if size > self.frame_bytes_max:
                if self.on_too_long is None:
                    raise FrameTooLong(
                        f"a frame of {size} bytes, where {self.frame_bytes_max} are the most"
                    )
                self._go_deaf()
                self.on_too_long(size)
                return
            end = begin + _LENGTH.size + size
            if end > filled:
                wanted = end - begin
                break
            self.sink.received(bytes(view[begin + _LENGTH.size : end]))
            begin = end
            if not self.open:
                return
        self._keep(begin, max(wanted, _BUFFER_BYTES))

    def _keep(self, begin: int, wanted: int) -> None:
        """Moves what is left to the front of a buffer with room for more of what is wanted."""
        left = self._filled - begin
        size = len(self._buffer)
        fitting = size
        if size < wanted and 4 * left >= 3 * size:
            fitting = min(wanted, max(_BUFFER_BYTES_AT_ONCE, 2 * size))
        elif size > _BUFFER_BYTES_KEPT and wanted <= _BUFFER_BYTES:
            fitting = wanted
        if fitting != size:
            if not self._has_room(fitting):
                return
            grown = bytearray(fitting)
            grown[:left] = self._view[begin : self._filled]
            self._buffer, self._view = grown, memoryview(grown)
        elif begin and left:
            self._buffer[:left] = bytes(self._view[begin : self._filled])
        self._filled = left

    def _go_deaf(self) -> None:
        """Takes nothing more, and keeps nothing of what came."""
        self._deaf = True
        self._filled = 0
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        if self._held is not None:
            self._held.end()

    def _has_room(self, size: int) -> bool:
        """The buffer may have this size; else whoever is told ends the connection."""
        if self._held is None:
            return True
        try:
            self._held.hold(size if size > _BUFFER_BYTES else 0)
        except MeshError as error:
            if self.on_no_room is None:
                raise
            self._go_deaf()
            self.on_no_room(error)
            return False
        return True

    def eof_received(self) -> bool:
        """The other end closes: so do we."""
        return False

    def pause_writing(self) -> None:
        """The other end does not read."""
        self.clogged = True

    def resume_writing(self) -> None:
        """It does again."""
        self.clogged = False
        self.sink.writable()

    def connection_lost(self, exc: Exception | None) -> None:
        """Tells the sink, once."""
        self._transport = None
        if self._held is not None:
            self._held.end()
        self.sink.disconnected(self._error or exc)


def _set_up(connection: socket.socket | None) -> None:
    """A host that vanished is noticed by what it does not acknowledge, even when idle."""
    if connection is None:
        return
    with contextlib.suppress(OSError):
        # asyncio's own loop leaves it off at the end that accepts.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    # Neither option is vital, and not every system has both.
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 5)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 1)
    with contextlib.suppress(OSError, AttributeError):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNACKNOWLEDGED_MS)


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that listens, as gRPC would listen at "host:port": "::" takes IPv4 as well.

    Raises:
        OSError: It cannot be listened at.
    """
    bare = host.strip("[]")
    if ":" not in bare:
        return socket.create_server((bare, port), backlog=BACKLOG)
    both = bare == "::" and socket.has_dualstack_ipv6()
    return socket.create_server(
        (bare, port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=both
    )
