"""Frames over asyncio streams: the other end of a link, for tests."""

import asyncio
import struct
from collections.abc import Sequence
from typing import Self

import grpc.aio
from google.protobuf.message import Message

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub

WAIT_S = 60.0
OPEN_TRIES = 3


def frame(content: bytes) -> bytes:
    """The content behind its length."""
    return struct.pack("<I", len(content)) + content


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next frame's content; None when the other end has closed."""
    try:
        (size,) = struct.unpack("<I", await reader.readexactly(4))
        return await reader.readexactly(size)
    except (asyncio.IncompleteReadError, ConnectionError):
        return None


class RouterEnd:
    """A router's end of one link to a real worker.

    Args:
        channel: To the worker.
        address: The worker's "host:port".
    """

    def __init__(self, channel: grpc.aio.Channel, address: str) -> None:
        self._stub = WorkerServiceStub(channel)
        self._host = address.rpartition(":")[0]
        self.frame_bytes_max = 0
        """Longest frame that it says to take; 0: it says nothing."""
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self.replies: dict[int, pb.Reply] = {}
        self.messages: list[pb.ToRouter] = []

    async def __aenter__(self) -> Self:
        for attempt in range(1, OPEN_TRIES + 1):
            await self.open()
            try:
                await self.read()
                break
            except EOFError:  # A ticket is good for five seconds: on a busy machine it runs out.
                self.cut()
                if attempt == OPEN_TRIES:
                    raise
        return self

    async def open(self) -> None:
        """Asks for a ticket and shows it."""
        opened = await self._stub.OpenLink(
            pb.OpenLinkRequest(caller_id="r1", frame_bytes_max=self.frame_bytes_max)
        )
        await self.connect(opened.port)
        await self.send_message(pb.ToWorker(ticket=opened.ticket))

    async def connect(self, port: int) -> None:
        """Opens a connection without a word."""
        self._reader, self._writer = await asyncio.open_connection(self._host, port)

    async def __aexit__(self, *_: object) -> None:
        self.cut()

    def cut(self) -> None:
        """Ends the connection at once."""
        self._writer.transport.abort()

    async def send(self, *calls: pb.Call, cancel: Sequence[int] = ()) -> None:
        await self.send_message(pb.ToWorker(calls=calls, cancelled_call_ids=cancel))

    async def send_message(self, message: Message) -> None:
        await self.send_bytes(frame(message.SerializeToString()))

    async def send_bytes(self, content: bytes) -> None:
        self._writer.write(content)
        await asyncio.wait_for(self._writer.drain(), WAIT_S)

    def done_sending(self) -> None:
        """Closes this side."""
        self._writer.write_eof()

    async def read(self) -> pb.ToRouter:
        """The next message. Raises EOFError when the worker has closed."""
        content = await asyncio.wait_for(read_frame(self._reader), WAIT_S)
        if content is None:
            raise EOFError
        message = pb.ToRouter.FromString(content)
        self.messages.append(message)
        for reply in message.replies:
            assert reply.call_id not in self.replies, "a call was answered twice"
            self.replies[reply.call_id] = reply
        return message

    async def reply(self, call_id: int) -> pb.Reply:
        while call_id not in self.replies:
            await self.read()
        return self.replies[call_id]

    async def end(self) -> str:
        """Reads until the worker closes; the reason that it gave, "" for none."""
        reason = ""
        try:
            while True:
                message = await self.read()
                assert not reason, "a fault was not the last message"
                reason = message.fault.reason
        except EOFError:
            return reason
        finally:
            self.cut()
