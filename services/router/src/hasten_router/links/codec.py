"""Messages of a link: calls out, replies in."""

import math
from collections.abc import Iterable
from typing import Final

from hasten.common.v1.timing_pb2 import Timing
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.load import LoadSample
from hasten_router.calls import Call, Reply
from hasten_runtime import fields, wire

TIME_LEFT_US_MAX: Final = 2**63 - 1

_CALLS_KEY: Final = fields.key(pb.ToWorker.CALLS_FIELD_NUMBER)
_PAYLOAD_KEY: Final = fields.key(pb.Call.PAYLOAD_FIELD_NUMBER)


def first(ticket: bytes) -> bytes:
    """The first message of a link."""
    return pb.ToWorker(ticket=ticket).SerializeToString()


def encode_call(call: Call, deadline_s: float, now_s: float) -> tuple[bytes, bytes]:
    """One call as a field of ToWorker, in two parts; such fields joined are a message.

    The payload is not copied: only the small head goes through protobuf.
    """
    head = pb.Call(
        call_id=call.call_id,
        time_left_us=time_left_us(deadline_s, now_s),
        priority=call.priority,
        tenant=call.tenant,
        traceparent=call.attempt_traceparent,
        alone=call.alone,
    ).SerializeToString()
    payload = call.payload
    payload_size = fields.varint(len(payload))
    size = len(head) + 1 + len(payload_size) + len(payload)
    return b"".join((_CALLS_KEY, fields.varint(size), head, _PAYLOAD_KEY, payload_size)), payload


def encode_cancels(call_ids: Iterable[int]) -> bytes:
    """Cancelled calls as a field of ToWorker."""
    return pb.ToWorker(cancelled_call_ids=call_ids).SerializeToString()


def time_left_us(deadline_s: float, now_s: float) -> int:
    """What is left until the deadline; 0 means no deadline, so one that has passed gives 1."""
    if deadline_s == math.inf:
        return 0
    return min(max(int((deadline_s - now_s) * 1e6), 1), TIME_LEFT_US_MAX)


def decode_reply(message: pb.Reply, load: LoadSample | None) -> Reply:
    """A reply from its wire form."""
    if message.HasField("failure"):
        reply = Reply(message.call_id, refusal=wire.failure_from_wire(message.failure))
    else:
        reply = Reply(message.call_id, message.payload)
    reply.load = load
    reply.service_s = message.service_s
    if message.HasField("timing"):
        timing = message.timing
        reply.timing = timing
        reply.server_s = server_us(timing) / 1e6
    return reply


def server_us(timing: Timing) -> int:
    """Microseconds between receipt and reply, by the worker's clock."""
    return (
        timing.worker_queue_us
        + timing.batch_wait_us
        + timing.preprocess_us
        + timing.compute_us
        + timing.postprocess_us
    )
