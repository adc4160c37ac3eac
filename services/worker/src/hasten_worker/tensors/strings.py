"""BYTES tensors on the wire: each element is a 4-byte little-endian length and its bytes."""

from collections.abc import Iterable
from struct import Struct
from typing import Final

import numpy as np

from hasten_policy.reasons import Reason
from hasten_worker.model import Array
from hasten_worker.tensors.refusals import refuse

_LENGTH: Final = Struct("<I")


def elements_from_raw(name: str, raw: bytes, count: int) -> Array:
    """A flat object array of `count` elements.

    Raises:
        MeshError: BYTE_LENGTH_MISMATCH when raw does not hold exactly `count` elements.
    """
    # Each element has a prefix: a count that cannot be true is found before any allocation.
    if count * _LENGTH.size > len(raw):
        refuse(
            Reason.BYTE_LENGTH_MISMATCH,
            f"input {name}: {count} BYTES elements need at least {count * _LENGTH.size} bytes, "
            f"got {len(raw)}",
            input=name,
            got=len(raw),
        )
    elements = np.empty(count, dtype=np.object_)
    end = 0
    for index in range(count):
        start = end + _LENGTH.size
        if start > len(raw):
            _refuse_truncated(name, index, count, len(raw))
        end = start + _LENGTH.unpack_from(raw, start - _LENGTH.size)[0]
        if end > len(raw):
            _refuse_truncated(name, index, count, len(raw))
        elements[index] = raw[start:end]
    if end != len(raw):
        refuse(
            Reason.BYTE_LENGTH_MISMATCH,
            f"input {name}: {count} BYTES elements take {end} bytes, got {len(raw)}",
            input=name,
            expected=end,
            got=len(raw),
        )
    return elements


def raw_from_elements(elements: Iterable[object]) -> bytes:
    """The elements on the wire; text is encoded as UTF-8."""
    parts: list[bytes] = []
    for element in elements:
        data = element if isinstance(element, bytes) else _as_bytes(element)
        parts.append(_LENGTH.pack(len(data)))
        parts.append(data)
    return b"".join(parts)


def _as_bytes(element: object) -> bytes:
    if isinstance(element, bytearray | memoryview):
        return bytes(element)
    return str(element).encode()


def _refuse_truncated(name: str, index: int, count: int, got: int) -> None:
    refuse(
        Reason.BYTE_LENGTH_MISMATCH,
        f"input {name}: element {index} of {count} BYTES elements runs past the {got} bytes sent",
        input=name,
        element=index,
        got=got,
    )
