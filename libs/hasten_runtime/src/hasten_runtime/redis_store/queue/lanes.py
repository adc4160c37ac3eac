"""How lanes are named in Redis."""

import functools
from collections.abc import Iterable
from typing import Final

from hasten_policy.scheduler.tasks import Lane

NAMES_REMEMBERED: Final = 4096


@functools.lru_cache(NAMES_REMEMBERED)
def lane_to_bytes(lane: Lane) -> bytes:
    """Class, bytes of the tenant's name, and both names: "2:4:acmevision"."""
    tenant = lane.tenant.encode()
    return b"%d:%d:%b%b" % (lane.priority, len(tenant), tenant, lane.model.encode())


@functools.lru_cache(NAMES_REMEMBERED)
def lane_from_bytes(name: bytes) -> Lane:
    """The lane of a name. Raises ValueError for what is none."""
    priority, length, names = name.split(b":", 2)
    bytes_of_tenant = int(length)
    if not 0 <= bytes_of_tenant <= len(names):
        raise ValueError("a lane's name is shorter than it says")
    return Lane(
        tenant=names[:bytes_of_tenant].decode(),
        model=names[bytes_of_tenant:].decode(),
        priority=int(priority),
    )


def numbered(lanes: Iterable[Lane]) -> dict[Lane, int]:
    """Each lane once, with its number from 1."""
    return {lane: number for number, lane in enumerate(dict.fromkeys(lanes), 1)}
