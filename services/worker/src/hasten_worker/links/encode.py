"""Messages up a link, put together so that outputs are copied once."""

from collections.abc import Iterable
from typing import Final

from hasten.common.v1.load_pb2 import Load, WorkerState
from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2.inference_pb2 import ModelInferResponse
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Refusal
from hasten_runtime import fields, wire

_REPLIES_KEY: Final = fields.key(pb.ToRouter.REPLIES_FIELD_NUMBER)
_PAYLOAD_KEY: Final = fields.key(pb.Reply.PAYLOAD_FIELD_NUMBER)


def answer(wire_id: int, response: ModelInferResponse, timing: Timing, service_s: float) -> bytes:
    """An answered call as a field of ToRouter; such fields joined are a message."""
    head = pb.Reply(call_id=wire_id, timing=timing, service_s=service_s).SerializeToString()
    payload = response.SerializeToString()
    payload_size = fields.varint(len(payload))
    size = len(head) + 1 + len(payload_size) + len(payload)
    return b"".join((_REPLIES_KEY, fields.varint(size), head, _PAYLOAD_KEY, payload_size, payload))


def refusal(wire_id: int, refused: Refusal, timing: Timing | None) -> bytes:
    """A refused call as a field of ToRouter."""
    reply = pb.Reply(call_id=wire_id, failure=wire.failure_to_wire(refused), timing=timing)
    return pb.ToRouter(replies=[reply]).SerializeToString()


def message(replies: Iterable[bytes], load: Load, state: WorkerState | None) -> list[bytes]:
    """One message up a link, in parts."""
    return [*replies, pb.ToRouter(load=load, state=state).SerializeToString()]


def running(call_ids: Iterable[int], *, others_wait: bool) -> bytes:
    """Which calls run, as a field of ToRouter."""
    said = pb.Running(call_ids=call_ids, others_wait=others_wait)
    return pb.ToRouter(running=said).SerializeToString()


def fault(refused: Refusal) -> bytes:
    """The last message of a link with which something is wrong."""
    return pb.ToRouter(fault=wire.failure_to_wire(refused)).SerializeToString()
