"""Streams, other RPCs and stock tools against the mesh: every refusal has its reason."""

from collections.abc import Iterable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from loadtest.mesh import Mesh
from tests.faults.asking import SERVICE, answers, good, info_of, send

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("asked-mesh")]

STREAM_S_MAX = 60.0
PUBLIC = "inference.GRPCInferenceService"


@pytest.fixture
def channel(address: str) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(address) as opened:
        yield opened


def streamed(
    channel: grpc.Channel, requests: Iterable[bytes], **metadata: str
) -> list[pb.ModelStreamInferResponse]:
    call = channel.stream_stream(SERVICE + "ModelStreamInfer")
    answers = call(iter(requests), timeout=STREAM_S_MAX, metadata=tuple(metadata.items()))
    return [pb.ModelStreamInferResponse.FromString(answer) for answer in answers]


def with_id(request_id: str, model: str = "mean") -> bytes:
    request = good(model)
    request.id = request_id
    return request.SerializeToString()


def test_an_empty_stream_ends_well(channel: grpc.Channel) -> None:
    assert streamed(channel, []) == []


def test_requests_with_the_same_id_are_all_answered(channel: grpc.Channel) -> None:
    said = streamed(channel, [with_id("twin")] * 20)
    assert [one.infer_response.id for one in said] == ["twin"] * 20
    assert {one.error_message for one in said} == {""}


def test_what_is_bad_on_a_stream_is_told_by_id_and_with_its_reason(channel: grpc.Channel) -> None:
    negative = good()
    negative.id = "negative"
    negative.parameters["timeout"].int64_param = -1
    said = streamed(
        channel,
        [with_id("before"), with_id("lost", "nobody"), negative.SerializeToString(), b"\xff" * 9],
    )
    by_id = {one.infer_response.id: one for one in said}
    assert set(by_id) == {"before", "lost", "negative", ""}
    reasons = {
        request_id: one.infer_response.parameters["hasten_reason"].string_param
        for request_id, one in by_id.items()
        if one.error_message
    }
    assert reasons == {
        "lost": "MODEL_NOT_FOUND",
        "negative": "INVALID_DEADLINE",
        "": "INVALID_REQUEST",
    }


def test_a_stream_that_asks_for_it_ends_with_status_and_reason(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        streamed(channel, [with_id("lost", "nobody")], triton_grpc_error="true")
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    assert info_of(raised.value).reason == "MODEL_NOT_FOUND"


REFUSED: list[tuple[str, Message]] = [
    ("ModelMetadata", pb.ModelMetadataRequest(name="nobody")),
    ("ModelMetadata", pb.ModelMetadataRequest(name="mean", version="99")),
    ("ModelConfig", pb.ModelConfigRequest(name="nobody")),
    ("ModelStatistics", pb.ModelStatisticsRequest(name="nobody")),
    ("RepositoryModelLoad", pb.RepositoryModelLoadRequest(model_name="mean")),
    ("RepositoryModelUnload", pb.RepositoryModelUnloadRequest(model_name="mean")),
    ("SystemSharedMemoryRegister", pb.SystemSharedMemoryRegisterRequest(name="r", key="../x")),
    ("SystemSharedMemoryStatus", pb.SystemSharedMemoryStatusRequest(name="none")),
    ("CudaSharedMemoryRegister", pb.CudaSharedMemoryRegisterRequest(name="r")),
    ("NoSuchMethod", pb.ServerLiveRequest()),
]


@pytest.mark.parametrize(("method", "message"), REFUSED, ids=lambda value: str(value).strip()[:40])
def test_every_refusal_has_a_reason_and_our_domain(
    address: str, method: str, message: Message
) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(address, message.SerializeToString(), method=method)
    info = info_of(raised.value)
    assert (info.domain, bool(info.reason)) == ("hasten.dev", True), raised.value.details()
    assert raised.value.details()
    answers(address)


@pytest.mark.parametrize("method", ["ModelMetadata", "RepositoryIndex", "ModelStatistics"])
def test_garbage_to_any_method_is_refused_with_a_reason(address: str, method: str) -> None:
    with pytest.raises(grpc.RpcError) as raised:
        send(address, b"\xff" * 50, method=method)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert info_of(raised.value).reason == "INVALID_REQUEST"


def test_an_operator_s_mistake_has_a_reason(asked_mesh: Mesh) -> None:
    with (
        grpc.insecure_channel(asked_mesh.router) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        channel.unary_unary("/hasten.router.v1.RouterService/DrainWorker")(
            router_pb.DrainWorkerRequest(worker_id="nobody").SerializeToString(), timeout=60
        )
    assert info_of(raised.value).reason == "INVALID_REQUEST"


def test_stock_health_tools_check_watch_and_list(channel: grpc.Channel) -> None:
    stub: Any = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    for service in ("", PUBLIC):
        asked = health_pb2.HealthCheckRequest(service=service)
        assert stub.Check(asked, timeout=60).status == serving
        watch = stub.Watch(asked, timeout=60)
        assert next(watch).status == serving
        watch.cancel()
    # The released stubs have no List yet. Its answer is a map from name to what Check answers.
    listed = channel.unary_unary("/grpc.health.v1.Health/List")(b"", timeout=60)
    assert PUBLIC.encode() in listed
    unknown = health_pb2.HealthCheckRequest(service="nobody")
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(unknown, timeout=60)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND
    watch = stub.Watch(unknown, timeout=60)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()


def test_stock_reflection_finds_the_service_and_its_messages(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert PUBLIC in database.get_services()
    service = DescriptorPool(database).FindServiceByName(PUBLIC)
    infer = service.methods_by_name["ModelInfer"]
    assert infer.input_type.full_name == "inference.ModelInferRequest"
    assert infer.input_type.fields_by_name["raw_input_contents"].number == 7
