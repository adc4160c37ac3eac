"""Whether two answers are the same: to the bit, or as near as their type and kernels allow."""

from enum import Enum
from typing import Final

import numpy as np

from hasten_worker.model import Array


class Closeness(Enum):
    """How near two answers must be.

    BY_TYPE: kernels may differ with the number of rows, and with them the rounding.
    NEARLY_BITS: the kernels are the same.
    """

    BY_TYPE = "by type"
    NEARLY_BITS = "nearly bits"


_BY_TYPE: Final = {
    # Of the number itself, and of the largest number of the answer, in whose sums it took part.
    "float16": (1e-2, 5e-3),
    "bfloat16": (5e-2, 2e-2),
    "float32": (1e-3, 1e-5),
    # Many models with double outputs compute in single precision inside.
    "float64": (1e-3, 1e-5),
}
_EPS: Final = {"float16": 1e-3, "bfloat16": 8e-3, "float32": 1.2e-7, "float64": 2.3e-16}
_NEARLY: Final = 8
"""Units in the last place."""


def same_bits(one: Array, other: Array) -> bool:
    """Shape and elements are equal; NaN equals NaN."""
    if one.shape != other.shape:
        return False
    if one.dtype == np.object_:
        return bool((one == other).all())
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


def is_number(array: Array) -> bool:
    """No element is NaN."""
    if array.dtype.name not in _BY_TYPE:
        return True
    return not np.isnan(array.astype(np.float64)).any()


def difference(one: Array, other: Array, closeness: Closeness) -> str:
    """How the two differ, as far as they are not as near as that; "" when they are.

    Args:
        one: An output for one row.
        other: The same output for the same row.
        closeness: How near they must be.
    """
    if one.shape != other.shape:
        return f"shape {list(one.shape)} instead of {list(other.shape)}"
    if same_bits(one, other):
        return ""
    name = one.dtype.name
    if name not in _BY_TYPE:
        return f"{int((one != other).sum())} of {one.size} elements differ"
    left, right = one.astype(np.float64), other.astype(np.float64)
    with np.errstate(all="ignore"):
        # Equal infinities have no difference, and neither have two NaN.
        equal = (left == right) | (np.isnan(left) & np.isnan(right))
        finite = np.isfinite(left) & np.isfinite(right)
        scale = float(np.abs(right[finite]).max(initial=0.0))
        if closeness is Closeness.BY_TYPE:
            of_itself, of_scale = _BY_TYPE[name]
        else:
            of_itself, of_scale = 0.0, _NEARLY * _EPS[name]
        near = np.abs(left - right) <= of_itself * np.abs(right) + of_scale * scale
        off = ~(equal | (near & finite))
        if not off.any():
            return ""
        worst = float(np.abs(left - right)[off & finite].max(initial=0.0))
    return f"{int(off.sum())} of {one.size} elements differ, by up to {worst:.3g}"
