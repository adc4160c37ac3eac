"""Where the time of one request went, for callers that ask."""

from hasten.common.v1.timing_pb2 import Timing
from hasten_router.calls import Call


def breakdown(call: Call) -> Timing:
    """The worker's breakdown of an answered call, with the router's parts filled in."""
    timing = Timing()
    reply = call.reply
    if reply is None:
        return timing
    if reply.timing is not None:
        timing.CopyFrom(reply.timing)
    timing.admission_us = _us(call.admitted_s - call.arrived_s)
    timing.router_queue_us = _us(call.sent_s - call.admitted_s)
    timing.wire_us = _us(reply.round_trip_s - reply.server_s)
    return timing


def _us(seconds: float) -> int:
    return max(0, round(seconds * 1e6))
