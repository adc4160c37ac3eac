"""Tensors in shared memory: what the codec needs of a region, and how a request names one."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from hasten.inference.v2.inference_pb2 import InferParameter
from hasten_policy.reasons import Reason
from hasten_policy.short import short
from hasten_runtime.protocol_names import REGION
from hasten_worker.tensors.refusals import refuse


@dataclass(frozen=True, slots=True)
class RegionRef:
    """A piece of a registered region.

    Attributes:
        name: Name it was registered under.
        offset: Bytes from the region's start.
        size_bytes: Length of the piece.
    """

    name: str
    offset: int
    size_bytes: int


class Regions(Protocol):
    """The registered regions."""

    def check(self, piece: RegionRef) -> None:
        """Raises MeshError SHARED_MEMORY_INVALID unless the piece lies inside a region."""
        ...

    def read(self, piece: RegionRef) -> bytes:
        """A copy of the piece. Raises MeshError SHARED_MEMORY_INVALID."""
        ...

    def write(self, piece: RegionRef, data: bytes) -> None:
        """Writes at the piece's start, within it. Raises MeshError SHARED_MEMORY_INVALID."""
        ...


class NoRegions:
    """Shared memory is switched off: every use of it is refused."""

    def check(self, piece: RegionRef) -> None:
        """Refuses."""
        refuse(
            Reason.SHARED_MEMORY_INVALID,
            f"shared memory region {short(piece.name)}: this server has shared memory switched off",
        )

    def read(self, piece: RegionRef) -> bytes:
        """Refuses."""
        self.check(piece)
        return b""

    def write(self, piece: RegionRef, data: bytes) -> None:  # noqa: ARG002  (the port's shape)
        """Refuses."""
        self.check(piece)


def region_ref(tensor: str, parameters: Mapping[str, InferParameter]) -> RegionRef | None:
    """The region that the tensor's parameters name; None when they name none.

    Raises:
        MeshError: INVALID_PARAMETER for a wrong kind, a missing size, or a negative number.
    """
    if not any(key.startswith("shared_memory_") for key in parameters):
        return None
    named = parameters.get(REGION)
    if named is None or named.WhichOneof("parameter_choice") != "string_param":
        _refuse(tensor, REGION, "a string")
    size_bytes = _whole_number(tensor, parameters, "shared_memory_byte_size")
    if size_bytes is None:
        _refuse(tensor, "shared_memory_byte_size", "an int64")
    offset = _whole_number(tensor, parameters, "shared_memory_offset") or 0
    return RegionRef(parameters[REGION].string_param, offset, size_bytes or 0)


def _whole_number(tensor: str, parameters: Mapping[str, InferParameter], key: str) -> int | None:
    parameter = parameters.get(key)
    if parameter is None:
        return None
    if parameter.WhichOneof("parameter_choice") != "int64_param" or parameter.int64_param < 0:
        _refuse(tensor, key, "an int64, not negative")
    return parameter.int64_param


def _refuse(tensor: str, key: str, expected: str) -> None:
    refuse(
        Reason.INVALID_PARAMETER,
        f"tensor {short(tensor)}, parameter {key}: expected {expected}",
        tensor=tensor,
        parameter=key,
    )
