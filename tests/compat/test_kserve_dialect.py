"""KServe's reading of the same protocol, byte for byte as its stubs would send it."""

import grpc
import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from tests.support.waiting import eventually_sync

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("compat")]

SERVICE = "/inference.GRPCInferenceService/"


def text_field(number: int, text: str) -> bytes:
    """One protobuf string field."""
    return bytes([number << 3 | 2, len(text)]) + text.encode()


def call(address: str, method: str, request: bytes) -> bytes:
    with grpc.insecure_channel(address) as channel:
        answer: bytes = channel.unary_unary(SERVICE + method)(request, timeout=30)
    return answer


def test_load_and_unload_take_the_model_name_in_field_one(address: str) -> None:
    """KServe: request {model_name = 1}; response {model_name = 1, isLoaded / isUnloaded = 2}."""
    wanted = text_field(1, "echo_uint16") + bytes([2 << 3 | 0, 1])
    assert call(address, "RepositoryModelUnload", text_field(1, "echo_uint16")) == wanted
    assert call(address, "RepositoryModelLoad", text_field(1, "echo_uint16")) == wanted
    ready = pb.ModelReadyRequest(name="echo_uint16").SerializeToString()
    eventually_sync(
        lambda: pb.ModelReadyResponse.FromString(call(address, "ModelReady", ready)).ready
    )


def test_typed_contents_are_answered_raw(address: str) -> None:
    request = pb.ModelInferRequest(model_name="echo_int32", id="typed")
    given = request.inputs.add(name="INPUT", datatype="INT32", shape=[1, 3])
    given.contents.int_contents.extend([1, -2, 3])
    answer = pb.ModelInferResponse.FromString(
        call(address, "ModelInfer", request.SerializeToString())
    )
    assert answer.id == "typed"
    assert np.frombuffer(answer.raw_output_contents[0], "<i4").tolist() == [1, -2, 3]


def test_response_parameters_use_only_the_three_common_kinds(address: str) -> None:
    request = pb.ModelInferRequest(model_name="echo_fp32")
    request.parameters["triton_enable_empty_final_response"].bool_param = True
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1, 1])
    request.raw_input_contents.append(np.zeros(1, "<f4").tobytes())
    answer = pb.ModelInferResponse.FromString(
        call(address, "ModelInfer", request.SerializeToString())
    )
    kinds = {value.WhichOneof("parameter_choice") for value in answer.parameters.values()}
    assert kinds <= {"bool_param", "int64_param", "string_param"}


def test_raw_and_typed_together_are_refused(address: str) -> None:
    request = pb.ModelInferRequest(model_name="echo_int32")
    given = request.inputs.add(name="INPUT", datatype="INT32", shape=[1, 1])
    given.contents.int_contents.append(1)
    request.raw_input_contents.append(b"\0\0\0\0")
    with pytest.raises(grpc.RpcError) as raised:
        call(address, "ModelInfer", request.SerializeToString())
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert "INPUT" in raised.value.details()


def test_fields_of_a_newer_protocol_are_ignored(address: str) -> None:
    """In the request and in its tensor; of the answer, an older stub keeps or ignores what it does
    not know, as protobuf promises.
    """
    newer = b"\xfa\x3f\x03new" + b"\xf8\x3f\x07"  # Field 1023: a string, and a number.
    request = pb.ModelInferRequest(model_name="echo_int32", id="seven")
    given = pb.ModelInferRequest.InferInputTensor(name="INPUT", datatype="INT32", shape=[1, 1])
    request.inputs.append(
        pb.ModelInferRequest.InferInputTensor.FromString(given.SerializeToString() + newer)
    )
    request.raw_input_contents.append(b"\1\0\0\0")
    sent = request.SerializeToString() + newer
    assert sent.count(b"new") == 2
    answer = pb.ModelInferResponse.FromString(call(address, "ModelInfer", sent))
    assert answer.id == "seven"
    assert answer.raw_output_contents[0] == b"\1\0\0\0"
