"""The inference protocol under its public name, beside a stock client in the same process."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import grpc
import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import ServiceDescriptor
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from tritonclient.grpc import service_pb2, service_pb2_grpc

from hasten.inference.v2 import inference_pb2
from hasten.router.v1 import router_service_pb2
from hasten_runtime import grpc_server
from hasten_runtime.inference_service import Method, inference_handler
from hasten_runtime.protocol_names import INFERENCE_SERVICE
from tests.unit.runtime.conftest import Serving

ROUTER = router_service_pb2.DESCRIPTOR.services_by_name["RouterService"].full_name
SERVICES = [INFERENCE_SERVICE, "grpc.health.v1.Health", ROUTER]


async def live(_: inference_pb2.ServerLiveRequest, __: object) -> inference_pb2.ServerLiveResponse:
    return inference_pb2.ServerLiveResponse(live=True)


async def infer(request: bytes, _: object) -> bytes:
    parsed = inference_pb2.ModelInferRequest.FromString(request)
    return inference_pb2.ModelInferResponse(
        model_name=parsed.model_name, id=parsed.id
    ).SerializeToString()


async def stream(
    requests: AsyncIterator[inference_pb2.ModelInferRequest], _: object
) -> AsyncIterator[inference_pb2.ModelStreamInferResponse]:
    async for request in requests:
        yield inference_pb2.ModelStreamInferResponse(error_message=request.model_name)


def add(server: grpc.aio.Server) -> None:
    handler = inference_handler(
        {
            "ServerLive": live,
            "ModelInfer": Method(infer, raw_request=True, raw_response=True),
            "ModelStreamInfer": stream,
        }
    )
    server.add_generic_rpc_handlers((handler,))
    grpc_server.add_reflection(server, SERVICES)


@contextmanager
def reflected(address: str) -> Iterator[ProtoReflectionDescriptorDatabase]:
    with grpc.insecure_channel(address) as channel:
        yield ProtoReflectionDescriptorDatabase(channel)


async def test_a_stock_stub_is_answered(serving: Serving) -> None:
    async with serving(prepare=add) as channel:
        stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        assert (await stub.ServerLive(service_pb2.ServerLiveRequest())).live
        answer = await stub.ModelInfer(service_pb2.ModelInferRequest(model_name="m", id="7"))
        assert (answer.model_name, answer.id) == ("m", "7")
        requests = iter([service_pb2.ModelInferRequest(model_name=name) for name in "ab"])
        answers = [message.error_message async for message in stub.ModelStreamInfer(requests)]
        assert answers == ["a", "b"]
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.ServerReady(service_pb2.ServerReadyRequest())
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_method_that_the_protocol_lacks_is_named() -> None:
    with pytest.raises(ValueError, match="no RPC named ModelInfar"):
        inference_handler({"ModelInfar": infer})


async def test_reflection_describes_the_public_service(serving: Serving) -> None:
    async with serving(prepare=add) as channel:

        def ask() -> tuple[list[str], ServiceDescriptor]:
            with reflected(channel.address) as database:
                pool = descriptor_pool.DescriptorPool(database)
                return list(database.get_services()), pool.FindServiceByName(INFERENCE_SERVICE)

        names, service = await asyncio.to_thread(ask)
    assert set(SERVICES) < set(names)
    stock = service_pb2.DESCRIPTOR.services_by_name["GRPCInferenceService"]
    assert {method.name for method in service.methods} == {method.name for method in stock.methods}
    for method in stock.methods:
        ours = service.methods_by_name[method.name]
        assert ours.input_type.full_name == method.input_type.full_name
        assert ours.output_type.full_name == method.output_type.full_name
    config = service.methods_by_name["ModelConfig"].output_type.fields_by_name["config"]
    assert config.message_type.full_name == "inference.ModelConfig"


async def test_every_listed_service_can_be_described(serving: Serving) -> None:
    async with serving(prepare=add) as channel:

        def ask() -> dict[str, str]:
            with reflected(channel.address) as database:
                pool = descriptor_pool.DescriptorPool(database)
                return {
                    name: pool.FindServiceByName(name).file.package
                    for name in database.get_services()
                }

        packages = await asyncio.to_thread(ask)
    assert packages == {name: name.rpartition(".")[0] for name in packages}
    assert "grpc.reflection.v1.ServerReflection" in packages


@pytest.mark.parametrize("version", ["v1", "v1alpha"])
async def test_both_versions_of_reflection_find_a_symbol(serving: Serving, version: str) -> None:
    async with serving(prepare=add) as channel:
        call = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString,
        )(
            iter(
                reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
                for symbol in ("inference.ModelInferRequest", "inference.Nothing")
            )
        )
        found, missing = [answer async for answer in call]
    assert len(found.file_descriptor_response.file_descriptor_proto) == 2
    assert missing.error_response.error_code == grpc.StatusCode.NOT_FOUND.value[0]


async def test_a_service_without_stubs_cannot_be_described() -> None:
    with pytest.raises(ValueError, match=r"cannot describe no\.such\.Service"):
        grpc_server.add_reflection(grpc.aio.server(), ["no.such.Service"])
