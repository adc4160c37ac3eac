"""Where links come in: a port of its own, and tickets that open it."""

import asyncio
import secrets
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from google.protobuf.message import DecodeError

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import logs
from hasten_runtime.byte_budget import ByteBudget
from hasten_runtime.errors import MeshError
from hasten_runtime.frames import BACKLOG, Frames, FrameSink

LINKS_MAX: Final = 256
"""Links open at once; a mesh has a few routers."""
UNKNOWN_MAX: Final = 64
"""Connections that have not shown a ticket yet. One more, and the oldest of them is cut."""
TICKETS_MAX: Final = 1024
"""Tickets that nobody has shown yet. For one more the oldest is no longer good: whoever asks for
tickets and does not come keeps nobody out, as a router shows its own within milliseconds.
"""
TICKET_BYTES: Final = 16
TICKET_S: Final = 5.0
"""A ticket is good for this long, and a connection must show one within it."""
FIRST_FRAME_BYTES_MAX: Final = 64

_log = logs.logger(__name__)


class LinkHandle(FrameSink, Protocol):
    """The worker's end of one link, as the door knows it: the sink of its connection."""

    @property
    def fault(self) -> Refusal | None:
        """Why it ends, when something is wrong with it."""
        ...

    def finish(self) -> None:
        """Ends the link once what waits has been sent."""
        ...

    def abort(self) -> None:
        """Ends the link now."""
        ...


class LinkMaker(Protocol):
    """What a worker makes its ends of links with."""

    def open_link(
        self, connection: Frames, frame_bytes_max: int, on_end: Callable[[], None]
    ) -> LinkHandle:
        """The end of a link that has just shown its ticket.

        Args:
            connection: Belongs to this end from now on.
            frame_bytes_max: Longest frame that the caller takes; 0: it did not tell.
            on_end: Told once, when the link has ended.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Caller:
    """Who got a ticket.

    Attributes:
        caller_id: Its name.
        frame_bytes_max: Longest frame that it takes; 0: it did not tell.
    """

    caller_id: str = ""
    frame_bytes_max: int = 0


class LinkDoor:
    """Listens for links and owns those that are open.

    Args:
        links: Makes them.
        frame_bytes_max: Longest frame that a router may send.
        held: Where half-sent frames are counted; None for nowhere.
        listening: Where links come in; belongs to the door.
    """

    def __init__(
        self,
        links: LinkMaker,
        listening: socket.socket,
        *,
        frame_bytes_max: int,
        held: ByteBudget | None = None,
    ) -> None:
        self._held = held
        self.links = links
        self.port: int = listening.getsockname()[1]
        self._listening = listening
        self.frame_bytes_max = frame_bytes_max
        self._server: asyncio.Server | None = None
        self._finished = False
        self._tickets: dict[bytes, tuple[_Caller, asyncio.TimerHandle]] = {}
        self._unknown: dict[_Arrival, None] = {}
        self._open: set[LinkHandle] = set()
        self._none_left = asyncio.Event()
        self._none_left.set()

    async def open(self) -> None:
        """Begins to listen."""
        self._server = await asyncio.get_running_loop().create_server(
            self._arrival, sock=self._listening, backlog=BACKLOG
        )

    def ticket(self, caller_id: str, frame_bytes_max: int = 0) -> bytes:
        """A ticket for one link of this caller.

        Args:
            caller_id: Who asks, for the log.
            frame_bytes_max: Longest frame that the caller takes; 0: it did not tell.

        Raises:
            MeshError: DRAINING when no more links are taken; QUEUE_FULL when as many are open
                as there may be.
        """
        if self._finished:
            raise MeshError(
                Refusal(Reason.DRAINING, "this worker is leaving and opens no more links")
            )
        if len(self._open) >= LINKS_MAX:
            raise MeshError(
                Refusal(Reason.QUEUE_FULL, f"{LINKS_MAX} links are open, which is the most")
            )
        if len(self._tickets) >= TICKETS_MAX:
            _, expiry = self._tickets.pop(next(iter(self._tickets)))
            expiry.cancel()
        ticket = secrets.token_bytes(TICKET_BYTES)
        expiry = asyncio.get_running_loop().call_later(TICKET_S, self._tickets.pop, ticket, None)
        self._tickets[ticket] = (_Caller(caller_id, frame_bytes_max), expiry)
        return ticket

    @property
    def links_open(self) -> int:
        """Links that are open now."""
        return len(self._open)

    def finish(self) -> None:
        """Takes no more links; ends each that is open once its replies have been sent."""
        self._finished = True
        if self._server is not None:
            self._server.close()
        for _, expiry in self._tickets.values():
            expiry.cancel()
        self._tickets.clear()
        for link in tuple(self._open):
            link.finish()

    async def close(self, patience_s: float) -> None:
        """Ends all links, at once those that have not ended after patience_s seconds."""
        self.finish()
        for arrival in tuple(self._unknown):
            arrival.connection.abort()
        try:
            async with asyncio.timeout(patience_s):
                await self._none_left.wait()
        except TimeoutError:
            for link in tuple(self._open):
                link.abort()
        self._listening.close()

    # --- arrivals ----------------------------------------------------------------------

    def _arrival(self) -> Frames:
        if len(self._unknown) >= UNKNOWN_MAX:
            oldest = next(iter(self._unknown))
            oldest.settled()
            oldest.connection.abort()
        arrival = _Arrival(self._admit, self._unknown.pop, self._held)
        self._unknown[arrival] = None
        return arrival.connection

    def _admit(self, arrival: "_Arrival", ticket: bytes) -> None:
        caller, expiry = self._tickets.pop(ticket, (_Caller(), None))
        if expiry is not None:
            expiry.cancel()
        if expiry is None or len(self._open) >= LINKS_MAX:
            arrival.connection.abort()
            return
        arrival.settled()
        connection = arrival.connection
        connection.frame_bytes_max = self.frame_bytes_max
        self._none_left.clear()

        def ended() -> None:
            self._open.discard(link)
            if not self._open:
                self._none_left.set()
            _log.info(
                "link.closed",
                caller=caller.caller_id,
                fault=link.fault.message if link.fault else None,
            )

        link = self.links.open_link(connection, caller.frame_bytes_max, ended)
        connection.sink = link
        self._open.add(link)
        _log.info("link.opened", caller=caller.caller_id)


class _Arrival:
    """A connection until it shows a ticket."""

    def __init__(
        self,
        admit: Callable[["_Arrival", bytes], None],
        forget: Callable[["_Arrival", None], None],
        held: ByteBudget | None,
    ) -> None:
        self.connection = Frames(self, frame_bytes_max=FIRST_FRAME_BYTES_MAX, held=held)
        self._admit = admit
        self._forget = forget
        self._expiry = asyncio.get_running_loop().call_later(TICKET_S, self.connection.abort)

    def settled(self) -> None:
        """It is known who this is."""
        self._expiry.cancel()
        self._forget(self, None)

    def received(self, frame: bytes) -> None:
        """The first frame must be a ticket, and nothing else."""
        try:
            message = pb.ToWorker.FromString(frame)
        except DecodeError:
            self.connection.abort()
            return
        self._admit(self, message.ticket)

    def writable(self) -> None:
        """Nothing was written."""

    def disconnected(self, error: Exception | None) -> None:
        """It left without a word."""
        del error
        self.settled()
