"""Are two answers of a model the same, as far as its number types can tell?"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, Any]

TOLERANCE: Final = {np.dtype(np.float16): 1e-2, np.dtype(np.float32): 1e-4}
"""Relative to the largest number of the output: sums are made in another order in a batch."""
TOLERANCE_ELSE: Final = 1e-6


def differs(told: Mapping[str, Array], right: Mapping[str, Array]) -> str:
    """What is wrong with the outputs `told`; "" when nothing is."""
    for name, want in right.items():
        found = told.get(name)
        if found is None:
            return f"output {name!r} is missing"
        if found.shape == (*want.shape, 1):
            found = found[..., 0]  # Triton's form of one value a row.
        if found.shape != want.shape or found.dtype != want.dtype:
            return f"output {name!r} is {found.dtype}{list(found.shape)}"
        if want.dtype.kind != "f":
            if not np.array_equal(found, want):
                return f"output {name!r} differs"
            continue
        far = distance(found, want)
        if not far <= TOLERANCE.get(want.dtype, TOLERANCE_ELSE):
            return f"output {name!r} is off by {far:.1g} of its largest number"
    return ""


def distance(found: Array, want: Array) -> float:
    """Largest difference, relative to the largest number of `want`; inf where one is no number."""
    known = np.isfinite(want)
    if not np.array_equal(found[~known], want[~known], equal_nan=True):
        return float("inf")
    if not known.any():
        return 0.0
    scale = float(np.abs(want[known]).max()) or 1.0
    off = np.abs(found[known].astype(np.float64) - want[known])
    return float(off.max()) / scale
