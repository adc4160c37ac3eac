"""Messages of a link, both ways.

What is long is put together by hand, so that payloads are copied once: serialised fields of one
message that are joined are that message.
"""

import math
from collections.abc import Iterable
from typing import Final

from hasten.common.v1.load_pb2 import Load, WorkerState
from hasten.common.v1.timing_pb2 import Timing
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.load import LoadSample
from hasten_policy.reasons import Refusal
from hasten_runtime import fields, wire
from hasten_runtime.fleet.port import Reply, Sendable

TIME_LEFT_US_MAX: Final = 2**63 - 1

_CALLS_KEY: Final = fields.key(pb.ToWorker.CALLS_FIELD_NUMBER)
_CALL_PAYLOAD_KEY: Final = fields.key(pb.Call.PAYLOAD_FIELD_NUMBER)
_REPLIES_KEY: Final = fields.key(pb.ToRouter.REPLIES_FIELD_NUMBER)
_REPLY_PAYLOAD_KEY: Final = fields.key(pb.Reply.PAYLOAD_FIELD_NUMBER)

# --- to a worker -----------------------------------------------------------------------


def encode_ticket(ticket: bytes) -> bytes:
    """The first message of a link."""
    return pb.ToWorker(ticket=ticket).SerializeToString()


def encode_call(call: Sendable, deadline_s: float, now_s: float) -> tuple[bytes, bytes]:
    """One call as a field of ToWorker, in two parts; the payload is not copied."""
    head = pb.Call(
        call_id=call.call_id,
        time_left_us=time_left_us(deadline_s, now_s),
        priority=call.priority,
        tenant=call.tenant,
        traceparent=call.traceparent,
        alone=call.alone,
        reserved_us=round(call.reserved_s * 1e6),
        refused_before=call.refused_before,
    ).SerializeToString()
    payload = call.payload
    payload_size = fields.varint(len(payload))
    size = len(head) + 1 + len(payload_size) + len(payload)
    front = b"".join((_CALLS_KEY, fields.varint(size), head, _CALL_PAYLOAD_KEY, payload_size))
    return front, payload


def encode_cancels(call_ids: Iterable[int]) -> bytes:
    """Cancelled calls as a field of ToWorker."""
    return pb.ToWorker(cancelled_call_ids=call_ids).SerializeToString()


def time_left_us(deadline_s: float, now_s: float) -> int:
    """What is left until the deadline; 0 means no deadline, so one that has passed gives 1."""
    if deadline_s == math.inf:
        return 0
    return min(max(int((deadline_s - now_s) * 1e6), 1), TIME_LEFT_US_MAX)


# --- from a worker ---------------------------------------------------------------------


def encode_answer(call_id: int, payload: bytes, timing: Timing, service_s: float) -> bytes:
    """An answered call as a field of ToRouter."""
    head = pb.Reply(call_id=call_id, timing=timing, service_s=service_s).SerializeToString()
    payload_size = fields.varint(len(payload))
    size = len(head) + 1 + len(payload_size) + len(payload)
    return b"".join(
        (_REPLIES_KEY, fields.varint(size), head, _REPLY_PAYLOAD_KEY, payload_size, payload)
    )


def encode_refusal(call_id: int, refusal: Refusal, timing: Timing | None) -> bytes:
    """A refused call as a field of ToRouter."""
    reply = pb.Reply(call_id=call_id, failure=wire.failure_to_wire(refusal), timing=timing)
    return pb.ToRouter(replies=[reply]).SerializeToString()


def encode_load(load: Load, state: WorkerState | None) -> bytes:
    """The worker's load, and its whole state if that is to be told, as fields of ToRouter."""
    return pb.ToRouter(load=load, state=state).SerializeToString()


def encode_running(call_ids: Iterable[int], *, others_wait: bool) -> bytes:
    """Which calls run, as a field of ToRouter."""
    running = pb.Running(call_ids=call_ids, others_wait=others_wait)
    return pb.ToRouter(running=running).SerializeToString()


def encode_fault(refusal: Refusal) -> bytes:
    """The last message of a link with which something is wrong."""
    return pb.ToRouter(fault=wire.failure_to_wire(refusal)).SerializeToString()


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
