"""How long a call that waits may wait."""

from typing import Final

WAIT_S: Final = 60.0
"""Longest wait of a call without a deadline."""
WAY_BACK_S: Final = 0.05
WAY_BACK_SHARE: Final = 0.1
"""Of a call's time is kept for its answer to travel, and at most WAY_BACK_S."""


def wait_s(left_s: float | None) -> float:
    """How long a call can wait that has so much time left; None for a call without a deadline."""
    if left_s is None:
        return WAIT_S
    return left_s - min(WAY_BACK_S, WAY_BACK_SHARE * left_s)
