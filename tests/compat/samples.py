"""Arrays that show whether a tensor came as it was sent."""

from typing import Any

import ml_dtypes
import numpy as np
from tritonclient.utils import triton_to_np_dtype


def sample(datatype: str) -> np.ndarray[Any, Any]:
    """A (2, 3) array of the datatype with values that show truncation and byte order."""
    if datatype == "BYTES":
        return np.array(
            [[b"", b"a", b"\x00\xff\x80"], ["grüße".encode(), b"x" * 300, b"0"]], dtype=object
        )
    if datatype == "BF16":
        return np.array([[1, -2, 0.5], [256, 3, -0.0]], dtype=ml_dtypes.bfloat16)
    dtype = np.dtype(triton_to_np_dtype(datatype))
    if dtype.kind == "b":
        return np.array([[True, False, True], [False, False, True]])
    if dtype.kind == "f":
        return np.array([[1.5, -2.25, 0], [np.inf, 65504, -0.0]], dtype=dtype)
    info = np.iinfo(dtype)
    return np.array([[info.min, info.max, 1], [0, 2, info.max - 1]], dtype=dtype)
