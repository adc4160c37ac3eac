"""Messages of a link, made by hand, are what protobuf would have made."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hasten.common.v1 import failure_pb2, load_pb2, timing_pb2
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import fields
from hasten_runtime.fleet import messages
from tests.support.sendable import Sent


def a_call(call_id: int, payload: bytes) -> Sent:
    return Sent(call_id, payload, priority=2, tenant="tenant", traceparent="00-ab-cd-01")


@given(
    st.lists(
        st.tuples(st.integers(1, 2**63), st.binary(max_size=40_000), st.floats(-1e3, 1e6)),
        max_size=4,
    ),
    st.lists(st.integers(1, 2**63), max_size=4),
)
def test_calls_and_cancels_make_one_message(
    calls: list[tuple[int, bytes, float]], cancels: list[int]
) -> None:
    data = b"".join(
        part
        for call_id, payload, deadline_s in calls
        for part in messages.encode_call(a_call(call_id, payload), deadline_s, 0.0)
    ) + messages.encode_cancels(cancels)
    message = pb.ToWorker.FromString(data)
    assert [(call.call_id, call.payload) for call in message.calls] == [c[:2] for c in calls]
    assert list(message.cancelled_call_ids) == cancels
    for call, (_, _, deadline_s) in zip(message.calls, calls, strict=True):
        assert call.priority == 2
        assert call.tenant == "tenant"
        assert call.traceparent == "00-ab-cd-01"
        assert call.time_left_us == max(1, int(deadline_s * 1e6))


def test_no_deadline_is_zero_and_a_passed_one_is_not() -> None:
    assert messages.time_left_us(math.inf, 5.0) == 0
    assert messages.time_left_us(4.0, 5.0) == 1
    assert messages.time_left_us(1e300, 5.0) == messages.TIME_LEFT_US_MAX


@given(st.integers(0, 2**64))
def test_varints_are_those_of_protobuf(value: int) -> None:
    decoded = shift = 0
    for byte in fields.varint(value):
        decoded |= (byte & 0x7F) << shift
        shift += 7
    assert decoded == value


def test_replies_keep_answer_failure_and_timing() -> None:
    answered = messages.decode_reply(
        pb.Reply(
            call_id=3,
            payload=b"answer",
            service_s=0.25,
            timing=timing_pb2.Timing(worker_queue_us=100, compute_us=900, worker_id="w"),
        ),
        None,
    )
    assert (answered.call_id, answered.payload, answered.refusal) == (3, b"answer", None)
    assert answered.service_s == 0.25
    assert answered.server_s == 0.001
    failed = messages.decode_reply(
        pb.Reply(call_id=4, failure=failure_pb2.Failure(reason="MODEL_FAILED", started=True)), None
    )
    assert failed.refusal is not None
    assert failed.refusal.reason is Reason.MODEL_FAILED
    assert failed.refusal.started


@given(
    call_id=st.integers(0, 2**64 - 1),
    blob=st.binary(max_size=300),
    microseconds=st.integers(0, 2**32 - 1),
)
def test_replies_and_load_make_one_message(call_id: int, blob: bytes, microseconds: int) -> None:
    timing = timing_pb2.Timing(compute_us=microseconds, worker_id="w")
    refusal = Refusal(Reason.OVERLOADED, "busy", retry_after_s=0.5)
    message = (
        messages.encode_answer(call_id, blob, timing, 0.5),
        messages.encode_refusal(2, refusal, timing),
        messages.encode_load(load_pb2.Load(seq=3), None),
    )
    parsed = pb.ToRouter.FromString(b"".join(message))
    assert parsed.replies[0] == pb.Reply(
        call_id=call_id, payload=blob, timing=timing, service_s=0.5
    )
    assert parsed.replies[1].failure.reason == "OVERLOADED"
    assert (parsed.load.seq, parsed.HasField("state")) == (3, False)
