"""What a worker and the process of a model say to each other; tensors lie in shared memory.

All messages are whole: the sockets keep their limits. What comes from the process is read as JSON
and checked: it may be in the hands of whoever made the model.
"""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np

from hasten_policy.reasons import Reason
from hasten_worker.model import Array, ModelError

NUMBER: Final = struct.Struct("<Q")
"""Before each request: the number of the run, which a termination names."""
MESSAGE_BYTES_MAX: Final = 128 * 1024
DONE, FAILED = b"\0", b"\1"
"""The first byte of a reply."""
ERROR_CHARS_MAX: Final = 1000
OUTPUT_BYTES_MAX: Final = 4 * 2**30
"""Of all outputs of a batch: no process makes the worker copy more."""
_LENGTH: Final = np.dtype("<u4")


@dataclass(frozen=True, slots=True)
class Laid:
    """One tensor in shared memory.

    Attributes:
        offset: Where it begins.
        shape: As the model sees an output, as clients see an input.
        size_bytes: Of a text; 0 for numbers.
    """

    offset: int
    shape: tuple[int, ...]
    size_bytes: int = 0

    def to_json(self) -> list[Any]:
        """As plain values."""
        return [self.offset, self.shape, self.size_bytes]

    @staticmethod
    def from_json(value: Sequence[Any]) -> "Laid":
        """The inverse. Raises ValueError or TypeError when it is none."""
        offset, shape, size_bytes = value
        return Laid(int(offset), tuple(map(int, shape)), int(size_bytes))


def to_bytes(value: Mapping[str, Any] | Sequence[Any]) -> bytes:
    """As JSON."""
    return json.dumps(value, separators=(",", ":")).encode()


def failed(error: ModelError) -> bytes:
    """The reply of a run that failed."""
    said = [str(error)[:ERROR_CHARS_MAX], error.terminated, error.reason.name]
    return FAILED + to_bytes(said)


def read_failure(reply: bytes) -> ModelError:
    """The failure that a reply tells of; of a reply that is none, too."""
    try:
        message, terminated, reason = json.loads(reply[1:])
        return ModelError(str(message), terminated=bool(terminated), reason=Reason[reason])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ModelError("its process gave an answer that cannot be read")


def text_to_bytes(array: Array) -> bytes:
    """Elements of type BYTES: all their lengths, then all of them."""
    elements = array.reshape(-1).tolist()
    lengths = np.fromiter(map(len, elements), _LENGTH, len(elements))
    return lengths.tobytes() + b"".join(elements)


def text_from_bytes(content: bytes, shape: tuple[int, ...]) -> Array:
    """The inverse. Raises ValueError when the lengths do not fit."""
    count = prod(shape)
    at = count * _LENGTH.itemsize
    if min(shape, default=0) < 0 or at > len(content):
        raise ValueError("a text of another shape than it says")
    lengths = np.frombuffer(content[:at], _LENGTH, count).tolist()
    if at + sum(lengths) != len(content):
        raise ValueError("a text of other lengths than it says")
    array = np.empty(shape, np.object_)
    flat = array.reshape(-1)
    for index, length in enumerate(lengths):
        flat[index] = content[at : at + length]
        at += length
    return array
