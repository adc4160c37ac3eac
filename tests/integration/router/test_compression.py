"""An answer in gzip, for a client that asks for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_runtime.protocol_names import COMPRESSION_WISH
from tests.integration.router.harness import INFERENCE, TIMEOUT_S, router_over
from tests.support.fake_worker import FakeWorker, request

ZEROS = bytes(100_000)


@asynccontextmanager
async def counted(address: str) -> AsyncIterator[tuple[str, list[int]]]:
    """The same server behind a door that counts the bytes that it sends."""
    host, _, port = address.rpartition(":")
    sizes: list[int] = []

    async def forward(
        reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: list[int] | None
    ) -> None:
        while data := await reader.read(65536):
            if count is not None:
                count.append(len(data))
            writer.write(data)
        writer.close()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back_reader, back_writer = await asyncio.open_connection(host, int(port))
        await asyncio.gather(
            forward(reader, back_writer, None), forward(back_reader, writer, sizes)
        )

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}", sizes


@pytest.mark.parametrize(
    ("wish", "compressed"), [("gzip", True), ("deflate", False), (None, False)]
)
async def test_an_answer_is_compressed_for_who_asks(
    worker: FakeWorker, wish: str | None, compressed: bool
) -> None:
    async with (
        router_over(worker) as (client, _),
        counted(client.address) as (door, sizes),
        grpc.aio.insecure_channel(door) as channel,
    ):
        metadata = ((COMPRESSION_WISH, wish),) if wish else ()
        call = channel.unary_unary(INFERENCE + "ModelInfer")(
            request(data=ZEROS).SerializeToString(),
            timeout=TIMEOUT_S,
            metadata=metadata,
            compression=grpc.Compression.Gzip,
        )
        answer = pb.ModelInferResponse.FromString(await call)
    assert ZEROS in answer.raw_output_contents
    assert (sum(sizes) < len(ZEROS) / 2) == compressed
