"""Messages of a link, made by hand, are what protobuf would have made."""

import math

from hypothesis import given
from hypothesis import strategies as st

from hasten.common.v1 import failure_pb2, timing_pb2
from hasten.inference.v2 import inference_pb2
from hasten.worker.v1 import worker_service_pb2 as pb
from hasten_policy.reasons import Reason
from hasten_router.calls import Call
from hasten_router.front.stream_infer import Subject, answer_message, error_message
from hasten_router.links import codec
from hasten_runtime import fields


def a_call(call_id: int, payload: bytes) -> Call:
    call = Call("m", "", payload, arrived_s=0.0)
    call.call_id = call_id
    call.priority = 2
    call.tenant = "tenant"
    call.attempt_traceparent = "00-ab-cd-01"
    return call


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
        for part in codec.encode_call(a_call(call_id, payload), deadline_s, 0.0)
    ) + codec.encode_cancels(cancels)
    message = pb.ToWorker.FromString(data)
    assert [(call.call_id, call.payload) for call in message.calls] == [c[:2] for c in calls]
    assert list(message.cancelled_call_ids) == cancels
    for call, (_, _, deadline_s) in zip(message.calls, calls, strict=True):
        assert call.priority == 2
        assert call.tenant == "tenant"
        assert call.traceparent == "00-ab-cd-01"
        assert call.time_left_us == max(1, int(deadline_s * 1e6))


def test_no_deadline_is_zero_and_a_passed_one_is_not() -> None:
    assert codec.time_left_us(math.inf, 5.0) == 0
    assert codec.time_left_us(4.0, 5.0) == 1
    assert codec.time_left_us(1e300, 5.0) == codec.TIME_LEFT_US_MAX


@given(st.integers(0, 2**64))
def test_varints_are_those_of_protobuf(value: int) -> None:
    decoded = shift = 0
    for byte in fields.varint(value):
        decoded |= (byte & 0x7F) << shift
        shift += 7
    assert decoded == value


def test_replies_keep_answer_failure_and_timing() -> None:
    answered = codec.decode_reply(
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
    failed = codec.decode_reply(
        pb.Reply(call_id=4, failure=failure_pb2.Failure(reason="MODEL_FAILED", started=True)), None
    )
    assert failed.refusal is not None
    assert failed.refusal.reason is Reason.MODEL_FAILED
    assert failed.refusal.started


@given(st.binary(max_size=200))
def test_a_stream_answer_wraps_the_workers_bytes_and_marks_them_final(name: bytes) -> None:
    answer = inference_pb2.ModelInferResponse(
        model_name="m", id="7", raw_output_contents=[name] * 2
    )
    message = inference_pb2.ModelStreamInferResponse.FromString(
        answer_message(answer.SerializeToString())
    )
    assert message.infer_response.parameters["triton_final_response"].bool_param
    del message.infer_response.parameters["triton_final_response"]
    assert message.infer_response == answer
    assert not message.error_message


def test_a_stream_error_names_the_request_and_the_reason() -> None:
    failed = codec.decode_reply(
        pb.Reply(failure=failure_pb2.Failure(reason="MODEL_FAILED", message="it broke")), None
    )
    assert failed.refusal is not None
    message = inference_pb2.ModelStreamInferResponse.FromString(
        error_message(failed.refusal, Subject("m", "7"))
    )
    assert message.error_message == "it broke"
    assert message.infer_response.id == "7"
    assert message.infer_response.parameters["hasten_reason"].string_param == "MODEL_FAILED"
