"""What HTTP/2 and gRPC put on the wire, as far as a client that calls one method needs it."""

import base64
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

import grpc
from google.rpc import error_details_pb2, status_pb2
from hpack import Decoder

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, ACK, END_HEADERS = 1, 1, 4
TABLE_SIZE, PUSH, STREAMS_MAX, WINDOW, FRAME_MAX = 1, 2, 3, 4, 5
"""Settings by number."""
NO_ERROR, REFUSED, CANCEL = 0, 7, 8
"""Why a stream or connection ended."""
WINDOW_MAX: Final = 2**31 - 1
FIRST_WINDOW: Final = 65_535
FRAME_BYTES: Final = 16_384
"""The largest frame before the other side allows more."""
HEAD_BYTES: Final = 9
BLOCKS_KEPT: Final = 4096

_HEAD = Struct(">HBBBI")
_SETTING = Struct(">HI")
_NUMBER = Struct(">I")
_CODES: Final = {code.value[0]: code.name for code in grpc.StatusCode}
_MICROSECONDS_MAX: Final = 99_999_999
"""gRPC allows eight digits."""


class Ended(NamedTuple):
    """How a call ended, by its trailers: name of the status, ErrorInfo.reason or ""."""

    status: str
    reason: str


def frame(kind: int, flags: int, stream: int, body: bytes = b"") -> bytes:
    """A frame of less than 16 MiB."""
    size = len(body)
    return _HEAD.pack(size >> 8, size & 0xFF, kind, flags, stream) + body


def settings(*values: tuple[int, int]) -> bytes:
    """A SETTINGS frame."""
    return frame(SETTINGS, 0, 0, b"".join(_SETTING.pack(*value) for value in values))


def settings_of(body: bytes) -> dict[int, int]:
    """The values of a SETTINGS frame."""
    return dict(_SETTING.iter_unpack(body))


def number(value: int) -> bytes:
    """The body of a WINDOW_UPDATE or RST_STREAM frame."""
    return _NUMBER.pack(value)


def number_of(body: bytes) -> int:
    """The number in such a body, or at the end of a GOAWAY's head."""
    return int(_NUMBER.unpack_from(body)[0])


def message(payload: bytes) -> bytes:
    """The payload as gRPC wraps it: not compressed."""
    return b"\0" + _NUMBER.pack(len(payload)) + payload


def request_block(path: str, authority: str) -> bytes:
    """The header block of a call, to which `timeout_field` may be added.

    Nothing is put into the other side's table, so the same bytes do for every call.
    """
    # Numbers are entries of HPACK's static table.
    return (
        b"\x83\x86\x04"  # POST, http, path
        + _text(path)
        + b"\x01"
        + _text(authority)
        + b"\x0f\x10"
        + _text("application/grpc")
        + b"\x00"
        + _text("te")
        + _text("trailers")
    )


def timeout_field(left_s: float) -> bytes:
    """The field that tells the server how much time is left."""
    left_us = max(1, int(left_s * 1e6))
    value = f"{left_us}u" if left_us <= _MICROSECONDS_MAX else f"{left_us // 1_000_000}S"
    return _TIMEOUT + _text(value)


def _text(value: str) -> bytes:
    """A string of less than 127 bytes."""
    return bytes((len(value),)) + value.encode("ascii")


_TIMEOUT: Final = b"\x00" + _text("grpc-timeout")


@lru_cache(BLOCKS_KEPT)
def ended_by(block: bytes) -> Ended | None:
    """What a header block says of the call's end; None when it is not its end.

    Blocks may be remembered because the server was told to keep no table.
    """
    code, details = None, b""
    for name, value in Decoder().decode(block, raw=True):
        if name == b"grpc-status":
            code = int(value)
        elif name == b"grpc-status-details-bin":
            details = value
        elif name == b":status" and value != b"200":
            return Ended("UNKNOWN", f"HTTP {value.decode()}")
    if code is None:
        return None
    return Ended(_CODES.get(code, "UNKNOWN"), _reason(details))


def _reason(details: bytes) -> str:
    info = error_details_pb2.ErrorInfo()
    padded = details + b"=" * (-len(details) % 4)
    for detail in status_pb2.Status.FromString(base64.b64decode(padded)).details:
        if detail.Unpack(info):
            return str(info.reason)
    return ""
