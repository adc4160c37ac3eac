"""Messages of the Execute stream, upwards, put together so that outputs are copied once."""

from collections.abc import Iterable
from typing import Final

from hasten.common.v1.load_pb2 import Load, WorkerState
from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2.inference_pb2 import ModelInferResponse
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Refusal
from hasten_runtime import wire

# Keys on the wire: ExecuteResponse.replies and Reply.payload, both length-delimited.
_REPLIES_KEY: Final = bytes([(pb.ExecuteResponse.REPLIES_FIELD_NUMBER << 3) | 2])
_PAYLOAD_KEY: Final = bytes([(pb.Reply.PAYLOAD_FIELD_NUMBER << 3) | 2])


def answer(wire_id: int, response: ModelInferResponse, timing: Timing, service_s: float) -> bytes:
    """An answered call as a field of ExecuteResponse; such fields joined are a message."""
    head = pb.Reply(call_id=wire_id, timing=timing, service_s=service_s).SerializeToString()
    payload = response.SerializeToString()
    payload_size = _varint(len(payload))
    size = len(head) + 1 + len(payload_size) + len(payload)
    return b"".join((_REPLIES_KEY, _varint(size), head, _PAYLOAD_KEY, payload_size, payload))


def refusal(wire_id: int, refused: Refusal, timing: Timing | None) -> bytes:
    """A refused call as a field of ExecuteResponse."""
    reply = pb.Reply(call_id=wire_id, failure=wire.failure_to_wire(refused), timing=timing)
    return pb.ExecuteResponse(replies=[reply]).SerializeToString()


def message(replies: Iterable[bytes], load: Load, state: WorkerState | None) -> bytes:
    """One message up the stream."""
    tail = pb.ExecuteResponse(load=load, state=state).SerializeToString()
    return b"".join((*replies, tail))


def _varint(value: int) -> bytes:
    if value < 0x80:
        return bytes((value,))
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
