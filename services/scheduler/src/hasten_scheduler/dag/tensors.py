"""Tensors between steps: cut into rows, put together again, compared with numbers.

Rows are what lies along the first axis. Contents are bytes as in `raw_input_contents`: little
endian, of text each element after four bytes of its length.
"""

import itertools
import math
import struct
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq, ge, gt, le, lt, ne
from typing import Final

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_policy.scheduler.jobs.dag.plan import Comparison, Condition, How, Join, TensorSpec

BYTES: Final = "BYTES"
_LENGTH_BYTES: Final = 4
ITEM_BYTES: Final = {
    "BOOL": 1,
    **{f"{kind}{bits}": bits // 8 for kind in ("INT", "UINT", "FP") for bits in (8, 16, 32, 64)},
    "BF16": 2,
}
_CODES: Final = {
    "BOOL": "?",
    **dict(zip(("INT8", "INT16", "INT32", "INT64"), "bhiq", strict=True)),
    **dict(zip(("UINT8", "UINT16", "UINT32", "UINT64"), "BHIQ", strict=True)),
    **dict(zip(("FP16", "FP32", "FP64"), "efd", strict=True)),
}
"""As `struct` calls them. There is no numpy here: its import would hold the event loop."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """A tensor. Its content fits its type and shape, as `check` says."""

    datatype: str
    shape: tuple[int, ...]
    content: bytes

    @property
    def rows(self) -> int:
        """Along the first axis."""
        return self.shape[0] if self.shape else 1

    def spec(self) -> TensorSpec:
        """Type and shape."""
        return TensorSpec(self.datatype, self.shape)

    def check(self) -> str:
        """What of the content does not fit; "" when it does."""
        if self.datatype != BYTES and self.datatype not in ITEM_BYTES:
            return f"{self.datatype!r} is no datatype"
        if any(dim < 0 for dim in self.shape):
            return f"{list(self.shape)} is no shape"
        items = math.prod(self.shape)
        if self.datatype != BYTES:
            wanted = items * ITEM_BYTES[self.datatype]
            got = len(self.content)
            return "" if got == wanted else f"must have {wanted} bytes, not {got}"
        try:
            ends = self._item_ends()
        except ValueError as error:
            return str(error)
        return "" if len(ends) == items else f"must have {items} texts, not {len(ends)}"

    def cut(self, begin: int, end: int) -> "Tensor":
        """The rows from one up to another."""
        ends = self._row_ends()
        first = ends[begin - 1] if begin else 0
        last = ends[end - 1] if end else 0
        shape = (end - begin, *self.shape[1:])
        return Tensor(self.datatype, shape, self.content[first:last])

    def each_row(self) -> list[bytes]:
        """The contents of the rows."""
        ends = [0, *self._row_ends()]
        return [self.content[one:other] for one, other in itertools.pairwise(ends)]

    def numbers(self) -> tuple[float, ...]:
        """All elements. Raises ValueError for what has no numbers."""
        return struct.unpack(self._form(math.prod(self.shape)), self.content)

    def row_of(self, numbers: Sequence[float]) -> "Tensor":
        """One row of the same type. Raises ValueError as `numbers`."""
        content = struct.pack(self._form(len(numbers)), *numbers)
        return Tensor(self.datatype, (1, *self.shape[1:]), content)

    def _form(self, count: int) -> str:
        code = _CODES.get(self.datatype)
        if code is None:
            raise ValueError(f"{self.datatype} has no numbers")
        return f"<{count}{code}"

    def _row_ends(self) -> list[int]:
        if self.datatype == BYTES:
            items = math.prod(self.shape[1:])
            ends = self._item_ends()
            return [ends[items * row - 1] if items else 0 for row in range(1, self.rows + 1)]
        size = math.prod(self.shape[1:]) * ITEM_BYTES[self.datatype]
        return [size * row for row in range(1, self.rows + 1)]

    def _item_ends(self) -> list[int]:
        """Raises ValueError for a text that is cut off."""
        ends: list[int] = []
        at = 0
        while at < len(self.content):
            length = int.from_bytes(self.content[at : at + _LENGTH_BYTES], "little")
            at += _LENGTH_BYTES + length
            ends.append(at)
        if at > len(self.content):
            raise ValueError("its last text is cut off")
        return ends


def tensor_from_wire(wire: pb.Tensor) -> Tensor:
    """From the wire, not yet checked."""
    return Tensor(wire.datatype, tuple(wire.shape), wire.content)


def tensor_to_wire(tensor: Tensor) -> pb.Tensor:
    """For callers."""
    return pb.Tensor(datatype=tensor.datatype, shape=tensor.shape, content=tensor.content)


def outputs_of(response: bytes) -> dict[str, Tensor]:
    """The outputs in a serialised ModelInferResponse. Raises ValueError for one without contents,
    DecodeError for none.
    """
    message = infer_pb.ModelInferResponse.FromString(response)
    if len(message.raw_output_contents) != len(message.outputs):
        raise ValueError("an answer without the contents of its outputs")
    return {
        output.name: Tensor(output.datatype, tuple(output.shape), content)
        for output, content in zip(message.outputs, message.raw_output_contents, strict=True)
    }


def request_of(model: str, version: str, inputs: Mapping[str, Tensor]) -> bytes:
    """A serialised ModelInferRequest: of the same inputs always the same bytes."""
    message = infer_pb.ModelInferRequest(model_name=model, model_version=version)
    for name, tensor in inputs.items():
        message.inputs.add(name=name, datatype=tensor.datatype, shape=tensor.shape)
        message.raw_input_contents.append(tensor.content)
    return message.SerializeToString(deterministic=True)


def holds(condition: Condition, tensor: Tensor) -> bool:
    """A tensor meets a condition; one without elements meets only a condition on every one."""
    compare, value = _COMPARE[condition.comparison], condition.value
    met = (compare(number, value) for number in tensor.numbers())
    return all(met) if condition.every else any(met)


_COMPARE: Final = {
    Comparison.EQ: eq,
    Comparison.NE: ne,
    Comparison.LT: lt,
    Comparison.LE: le,
    Comparison.GT: gt,
    Comparison.GE: ge,
}


def joined(join: Join, parts: Sequence[Mapping[str, Tensor]]) -> dict[str, Tensor]:
    """The outputs of parts as one; for a model that joins, all rows.

    Raises:
        ValueError: They do not fit each other, or are not of a kind that can be joined so.
    """
    whole = {name: concatenated([part[name] for part in parts]) for name in parts[0]}
    if join.how is How.MEAN:
        # Outputs of which nobody can want the mean were found when the DAG was checked.
        return {name: _mean(each) for name, each in whole.items() if each.datatype[0] == "F"}
    if join.how is How.VOTE:
        return {name: _vote(each) for name, each in whole.items() if each.datatype[0] != "F"}
    if join.how is How.TOP_K:
        order = _order(whole[join.by])[: join.k]
        return {name: _gathered(each, order) for name, each in whole.items()}
    return whole


def concatenated(tensors: Sequence[Tensor]) -> Tensor:
    """All rows. Raises ValueError where types or the shapes of rows differ."""
    first = tensors[0]
    if any(
        (each.datatype, each.shape[1:]) != (first.datatype, first.shape[1:]) for each in tensors
    ):
        raise ValueError("parts whose rows have different types or shapes cannot be joined")
    rows = sum(each.rows for each in tensors)
    return Tensor(first.datatype, (rows, *first.shape[1:]), b"".join(t.content for t in tensors))


def _mean(tensor: Tensor) -> Tensor:
    columns = math.prod(tensor.shape[1:])
    numbers = tensor.numbers()
    return tensor.row_of([math.fsum(numbers[at::columns]) / tensor.rows for at in range(columns)])


def _vote(tensor: Tensor) -> Tensor:
    ((winner, _),) = Counter(tensor.each_row()).most_common(1)
    return Tensor(tensor.datatype, (1, *tensor.shape[1:]), winner)


def _order(by: Tensor) -> list[int]:
    """Rows by their value, the largest first; equal ones as they came. Raises ValueError."""
    values = by.numbers()
    if len(values) != by.rows:
        raise ValueError("rows are ordered by an output with one value a row")
    return sorted(range(by.rows), key=lambda row: -values[row])


def _gathered(tensor: Tensor, order: Iterable[int]) -> Tensor:
    rows = tensor.each_row()
    chosen = [rows[row] for row in order]
    return Tensor(tensor.datatype, (len(chosen), *tensor.shape[1:]), b"".join(chosen))
