"""A call as links see one."""

from dataclasses import dataclass


@dataclass
class Sent:
    """What a link must know of a call; implements Sendable."""

    call_id: int
    payload: bytes = b""
    priority: int = 1
    tenant: str = ""
    traceparent: str = ""
    alone: bool = False
    reserved_s: float = 0.0
    refused_before: int = 0
