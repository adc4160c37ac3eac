"""Memory that a worker and the process of a model share: tensors lie in it, and are not sent."""

import fcntl
import mmap
import os
from collections.abc import Iterable
from math import prod
from typing import Final

import numpy as np

from hasten_worker.model import Array

ALIGNED_BYTES: Final = 64
"""Tensors begin at multiples of it, as onnxruntime's own do."""
SMALLEST_BYTES: Final = 64 * 1024
KEPT_BYTES: Final = 64 * 2**20
"""What lies beyond goes back to the system after each run: one large run is no reason to keep."""


class Arena:
    """One piece of shared memory. One side at a time uses it: the other waits for its word.

    It grows and never shrinks, which is sealed: a process that could shrink it could end the one
    that reads it. What was mapped before it grew stays mapped as long as an array lies in it.

    Args:
        handle: Of the memory; closed with this.
    """

    def __init__(self, handle: int) -> None:
        self.handle = handle
        self._map: mmap.mmap | None = None
        self._mapped_bytes = 0

    @staticmethod
    def new(name: str) -> "Arena":
        """An empty one; the name is for who looks into /proc."""
        handle = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        fcntl.fcntl(handle, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
        return Arena(handle)

    def reserve(self, size_bytes: int) -> None:
        """Makes room for so many bytes."""
        if size_bytes <= self._mapped_bytes:
            return
        held_bytes = os.fstat(self.handle).st_size
        if held_bytes < size_bytes:
            # Untouched pages take no memory, so that room to grow costs nothing.
            held_bytes = max(SMALLEST_BYTES, 1 << (size_bytes - 1).bit_length())
            os.ftruncate(self.handle, held_bytes)
        self._remap(held_bytes)

    def follow(self, size_bytes: int) -> None:
        """Looks at as many bytes, which the other side has reserved.

        Raises:
            ValueError: It has not.
        """
        if size_bytes > self._mapped_bytes:
            held_bytes = os.fstat(self.handle).st_size
            if held_bytes < size_bytes:
                raise ValueError(f"{size_bytes} bytes of shared memory, and it has {held_bytes}")
            self._remap(held_bytes)

    def array(self, offset: int, shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
        """The tensor that lies at the offset; a view.

        Raises:
            ValueError, TypeError: It is no shape, or lies outside.
        """
        if self._map is None:
            raise ValueError("nothing was reserved")
        return np.ndarray(shape, dtype, buffer=self._map, offset=offset)

    def trim(self, used_bytes: int) -> None:
        """Gives memory back to the system after a run that used so much; its content is lost."""
        if used_bytes > KEPT_BYTES and self._map is not None:
            self._map.madvise(mmap.MADV_REMOVE, KEPT_BYTES, self._mapped_bytes - KEPT_BYTES)

    def close(self) -> None:
        """Lets go of it. The memory goes with the last array that lies in it, on either side."""
        self._map = None
        os.close(self.handle)

    def _remap(self, size_bytes: int) -> None:
        self._map = mmap.mmap(self.handle, size_bytes)
        self._mapped_bytes = size_bytes


class Places:
    """Gives out places in an arena, one behind the other."""

    def __init__(self) -> None:
        self.end = 0
        """Bytes that are given out."""

    def take(self, size_bytes: int) -> int:
        """The offset of a new place."""
        offset = self.end
        self.end = offset + -(-max(1, size_bytes) // ALIGNED_BYTES) * ALIGNED_BYTES
        return offset

    def take_all(
        self, tensors: Iterable[tuple[tuple[int, ...], np.dtype[np.generic]]]
    ) -> list[int]:
        """Offsets of some tensors, by shape and type."""
        return [self.take(prod(shape) * dtype.itemsize) for shape, dtype in tensors]
