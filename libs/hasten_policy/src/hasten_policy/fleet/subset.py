"""Rendezvous hashing: a stable choice that moves little when workers come and go.

Thaler and Ravishankar, 1998. Of very many workers with a model each router uses a subset of its
own, the highest ranks for its name, so that the cost of a decision does not grow with the pool.
A sequence stays on the worker of the highest rank for its key.
"""

from typing import Final
from zlib import crc32

from hasten_policy.fleet.workers import ModelEntry

PARTITION: Final = "partition"
"""Name of the balancer that keeps each model to its own share of the workers."""


def affinity_score(key: str, worker_id: str) -> int:
    """Rank of a worker for a key; the highest win."""
    mixed = crc32(f"{key}\0{worker_id}".encode())
    # A CRC is linear: two keys' ranks differ by the same bits for all workers, so that some workers
    # would win twice as often as others. Murmur3's finaliser takes that away.
    mixed = ((mixed ^ mixed >> 16) * 0x85EBCA6B) & 0xFFFFFFFF
    mixed = ((mixed ^ mixed >> 13) * 0xC2B2AE35) & 0xFFFFFFFF
    return mixed ^ mixed >> 16


def pick_affine(entries: list[ModelEntry], key: str) -> ModelEntry | None:
    """The worker that a sequence stays on as long as it is open."""
    return max(
        entries,
        key=lambda entry: (affinity_score(key, entry.worker.worker_id), entry.worker.worker_id),
        default=None,
    )
