"""How many workers there may be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WorkerRange:
    """How many workers an autoscaler may have: least and most."""

    least: int
    most: int
