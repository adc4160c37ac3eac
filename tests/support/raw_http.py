"""HTTP/1.1 by hand, for tests that send what no library would."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Response:
    """What came back.

    Attributes:
        status: As a number.
        headers: With names in lower case.
        body: Of Content-Length bytes.
    """

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body."""
        return json.loads(self.body)


class Connection:
    """One connection to a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        """Bytes, as they are."""
        self.writer.write(data)

    async def response(self, *, bodiless: bool = False) -> Response:
        """The next one. Raises EOFError where the server closed instead."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")[:-2]
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        size = 0 if bodiless else int(headers.get("content-length", "0"))
        return Response(int(first.split()[1]), headers, await self.reader.readexactly(size))

    async def closed(self) -> bool:
        """Waits until the server closes; what came meanwhile is dropped."""
        try:
            while await self.reader.read(2**16):
                pass
        except ConnectionError:
            pass
        return True


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Connection]:
    """A connection, aborted at the end."""
    host, _, port = address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield Connection(reader, writer)
    finally:
        writer.transport.abort()


def message(method: str, path: str, body: bytes = b"", **headers: str) -> bytes:
    """A request; an underscore in a header's name stands for a dash."""
    lines = [f"{method} {path} HTTP/1.1", "Host: mesh"]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join((*lines, "", "")).encode() + body


async def ask(address: str, method: str, path: str, body: Any = b"", **headers: str) -> Response:
    """One request on a connection of its own; anything but bytes is sent as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with connected(address) as connection:
        connection.send(message(method, path, data, **headers))
        return await connection.response(bodiless=method == "HEAD")
