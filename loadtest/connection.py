"""One HTTP/2 connection of the generator: calls go out, and how they ended comes back."""

import socket
import time
from collections import deque
from typing import Final

from loadtest import frames
from loadtest.frames import Ended

CONNECT_S_MAX: Final = 30.0
RECEIVED_MAX: Final = 2**20
_CANCELLED: Final = Ended("CANCELLED", "")
_REFUSED: Final = Ended("UNAVAILABLE", "")
_BROKEN: Final = Ended("INTERNAL", "")


class Call:
    """One call.

    Attributes:
        body: The request as gRPC wraps it.
        due_s: When it was to be sent.
        sent_s: When it was handed over to be sent.
        expires_s: When its caller leaves.
        done_s: When it ended; 0 before.
        ended: How it ended, once it has.
        stream: Number of its stream; 0 before it has one.
        offset: How much of the body is sent.
        refused: The server has refused its stream before.
        window: Bytes that its stream may still send, beside what settings allow.
    """

    __slots__ = (
        "body",
        "connection",
        "done_s",
        "due_s",
        "ended",
        "expires_s",
        "offset",
        "refused",
        "sent_s",
        "stream",
        "window",
    )

    def __init__(self, body: bytes, due_s: float, sent_s: float, expires_s: float) -> None:
        self.body = body
        self.due_s = due_s
        self.sent_s = sent_s
        self.expires_s = expires_s
        self.done_s = 0.0
        self.ended: Ended | None = None
        self.connection: Connection | None = None
        self.stream = 0
        self.offset = 0
        self.window = 0
        self.refused = False


class Connection:
    """One connection to a gRPC server.

    Args:
        address: "host:port".
        path: Of the method that is called.

    Raises:
        ConnectionError: There is no gRPC server.
    """

    def __init__(self, address: str, path: str) -> None:
        host, _, port = address.rpartition(":")
        self._address = address
        self._block = frames.request_block(path, address)
        self._socket = socket.create_connection((host, int(port)), CONNECT_S_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._out: list[bytes] = []
        self._unsent = b""
        self._unread = b""
        self._calls: dict[int, Call] = {}
        self._waiting: deque[Call] = deque()
        self._blocked: deque[Call] = deque()
        self._next_stream = 1
        self._streams_max = frames.WINDOW_MAX
        self._frame_max = frames.FRAME_BYTES
        self._first_window = frames.FIRST_WINDOW
        self._window = frames.FIRST_WINDOW
        self._received = 0
        self._agreed = False
        self._greet()

    def _greet(self) -> None:
        """Says hello, and waits until the server has agreed to keep no header table."""
        hello = frames.settings(
            (frames.TABLE_SIZE, 0), (frames.PUSH, 0), (frames.WINDOW, frames.WINDOW_MAX)
        )
        more = frames.number(frames.WINDOW_MAX - frames.FIRST_WINDOW)
        update = frames.frame(frames.WINDOW_UPDATE, 0, 0, more)
        self._socket.sendall(frames.PREFACE + hello + update)
        while not self._agreed:
            self.read()
        self._socket.settimeout(0.0)
        self.flush()

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    @property
    def pending(self) -> bool:
        """Something waits for room in the socket."""
        return bool(self._unsent or self._out)

    def close(self) -> None:
        """Leaves; calls that are under way stay without an end."""
        self._socket.close()

    def begin(self, call: Call) -> None:
        """Sends the call with the next flush, or when the server takes another stream."""
        call.connection = self
        if len(self._calls) < self._streams_max:
            self._open(call)
        else:
            self._waiting.append(call)

    def leave(self, call: Call) -> None:
        """Cancels a call that has not ended."""
        if call.stream:
            del self._calls[call.stream]
            reset = frames.number(frames.CANCEL)
            self._out.append(frames.frame(frames.RST_STREAM, 0, call.stream, reset))
            self._admit()

    def _open(self, call: Call) -> None:
        call.stream = self._next_stream
        self._next_stream += 2
        self._calls[call.stream] = call
        block = self._block
        if call.expires_s != float("inf"):
            block += frames.timeout_field(call.expires_s - time.monotonic())
        self._out.append(frames.frame(frames.HEADERS, frames.END_HEADERS, call.stream, block))
        if self._blocked or not self._send_body(call):
            self._blocked.append(call)

    def _send_body(self, call: Call) -> bool:
        """Sends what windows allow; True when that is all."""
        size = len(call.body)
        while True:
            left = size - call.offset
            room = min(self._first_window + call.window - call.offset, self._window)
            part = min(left, room, self._frame_max)
            if part <= 0:
                return False
            last = part == left
            body = call.body[call.offset : call.offset + part] if part < size else call.body
            self._out.append(
                frames.frame(frames.DATA, frames.END_STREAM if last else 0, call.stream, body)
            )
            call.offset += part
            self._window -= part
            if last:
                return True

    def _unblock(self) -> None:
        for _ in range(len(self._blocked)):
            call = self._blocked.popleft()
            if call.ended is None and not self._send_body(call):
                self._blocked.append(call)

    def _admit(self) -> None:
        while self._waiting and len(self._calls) < self._streams_max:
            call = self._waiting.popleft()
            if call.ended is None:
                self._open(call)

    def flush(self) -> None:
        """Hands to the socket what it takes."""
        if self._out:
            self._unsent += b"".join(self._out)
            self._out.clear()
        if not self._unsent:
            return
        try:
            sent = self._socket.send(self._unsent)
        except BlockingIOError:
            return
        self._unsent = self._unsent[sent:]

    def read(self) -> list[Call]:
        """Reads what is there; the calls that ended.

        Raises:
            ConnectionError: The connection is no more.
        """
        try:
            received = self._socket.recv(RECEIVED_MAX)
        except BlockingIOError:
            return []
        if not received:
            raise ConnectionError(f"{self._address} closed the connection")
        data = self._unread + received if self._unread else received
        ended: list[Call] = []
        at, size = 0, len(data)
        while size - at >= frames.HEAD_BYTES:
            head = int.from_bytes(data[at : at + frames.HEAD_BYTES], "big")
            length = head >> 48
            end = at + frames.HEAD_BYTES + length
            if end > size:
                break
            body = data[at + frames.HEAD_BYTES : end]
            at = end
            kind, flags, stream = head >> 40 & 0xFF, head >> 32 & 0xFF, head & 0x7FFF_FFFF
            if kind == frames.HEADERS:
                self._headers(stream, flags, body, ended)
            elif kind == frames.DATA:
                self._received += length
            else:
                self._control(kind, flags, stream, body, ended)
        self._unread = data[at:]
        if self._received > frames.WINDOW_MAX // 2:
            more = frames.number(self._received)
            self._out.append(frames.frame(frames.WINDOW_UPDATE, 0, 0, more))
            self._received = 0
        if ended:
            self._admit()
        return ended

    def _headers(self, stream: int, flags: int, block: bytes, ended: list[Call]) -> None:
        if not flags & frames.END_HEADERS:
            raise ConnectionError(f"{self._address} sent headers in parts, which is not built here")
        how = frames.ended_by(block)
        if how is not None:
            self._end(stream, how, ended)

    def _end(self, stream: int, how: Ended, ended: list[Call]) -> None:
        call = self._calls.pop(stream, None)
        if call is not None:
            call.ended = how
            ended.append(call)

    def _reset(self, stream: int, why: int, ended: list[Call]) -> None:
        call = self._calls.get(stream)
        if call is None or why != frames.REFUSED:
            self._end(stream, _CANCELLED if why == frames.CANCEL else _BROKEN, ended)
        elif call.refused:
            self._end(stream, _REFUSED, ended)
        else:
            # The server had not yet noticed that another stream has ended. It has done nothing
            # with this one, and gRPC's clients send it once more without a word.
            del self._calls[stream]
            call.refused = True
            call.stream = call.offset = call.window = 0
            self._waiting.append(call)
            self._admit()

    def _control(self, kind: int, flags: int, stream: int, body: bytes, ended: list[Call]) -> None:
        if kind == frames.WINDOW_UPDATE:
            more = frames.number_of(body)
            if not stream:
                self._window += more
            elif stream in self._calls:
                self._calls[stream].window += more
            self._unblock()
        elif kind == frames.RST_STREAM:
            self._reset(stream, frames.number_of(body), ended)
        elif kind == frames.SETTINGS:
            self._settle(flags, body)
        elif kind == frames.PING and not flags & frames.ACK:
            self._out.append(frames.frame(frames.PING, frames.ACK, 0, body))
        elif kind == frames.GOAWAY:
            raise ConnectionError(f"{self._address} sends its callers away: {body[8:].decode()}")

    def _settle(self, flags: int, body: bytes) -> None:
        if flags & frames.ACK:
            self._agreed = True
            return
        told = frames.settings_of(body)
        self._streams_max = told.get(frames.STREAMS_MAX, self._streams_max)
        self._frame_max = told.get(frames.FRAME_MAX, self._frame_max)
        self._first_window = told.get(frames.WINDOW, self._first_window)
        self._out.append(frames.frame(frames.SETTINGS, frames.ACK, 0))
        self._unblock()
