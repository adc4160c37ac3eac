"""What a handler sees of its call, as grpc.aio's own context."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NoReturn, Protocol

import grpc
import grpc.aio

from hasten_plane import Message, Plane, Status
from hasten_runtime import compressing
from hasten_runtime.errors import MeshError
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.plane.faults import refusal_of

Pairs = Sequence[tuple[str, str | bytes]]
ENDED: Final = "the call has ended"


class Home(Protocol):
    """Whoever drives the plane."""

    @property
    def plane(self) -> Plane:
        """The plane."""
        ...

    def flush_soon(self) -> None:
        """What was noted is written at the end of the loop's round."""
        ...


class PlaneContext(grpc.aio.ServicerContext[Any, Any]):
    """One call of the plane, for its handler.

    Args:
        home: Drives the plane.
        call_id: The plane's name for the call.
        metadata: The caller's.
        left_s: Seconds until its deadline; None without one.
        peer: Who calls.
        limit: On messages.
        first: The first message, when it is there already.
    """

    def __init__(  # noqa: PLR0913  (each is another fact of the call)
        self,
        home: Home,
        call_id: int,
        *,
        metadata: Pairs,
        left_s: float | None,
        peer: str,
        limit: MessageLimit,
        first: bytes | None = None,
    ) -> None:
        self._home = home
        self._call_id = call_id
        self._metadata = tuple(metadata)
        self._deadline_s = None if left_s is None else time.monotonic() + left_s
        self._peer = peer
        self._limit = limit
        self._first = first
        self._reading: asyncio.Future[Message] | None = None
        self._writing: asyncio.Future[None] | None = None
        self._code: grpc.StatusCode | None = None
        self._details = ""
        self._trailers: Pairs = ()
        self._done = False
        self._packs = False
        self._parse: Callable[[bytes], Any] | None = None
        self._serialise: Callable[[Any], bytes] | None = None

    # --- for whoever serves the call ---------------------------------------------------

    def speaks(
        self,
        parse: Callable[[bytes], Any] | None,
        serialise: Callable[[Any], bytes] | None,
    ) -> None:
        """How messages become bytes, and bytes messages; None: they stay bytes."""
        self._parse = parse
        self._serialise = serialise

    def came(self, message: Message) -> None:
        """What was read for is there."""
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(message)

    def drained(self) -> None:
        """The client has taken what was written."""
        if self._writing is not None and not self._writing.done():
            self._writing.set_result(None)

    def finish(self) -> None:
        """Ends the call as the handler left it; harmless when it has ended."""
        if not self._done:
            self._end(self._code or grpc.StatusCode.OK, self._details, self._trailers)

    def forget(self) -> None:
        """Nobody waits for an answer any more."""
        self._done = True

    def _end(self, code: grpc.StatusCode, details: str, trailers: Pairs) -> None:
        self._done = True
        self._code = code
        status = Status(code.value[0], details, list(trailers))
        self._home.plane.finish(self._call_id, status)
        self._home.flush_soon()

    # --- for the handler ---------------------------------------------------------------

    async def read(self) -> Any:  # noqa: ANN401  (any message)
        """The next message; grpc.aio.EOF after the last. Raises MeshError."""
        if self._first is not None:
            data, self._first = self._first, None
            return data if self._parse is None else self._parse(data)
        self._reading = asyncio.get_running_loop().create_future()
        self._home.plane.read(self._call_id)
        self._home.flush_soon()
        message = await self._reading
        if message.fault:
            raise MeshError(refusal_of(message.fault, "a message", message.size_bytes, self._limit))
        if message.data is None:
            return grpc.aio.EOF
        return message.data if self._parse is None else self._parse(message.data)

    async def write(self, message: Any) -> None:  # noqa: ANN401  (any message)
        """Sends a message; waits while the client has not taken what it was sent before."""
        if self._done:
            raise grpc.aio.UsageError(ENDED)
        data = message if self._serialise is None else self._serialise(message)
        if self._packs:
            data = compressing.packed(data)
        waiting = self._home.plane.write(self._call_id, data, packed=self._packs)
        self._home.flush_soon()
        if waiting:
            self._writing = asyncio.get_running_loop().create_future()
            await self._writing

    async def abort(
        self,
        code: grpc.StatusCode,
        details: str = "",
        trailing_metadata: Any = (),  # noqa: ANN401  (pairs, or gRPC's Metadata)
    ) -> NoReturn:
        """Ends the call and raises AbortError."""
        if self._done:
            raise grpc.aio.UsageError(ENDED)
        if code is grpc.StatusCode.OK:
            code = grpc.StatusCode.UNKNOWN
        trailers = tuple(trailing_metadata) or self._trailers
        self._details = details
        self._trailers = trailers
        self._end(code, details, trailers)
        raise grpc.aio.AbortError("Locally aborted.")

    async def abort_with_status(self, status: Any) -> NoReturn:  # noqa: ANN401  (gRPC's Status)
        """As `abort`, with a `grpc.Status`."""
        await self.abort(status.code, status.details, status.trailing_metadata)
        raise AssertionError("abort returned")

    async def send_initial_metadata(self, initial_metadata: Any) -> None:  # noqa: ANN401  (as gRPC has it)
        """Nothing of ours sends any; without any, it says that compression is chosen."""
        if initial_metadata:
            raise NotImplementedError("no initial metadata on this transport")

    def set_trailing_metadata(self, trailing_metadata: Any) -> None:  # noqa: ANN401  (pairs, or gRPC's Metadata)
        """To be sent with the status."""
        self._trailers = tuple(trailing_metadata)

    def trailing_metadata(self) -> Any:  # noqa: ANN401  (as gRPC has it)
        """What was set."""
        return self._trailers

    def invocation_metadata(self) -> Any:  # noqa: ANN401  (as gRPC has it)
        """The caller's."""
        return self._metadata

    def time_remaining(self) -> float | None:  # type: ignore[override]  # as gRPC does it
        """Seconds until the caller's deadline; None when it gave none."""
        if self._deadline_s is None:
            return None
        return self._deadline_s - time.monotonic()

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status, unless the call is aborted."""
        self._code = code

    def set_details(self, details: str) -> None:
        """The status's message."""
        self._details = details

    def code(self) -> Any:  # noqa: ANN401  (as gRPC has it)
        """What was set, or 0."""
        return self._code or 0

    def details(self) -> str:
        """What was set."""
        return self._details

    def peer(self) -> str:
        """As gRPC names it: ipv4:host:port."""
        return self._peer

    def peer_identities(self) -> None:
        """None: nobody is authenticated here."""

    def peer_identity_key(self) -> None:
        """None: nobody is authenticated here."""

    def auth_context(self) -> Mapping[str, Any]:
        """Empty: nobody is authenticated here."""
        return {}

    def set_compression(self, compression: grpc.Compression) -> None:
        """Of all messages of the answer: gzip or none."""
        self._packs = compression is grpc.Compression.Gzip

    def disable_next_message_compression(self) -> None:
        """Nothing of ours compresses some messages of an answer and others not."""
        raise NotImplementedError("all messages of an answer are compressed, or none")

    def cancelled(self) -> bool:
        """Its handler is cancelled instead."""
        return False

    def done(self) -> bool:
        """The call has ended."""
        return self._done
