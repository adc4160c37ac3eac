"""The datatypes of the inference protocol and their numpy counterparts."""

from dataclasses import dataclass
from typing import Final

import ml_dtypes
import numpy as np


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype.

    Attributes:
        name: Name in the protocol.
        dtype: In memory; little-endian, as on the wire. BYTES are objects.
        item_bytes: Bytes of one element on the wire; 0 for BYTES, whose elements differ.
        typed_field: Field of InferTensorContents that carries it; "" when it travels raw only.
    """

    name: str
    dtype: np.dtype[np.generic]
    item_bytes: int
    typed_field: str


def _datatype(name: str, dtype: type[np.generic], typed_field: str) -> tuple[str, Datatype]:
    kind = np.dtype(dtype).newbyteorder("<")
    return name, Datatype(name, kind, kind.itemsize, typed_field)


BYTES: Final = Datatype("BYTES", np.dtype(np.object_), 0, "bytes_contents")
# numpy knows no byte order for bfloat16, so it is listed as it is.
BF16: Final = Datatype("BF16", np.dtype(ml_dtypes.bfloat16), 2, "")

DATATYPES: Final[dict[str, Datatype]] = dict(
    [
        _datatype("BOOL", np.bool_, "bool_contents"),
        _datatype("UINT8", np.uint8, "uint_contents"),
        _datatype("UINT16", np.uint16, "uint_contents"),
        _datatype("UINT32", np.uint32, "uint_contents"),
        _datatype("UINT64", np.uint64, "uint64_contents"),
        _datatype("INT8", np.int8, "int_contents"),
        _datatype("INT16", np.int16, "int_contents"),
        _datatype("INT32", np.int32, "int_contents"),
        _datatype("INT64", np.int64, "int64_contents"),
        _datatype("FP16", np.float16, ""),
        _datatype("FP32", np.float32, "fp32_contents"),
        _datatype("FP64", np.float64, "fp64_contents"),
        ("BF16", BF16),
        ("BYTES", BYTES),
    ]
)
"""Every datatype by its name in the protocol."""
