"""Which models lie on which workers: what is given, what is allowed, what is good."""

from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Floats: TypeAlias = NDArray[np.float64]
Flags: TypeAlias = NDArray[np.bool_]
"""Models by workers: True where a worker holds a copy."""

MOVEMENT_WEIGHT = 0.2
"""Moving everything is as bad as a busiest worker that is busier by so much."""
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Problem:
    """Copies of models, and workers to hold them. What contradicts itself is refused.

    Attributes:
        memory_gb: Of a copy, by model.
        load: Busy workers of speed 1 that calls of the model need, all copies together.
        copies: So many there are to be, by model; each on a worker of its own.
        room_gb: Memory for models, by worker.
        speed: Of each worker.
        current: Where the copies are now.
        ready: Which of them serve; those of `current` unless said.
        pinned: Copies that stay where they are.
        allowed: Where copies may be; everywhere unless said.
        price_per_h: Of each worker; 1 unless said.
        zone: Number of the zone that fails as one, by worker; each its own unless said.
    """

    memory_gb: Floats
    load: Floats
    copies: NDArray[np.int_]
    room_gb: Floats
    speed: Floats
    current: Flags
    ready: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    pinned: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    allowed: Flags = field(default_factory=lambda: np.zeros((0, 0), dtype=np.bool_))
    price_per_h: Floats = field(default_factory=lambda: np.zeros(0))
    zone: NDArray[np.int_] = field(default_factory=lambda: np.zeros(0, dtype=np.int_))

    def __post_init__(self) -> None:
        """Fills in what was not said, and refuses what cannot be.

        Raises:
            ValueError: Shapes do not fit, a number is negative, a model has more copies than
                workers that may hold it, or pinned copies are more than there are to be.
        """
        shape = (self.models, self.workers)
        defaults = {
            "ready": self.current.copy(),
            "pinned": np.zeros(shape, dtype=np.bool_),
            "allowed": np.ones(shape, dtype=np.bool_),
            "price_per_h": np.ones(self.workers),
            "zone": np.arange(self.workers),
        }
        for name, value in defaults.items():
            if getattr(self, name).size == 0:
                object.__setattr__(self, name, value)
        self._refuse_shapes()
        self._refuse_numbers()

    def _refuse_shapes(self) -> None:
        models, workers = self.models, self.workers
        for name in ("current", "ready", "pinned", "allowed"):
            if getattr(self, name).shape != (models, workers):
                raise ValueError(f"{name} must have {models} rows and {workers} columns")
        lengths = dict.fromkeys(("load", "copies"), models)
        lengths |= dict.fromkeys(("speed", "price_per_h", "zone"), workers)
        for name, length in lengths.items():
            if len(getattr(self, name)) != length:
                raise ValueError(f"{name} must have {length} values")

    def _refuse_numbers(self) -> None:
        if min(self.memory_gb.min(), self.load.min(), self.room_gb.min(), self.copies.min()) < 0:
            raise ValueError("memory, load, room and copies must not be negative")
        if not self.speed.min() > 0:
            raise ValueError("speed must be above 0")
        if (self.copies > self.allowed.sum(axis=1)).any():
            raise ValueError("a model has more copies than workers that may hold it")
        if (self.pinned.sum(axis=1) > self.copies).any():
            raise ValueError("a model has more pinned copies than it is to have")

    @property
    def models(self) -> int:
        """How many."""
        return len(self.memory_gb)

    @property
    def workers(self) -> int:
        """How many."""
        return len(self.room_gb)

    @property
    def share(self) -> Floats:
        """Load of one copy, by model."""
        return self.load / np.maximum(1, self.copies)

    @property
    def total_gb(self) -> float:
        """Memory of all copies; never 0."""
        return max(ROUNDING, float(self.memory_gb @ self.copies))

    def use(self, placed: Flags) -> Floats:
        """Busy share of each worker."""
        return (self.share @ placed) / self.speed

    def used_gb(self, placed: Flags) -> Floats:
        """Memory in use, by worker."""
        return self.memory_gb @ placed

    def moved_gb(self, placed: Flags) -> float:
        """Memory of copies that would have to be loaded."""
        return float(self.memory_gb @ (placed & ~self.current).sum(axis=1))

    def objective(self, placed: Flags) -> float:
        """Smaller is better: the busiest worker, and what has to be moved."""
        moved = MOVEMENT_WEIGHT * self.moved_gb(placed) / self.total_gb
        return float(self.use(placed).max()) + moved

    def fits(self, placed: Flags) -> bool:
        """All copies are placed, where they may be, and no worker is over its memory."""
        return bool(
            (placed.sum(axis=1) == self.copies).all()
            and not (placed & ~self.allowed).any()
            and not (self.pinned & ~placed).any()
            and (self.used_gb(placed) <= self.room_gb + ROUNDING).all()
        )


class NoRoomError(ValueError):
    """The copies do not fit into the workers, as far as the method can tell."""
