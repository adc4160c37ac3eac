"""What a router tells of its protocols is what `protos/` says."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Any

import grpc.aio
from google.protobuf import descriptor_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_tools import protoc

from hasten_runtime.protocol_names import HEALTH_SERVICE, INFERENCE_SERVICE, ROUTER_SERVICE
from tests.integration.router.harness import router_over

PROTOS = Path(__file__).parents[3] / "protos"
Files = dict[str, descriptor_pb2.FileDescriptorProto]


class Reflected:
    """A client that asks a server for files."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    async def names(self) -> set[str]:
        """Of all services."""
        await self._stream.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        answer = await self._stream.read()
        return {service.name for service in answer.list_services_response.service}

    async def files(self, symbol: str) -> Files:
        """The file that has the symbol, and all that it needs."""
        request = reflection_pb2.ServerReflectionRequest(file_containing_symbol=symbol)
        await self._stream.write(request)
        answer = await self._stream.read()
        raw = answer.file_descriptor_response.file_descriptor_proto
        found = [descriptor_pb2.FileDescriptorProto.FromString(one) for one in raw]
        assert found, answer.error_response
        return {file.name: file for file in found}


@contextmanager
def reflected(channel: grpc.aio.Channel) -> Iterator[Reflected]:
    stream = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(timeout=60)
    try:
        yield Reflected(stream)
    finally:
        stream.cancel()


def compiled(folder: Path) -> Files:
    """All files of `protos/` as protoc reads them."""
    out = folder / "all.binpb"
    names = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.rglob("*.proto"))
    well_known = files("grpc_tools") / "_proto"
    said = ["protoc", f"-I{PROTOS}", f"-I{well_known}", f"--descriptor_set_out={out}", *names]
    assert protoc.main(said) == 0
    every = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    return {file.name: file for file in every.file}


def shape(file: descriptor_pb2.FileDescriptorProto) -> descriptor_pb2.FileDescriptorProto:
    """All but what differs between two versions of a compiler: names in JSON are derived."""
    bare = descriptor_pb2.FileDescriptorProto()
    bare.CopyFrom(file)
    bare.ClearField("options")
    messages = list(bare.message_type)
    while messages:
        message = messages.pop()
        messages += message.nested_type
        for field in message.field:
            field.ClearField("json_name")
    return bare


async def test_the_public_files_are_what_a_router_serves(tmp_path: Path) -> None:
    wanted = await asyncio.to_thread(compiled, tmp_path)
    told: Files = {}
    async with router_over() as (client, _):
        with reflected(client.channel) as server:
            assert {INFERENCE_SERVICE, ROUTER_SERVICE, HEALTH_SERVICE} <= await server.names()
            for symbol in (INFERENCE_SERVICE, ROUTER_SERVICE):
                told |= await server.files(symbol)
    assert "inference/inference.proto" in told
    for name, file in told.items():
        assert shape(file) == shape(wanted[name]), name
        assert file.options.go_package == wanted[name].options.go_package


async def test_tools_find_the_details_of_refusals() -> None:
    async with router_over() as (client, _):
        with reflected(client.channel) as server:
            for symbol in ("google.rpc.ErrorInfo", "google.rpc.RetryInfo", "google.rpc.Status"):
                assert await server.files(symbol)
