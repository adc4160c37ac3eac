"""The command line that tries a model: made from its metadata, so that it really works."""

import json
import shlex
from collections.abc import Sequence
from math import prod
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hasten_client import ModelMetadata, TensorMetadata

DEFAULT_ADDRESS: Final = "localhost:8001"
_PORTS: Final = {"infer": "8001", "submit": "8003"}
"""Where a verb asks when it is told no address."""
_WRITTEN_OUT_MAX: Final = 6
"""Inputs of up to this many numbers are written out; larger ones are generated."""


def infer_command(
    metadata: "ModelMetadata", *, address: str = DEFAULT_ADDRESS, verb: str = "infer"
) -> str:
    """A line that this model answers; `verb` is infer or submit."""
    words = ["hasten", verb, metadata.name]
    for tensor in metadata.inputs:
        words += ["--input", f"{tensor.name}={example_value(tensor)}"]
    if not is_default(address, _PORTS[verb]):
        words += ["--address", address]
    return shlex.join(words)


def example_value(tensor: "TensorMetadata") -> str:
    """A value of one input as `--input` takes it, one row where any number will do."""
    sizes = sizes_of(tensor.shape)
    if tensor.datatype == "BYTES":
        return "hello" if prod(sizes) == 1 else json.dumps(_nested(sizes, "hello"))
    if prod(sizes) > _WRITTEN_OUT_MAX:
        return "@random"
    return json.dumps(_nested(sizes, tensor.datatype == "BOOL" or 1), separators=(",", ":"))


def sizes_of(shape: Sequence[int]) -> tuple[int, ...]:
    """The shape with one element wherever any number will do."""
    return tuple(1 if size < 0 else size for size in shape)


def is_default(address: str, port_asked: str = _PORTS["infer"]) -> bool:
    """A command that asks this port finds the address without being told."""
    host, _, port = address.rpartition(":")
    return host in {"localhost", "127.0.0.1", "0.0.0.0"} and port == port_asked  # noqa: S104  (compared)


def _nested(sizes: Sequence[int], leaf: object) -> object:
    value = leaf
    for size in reversed(sizes):
        value = [value] * size
    return value
