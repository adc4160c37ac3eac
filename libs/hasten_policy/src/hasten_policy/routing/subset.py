"""Rendezvous hashing: a stable choice that moves little when workers come and go.

Thaler and Ravishankar, 1998. Of very many workers with a model each router uses a subset of its
own, the highest ranks for its name, so that the cost of a decision does not grow with the pool.
"""

from zlib import crc32


def affinity_score(key: str, worker_id: str) -> int:
    """Rank of a worker for a key; the highest win."""
    return crc32(f"{key}\0{worker_id}".encode())
