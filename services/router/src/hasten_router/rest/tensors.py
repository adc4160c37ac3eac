"""Values of tensors as JSON has them, and as bytes: row by row, little-endian."""

import struct
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

from hasten_policy.reasons import Reason
from hasten_policy.short import short
from hasten_router.rest.reading import invalid

DEPTH_MAX: Final = 64
"""Lists inside of lists; no tensor has so many dimensions."""
BYTES: Final = "BYTES"
BF16: Final = "BF16"
_LENGTH: Final = struct.Struct("<I")
# Datatype: struct's code of an element, and what JSON has for it.
_WHOLE: Final = frozenset({int})
_NUMBER: Final = frozenset({int, float})
_CODES: Final[dict[str, tuple[str, frozenset[type]]]] = {
    "BOOL": ("?", frozenset({bool})),
    "INT8": ("b", _WHOLE),
    "INT16": ("h", _WHOLE),
    "INT32": ("i", _WHOLE),
    "INT64": ("q", _WHOLE),
    "UINT8": ("B", _WHOLE),
    "UINT16": ("H", _WHOLE),
    "UINT32": ("I", _WHOLE),
    "UINT64": ("Q", _WHOLE),
    "FP16": ("e", _NUMBER),
    "FP32": ("f", _NUMBER),
    "FP64": ("d", _NUMBER),
}
_SIZES: Final = {code: struct.calcsize(f"<{code}") for code, _ in _CODES.values()}


def packed(field: str, datatype: str, data: object) -> bytes:
    """A tensor's bytes from its values in JSON: a flat list, or lists nested as the shape is.

    Args:
        field: Its name, for what is said of it.
        datatype: As in the model's metadata.
        data: What stood in the JSON.

    Raises:
        MeshError: DTYPE_MISMATCH when a value is none of the datatype or out of its range.
    """
    flat = _flat(field, data)
    kinds = set(map(type, flat))
    if datatype == BYTES:
        if not kinds <= {str}:
            raise _mismatch(field, datatype, "strings")
        return _packed_texts(field, flat)
    code, fits = _CODES.get(datatype, ("", frozenset[type]()))
    if not code:
        if datatype == BF16:
            raise _mismatch(field, datatype, "binary data: JSON has no form of it")
        raise invalid(field, f"has the unknown datatype {short(datatype)!r}", Reason.DTYPE_MISMATCH)
    if not kinds <= fits:
        expected = {"?": "true and false"}.get(
            code, "numbers" if float in fits else "whole numbers"
        )
        raise _mismatch(field, datatype, expected)
    try:
        return struct.pack(f"<{len(flat)}{code}", *flat)
    except (struct.error, OverflowError) as error:
        raise _mismatch(field, datatype, f"values in its range: {error}") from None


def unpacked(field: str, datatype: str, raw: bytes) -> Sequence[Any]:
    """A tensor's values for JSON, as one flat list.

    Raises:
        MeshError: JSON cannot carry them.
    """
    if datatype == BYTES:
        return _texts(field, raw)
    if datatype == BF16:  # The upper half of an FP32.
        wide = bytearray(2 * len(raw))
        wide[2::4], wide[3::4] = raw[::2], raw[1::2]
        datatype, raw = "FP32", bytes(wide)
    code = _CODES[datatype][0]
    return struct.unpack(f"<{len(raw) // _SIZES[code]}{code}", raw)


def _flat(field: str, data: object) -> list[Any]:
    if not isinstance(data, list):
        raise invalid(field, "must have its data as a list")
    flat: list[Any] = data
    for _ in range(DEPTH_MAX):
        if not flat or set(map(type, flat)) != {list}:
            return flat
        flat = list(chain.from_iterable(flat))
    raise invalid(field, f"must have at most {DEPTH_MAX} dimensions")


def _packed_texts(field: str, texts: Iterable[str]) -> bytes:
    pieces: list[bytes] = []
    try:
        for each in texts:
            coded = each.encode()
            pieces += (_LENGTH.pack(len(coded)), coded)
    except UnicodeEncodeError:
        raise invalid(field, "must be text without half of a surrogate pair") from None
    return b"".join(pieces)


def _texts(field: str, raw: bytes) -> list[str]:
    found: list[str] = []
    at = 0
    try:
        while at < len(raw):
            (size,) = _LENGTH.unpack_from(raw, at)
            at += _LENGTH.size + size
            found.append(raw[at - size : at].decode())
    except UnicodeDecodeError:
        raise invalid(
            field, "is no text in UTF-8, which JSON needs: ask for it with binary_data"
        ) from None
    return found


def _mismatch(field: str, datatype: str, expected: str) -> Exception:
    return invalid(field, f"is {datatype} and needs {short(expected)}", Reason.DTYPE_MISMATCH)
