"""Attacks on the other ports: a worker's links, HTTP, metrics."""

import os
import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

import grpc

from hasten.worker.v1 import worker_service_pb2 as pb
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub
from loadtest.attacks.where import MODEL, Where, connected, drained, sent

LINKS = 40
HALF_BYTES = 64 * 2**20
PIECE = bytes(2**20)


def _opened(where: Where) -> pb.OpenLinkResponse:
    with grpc.insecure_channel(where.worker) as channel:
        return WorkerServiceStub(channel).OpenLink(pb.OpenLinkRequest(caller_id="spy"), timeout=5)


def _link(where: Where, ticket: bytes | None = None) -> socket.socket:
    """A connection that shows a ticket of its own, or the one given."""
    opened = _opened(where)
    connection = connected(f"{where.worker.rpartition(':')[0]}:{opened.port}")
    shown = pb.ToWorker(ticket=opened.ticket if ticket is None else ticket).SerializeToString()
    connection.sendall(struct.pack("<I", len(shown)) + shown)
    return connection


def forged_tickets(where: Where) -> None:
    """Tickets that nobody gave."""
    while not where.over:
        with suppress(OSError, grpc.RpcError), _link(where, os.urandom(16)) as connection:
            drained(connection)


def unused_tickets(where: Where) -> None:
    """Tickets that nobody shows."""
    with grpc.insecure_channel(where.worker) as channel:
        stub = WorkerServiceStub(channel)
        while not where.over:
            with suppress(grpc.RpcError):
                stub.OpenLink(pb.OpenLinkRequest(caller_id="spy"), timeout=5)


def half_frames(where: Where) -> None:
    """40 links on which most of a message of 64 MiB comes, and never its end."""
    with ExitStack() as opened:
        crowd = []
        for _ in range(LINKS):
            with suppress(OSError, grpc.RpcError):
                connection = opened.enter_context(_link(where))
                if sent(connection, struct.pack("<I", HALF_BYTES)):
                    crowd.append(connection)
        for _ in range(HALF_BYTES // len(PIECE) - 1):
            crowd = [each for each in crowd if not where.over and sent(each, PIECE)]
        while not where.over:
            where.rest()


def bad_frames(where: Where) -> None:
    """Links that say what no router says."""
    calls = pb.ToWorker(calls=[pb.Call(call_id=number) for number in range(20_000)])
    cancels = pb.ToWorker(cancelled_call_ids=range(100_000))
    said = [os.urandom(4096), calls.SerializeToString(), cancels.SerializeToString()]
    while not where.over:
        for content in said:
            with suppress(OSError, grpc.RpcError), _link(where) as connection:
                sent(connection, struct.pack("<I", len(content)) + content)
                where.rest(0.02)
                drained(connection)


_POST = f"POST /v2/models/{MODEL}/infer HTTP/1.1\r\nHost: mesh\r\n".encode()


def _crowd(
    where: Where, address: str, beginning: bytes, more: bytes = b"", size: int = 200
) -> None:
    """Connections that begin like this and then say more now and then."""
    with ExitStack() as opened:
        crowd = []
        for _ in range(size):
            with suppress(OSError):
                connection = opened.enter_context(connected(address))
                sent(connection, beginning)
                crowd.append(connection)
        while not where.over:
            if more:
                crowd = [each for each in crowd if sent(each, more)]
            where.rest(0.2)


def http_chunks(where: Where) -> None:
    """Bodies in chunks that stop."""
    chunk = b"%x\r\n" % 65536 + bytes(65536) + b"\r\n"
    _crowd(where, where.http, _POST + b"Transfer-Encoding: chunked\r\n\r\n" + chunk)


def http_slow_bodies(where: Where) -> None:
    """Bodies that come byte by byte."""
    _crowd(where, where.http, _POST + b"Content-Length: 1000000\r\n\r\n{", b" ")


def http_heads(where: Where) -> None:
    """Heads of 1 MiB."""
    head = _POST + b"".join(b"X-%d: %s\r\n" % (each, b"v" * 8000) for each in range(128))
    while not where.over:
        with suppress(OSError), connected(where.http) as connection:
            sent(connection, head)
            drained(connection)


def metrics_unread(where: Where) -> None:
    """Readers of the metrics who take nothing."""
    _crowd(where, where.metrics, b"GET /metrics HTTP/1.1\r\nHost: mesh\r\n\r\n" * 100, size=50)


ATTACKS: Iterable[Callable[[Where], None]] = (
    forged_tickets,
    unused_tickets,
    half_frames,
    bad_frames,
    http_chunks,
    http_slow_bodies,
    http_heads,
    metrics_unread,
)
