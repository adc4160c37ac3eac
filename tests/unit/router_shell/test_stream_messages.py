"""Messages of a client's stream, made by hand, are what protobuf would have made."""

from hypothesis import given
from hypothesis import strategies as st

from hasten.inference.v2 import inference_pb2
from hasten_policy.reasons import Reason, Refusal
from hasten_router.front.stream_infer import Subject, answer_message, error_message


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
    refusal = Refusal(Reason.MODEL_FAILED, "it broke", started=True)
    message = inference_pb2.ModelStreamInferResponse.FromString(
        error_message(refusal, Subject("m", "7"))
    )
    assert message.error_message == "it broke"
    assert message.infer_response.id == "7"
    assert message.infer_response.parameters["hasten_reason"].string_param == "MODEL_FAILED"
