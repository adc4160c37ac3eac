"""A TCP proxy on loopback that misbehaves on demand."""

import asyncio
import contextlib
import enum
from types import TracebackType
from typing import Self

from tests.support.ports import free_port, release_port

CHUNK_BYTES = 65_536


class Mode(enum.Enum):
    """What the proxy does with connections and bytes from now on."""

    PASS = "pass"  # noqa: S105  (not a password)
    REFUSE = "refuse"
    """New connections are refused; open ones were cut."""
    BLACK_HOLE = "black hole"
    """Connections are taken and stay open; no byte passes."""
    CUT_AFTER_REQUEST = "cut after request"
    """The request reaches the server; the connection is cut once its reply comes."""


class ChaosProxy:
    """`async with ChaosProxy(target_port) as proxy`, then dial `proxy.port`.

    Attributes:
        connections: Connections taken so far.
        cuts: Replies withheld so far by CUT_AFTER_REQUEST.
        request_bytes: Bytes forwarded to the server so far.
    """

    def __init__(self, target_port: int, target_host: str = "127.0.0.1") -> None:
        self.connections = 0
        self.cuts = 0
        self.request_bytes = 0
        self._target = (target_host, target_port)
        self._port = free_port()
        self._mode = Mode.PASS
        self._open = asyncio.Event()
        self._open.set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        return self._port

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._port}"

    async def __aenter__(self) -> Self:
        await self._listen()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._refuse()
        release_port(self._port)

    async def set_mode(self, mode: Mode) -> None:
        """Changes the behaviour; returns when it is in force."""
        self._mode = mode
        if mode is Mode.BLACK_HOLE:
            self._open.clear()
        else:
            self._open.set()
        if mode is Mode.REFUSE:
            await self._refuse()
        elif self._server is None:
            await self._listen()

    async def cut(self) -> None:
        """Cuts all open connections once; new ones are served as the mode says."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    async def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        await self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            # A cancelled connection is a cut one, no news for asyncio's logger.
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        far_reader, far_writer = await asyncio.open_connection(*self._target)
        try:
            upward = asyncio.create_task(self._pump_requests(reader, far_writer))
            downward = asyncio.create_task(self._pump_replies(far_reader, writer))
            try:
                await asyncio.wait({upward, downward}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for pump in (upward, downward):
                    pump.cancel()
                await asyncio.gather(upward, downward, return_exceptions=True)
        finally:
            far_writer.transport.abort()

    async def _pump_requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            await self._open.wait()
            self.request_bytes += len(chunk)
            writer.write(chunk)
            await writer.drain()

    async def _pump_replies(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        while chunk := await reader.read(CHUNK_BYTES):
            if self._mode is Mode.CUT_AFTER_REQUEST:
                self.cuts += 1
                return
            await self._open.wait()
            writer.write(chunk)
            await writer.drain()
