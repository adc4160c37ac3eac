"""Rendezvous hashing: a stable choice that moves little when workers come and go.

Thaler and Ravishankar, 1998. With many workers each router talks to a subset of its own, so
that neither connections nor the cost of a decision grow with the pool.
"""

from collections.abc import Iterable
from zlib import crc32


def affinity_score(key: str, worker_id: str) -> int:
    """Rank of a worker for a key; the highest wins."""
    return crc32(f"{key}\0{worker_id}".encode())


def subset_of(worker_ids: Iterable[str], key: str, size: int) -> frozenset[str]:
    """The `size` workers that this key uses."""
    ranked = sorted(worker_ids, key=lambda name: (affinity_score(key, name), name), reverse=True)
    return frozenset(ranked[:size])
