"""Moves the bytes of gRPC natively, and decides nothing. See `_native.pyi` for how it is used."""

from hasten_plane._native import (
    ABI,
    Asked,
    Drained,
    Gone,
    Message,
    Opened,
    Plane,
    Status,
    read_head,
)
from hasten_plane.limits import Limits

__all__ = [
    "ABI",
    "Asked",
    "Drained",
    "Gone",
    "Limits",
    "Message",
    "Opened",
    "Plane",
    "Status",
    "read_head",
]
