"""The last n numbers, and their order."""

from bisect import bisect_left, insort


class SortedRing:
    """Remembers the last `capacity` values and reads any rank of them at once.

    Adding costs two binary searches and two short memory moves.
    """

    __slots__ = ("_capacity", "_next", "_ring", "_sorted")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._ring: list[float] = []
        self._next = 0
        self._sorted: list[float] = []

    def __len__(self) -> int:
        return len(self._sorted)

    def add(self, value: float) -> None:
        """Remembers `value`, forgetting the oldest when full."""
        if len(self._ring) < self._capacity:
            self._ring.append(value)
        else:
            oldest = self._ring[self._next]
            self._ring[self._next] = value
            self._next = (self._next + 1) % self._capacity
            del self._sorted[bisect_left(self._sorted, oldest)]
        insort(self._sorted, value)

    def newest(self, count: int) -> list[float]:
        """The last `count` values, the oldest of them first."""
        ordered = self._ring[self._next :] + self._ring[: self._next]
        return ordered[-count:] if count else []

    def ranked(self, rank: int) -> float:
        """The value of `rank` 1 (least) to `len(self)`; a rank outside counts as the nearest.

        Raises:
            IndexError: Nothing was added yet.
        """
        return self._sorted[max(1, min(rank, len(self._sorted))) - 1]

    def median(self) -> float:
        """Middle value; the mean of the middle two when their number is even.

        Raises:
            IndexError: Nothing was added yet.
        """
        middle = len(self._sorted) // 2
        if len(self._sorted) % 2 == 1:
            return self._sorted[middle]
        return 0.5 * (self._sorted[middle - 1] + self._sorted[middle])
