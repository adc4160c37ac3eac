"""Good requests and what is said of bad ones."""

import grpc
import numpy as np
from google.rpc import error_details_pb2, status_pb2

from hasten.inference.v2 import inference_pb2 as pb

SERVICE = "/inference.GRPCInferenceService/"
WIDTH = 4
MESSAGE_BYTES_MAX = 16 * 1024 * 1024
"""The limit of router and worker."""


def good(model: str = "mean") -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1, WIDTH])
    request.raw_input_contents.append(np.ones(WIDTH, "<f4").tobytes())
    return request


def send(
    address: str, request: bytes, timeout_s: float | None = 60, *, method: str = "ModelInfer"
) -> bytes:
    with grpc.insecure_channel(address, options=[("grpc.max_send_message_length", -1)]) as channel:
        answer: bytes = channel.unary_unary(SERVICE + method)(request, timeout=timeout_s)
    return answer


def info_of(error: grpc.RpcError) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    for key, value in error.trailing_metadata():
        if key == "grpc-status-details-bin":
            for detail in status_pb2.Status.FromString(value).details:
                detail.Unpack(info)
    return info


def answers(address: str) -> None:
    response = pb.ModelInferResponse.FromString(send(address, good().SerializeToString()))
    assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [1.0]
