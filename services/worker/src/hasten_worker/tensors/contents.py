"""The elements of one input: raw bytes or typed contents into an array."""

import numpy as np

from hasten.inference.v2.inference_pb2 import InferTensorContents
from hasten_policy.reasons import Reason
from hasten_worker.model import Array
from hasten_worker.tensors.datatypes import Datatype
from hasten_worker.tensors.refusals import refuse
from hasten_worker.tensors.strings import elements_from_raw


def from_raw(
    name: str, datatype: Datatype, shape: tuple[int, ...], count: int, raw: bytes
) -> Array:
    """The input as an array; numbers are a read-only view of `raw`, not a copy.

    Raises:
        MeshError: BYTE_LENGTH_MISMATCH.
    """
    if datatype.item_bytes == 0:
        return elements_from_raw(name, raw, count).reshape(shape)
    if len(raw) != count * datatype.item_bytes:
        refuse(
            Reason.BYTE_LENGTH_MISMATCH,
            f"input {name}: shape {list(shape)} of {datatype.name} takes "
            f"{count * datatype.item_bytes} bytes, got {len(raw)}",
            input=name,
            expected=count * datatype.item_bytes,
            got=len(raw),
        )
    if count == 0:
        return np.empty(shape, datatype.dtype)
    if datatype.name == "BOOL":
        # A byte other than 0 and 1 is no bool to numpy: comparing makes it one.
        return np.not_equal(np.frombuffer(raw, np.uint8), 0, dtype=np.bool_).reshape(shape)
    return np.frombuffer(raw, datatype.dtype).reshape(shape)


def from_typed(
    name: str,
    datatype: Datatype,
    shape: tuple[int, ...],
    count: int,
    contents: InferTensorContents,
) -> Array:
    """The input as an array.

    Raises:
        MeshError: DTYPE_MISMATCH when another field than the datatype's is filled or a value
            is out of its range, BYTE_LENGTH_MISMATCH when the number of elements is wrong.
    """
    for field, _ in contents.ListFields():
        if field.name != datatype.typed_field:
            refuse(
                Reason.DTYPE_MISMATCH,
                f"input {name}: {datatype.name} travels in "
                f"{datatype.typed_field or 'raw_input_contents only'}, not in {field.name}",
                input=name,
            )
    values = getattr(contents, datatype.typed_field) if datatype.typed_field else ()
    if len(values) != count:
        refuse(
            Reason.BYTE_LENGTH_MISMATCH,
            f"input {name}: shape {list(shape)} takes {count} elements, got {len(values)}",
            input=name,
            expected=count,
            got=len(values),
        )
    try:
        array: Array = np.fromiter(values, datatype.dtype, count)
    except OverflowError:
        refuse(
            Reason.DTYPE_MISMATCH,
            f"input {name}: a value is out of the range of {datatype.name}",
            input=name,
        )
    return array.reshape(shape)
