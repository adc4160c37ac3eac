"""Requests that mean harm, sent by a stock client."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

import grpc
import grpc.aio
import numpy as np

from hasten.inference.v2 import inference_pb2 as pb
from loadtest.attacks.where import MODEL, Where
from loadtest.call import OPTIONS, Infer, open_infer, serialised

MIB = 2**20
CALLERS = 4
UPLOADS = 30
UPLOAD_BYTES = 60 * MIB


def _head(field: bytes, bytes_max: int = MIB) -> bytes:
    return pb.ModelInferRequest(model_name=MODEL).SerializeToString() + field * (
        bytes_max // len(field)
    )


def fields(where: Where) -> None:
    """Requests of 1 MiB that are nothing but empty fields."""
    _calls(where, _head(b"\x3a\x00"))


def inputs(where: Where) -> None:
    """Requests of 1 MiB of empty inputs."""
    _calls(where, _head(b"\x2a\x00"))


def parameters(where: Where) -> None:
    """Requests of 1 MiB of parameters."""
    _calls(where, _head(b"\x22\x05\x0a\x01p\x12\x00"))


def rank(where: Where) -> None:
    """An input of half a million dimensions."""
    request = pb.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1] * (MIB // 2))
    _calls(where, request.SerializeToString())


def name(where: Where) -> None:
    """An input whose name has 13 MiB."""
    request = pb.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="n" * 13 * MIB, datatype="FP32", shape=[1, 4])
    _calls(where, request.SerializeToString())


def datatype(where: Where) -> None:
    """An input whose datatype has 13 MiB, as refusals repeat it."""
    request = pb.ModelInferRequest(model_name=MODEL)
    request.inputs.add(name="INPUT", datatype="F" * 13 * MIB, shape=[1, 4])
    _calls(where, request.SerializeToString())


def cancels(where: Where) -> None:
    """Calls that are taken back at once."""
    data = serialised(MODEL, "INPUT", np.ones((1, 4), np.float32))

    async def one(call: Infer) -> None:
        begun = [call(data, timeout=10) for _ in range(50)]
        await asyncio.sleep(0.001)
        for each in begun:
            each.cancel()
        await asyncio.sleep(0.01)

    asyncio.run(_until(where, one, 1))


def uploads(where: Where) -> None:
    """30 requests of 60 MiB at once, again and again."""
    _calls(where, serialised(MODEL, "INPUT", np.ones((1, UPLOAD_BYTES // 4), np.float32)), UPLOADS)


def _calls(where: Where, data: bytes, callers: int = CALLERS) -> None:
    async def one(call: Infer) -> None:
        with suppress(grpc.aio.AioRpcError):
            await call(data, timeout=10)

    asyncio.run(_until(where, one, callers))


async def _until(where: Where, one: Callable[[Infer], Awaitable[None]], callers: int) -> None:
    async def caller() -> None:
        async with grpc.aio.insecure_channel(where.router, options=OPTIONS) as channel:
            call = open_infer(channel)
            while not where.over:
                await one(call)

    left_s = where.ends_s - time.monotonic()
    with suppress(TimeoutError):
        async with asyncio.timeout(left_s):
            await asyncio.gather(*(caller() for _ in range(callers)))


ATTACKS: Iterable[Callable[[Where], None]] = (
    fields,
    inputs,
    parameters,
    rank,
    name,
    datatype,
    cancels,
    uploads,
)
