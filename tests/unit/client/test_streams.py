"""Streaming inference with both clients, against a real server."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import grpc
import numpy as np
import pytest

import hasten_client as hc
from hasten_client import InferRequest
from tests.unit.client.scripted_server import Fail, ScriptedServer

CODES = grpc.StatusCode
X = {"x": np.array([[1.0, 2.0]], np.float32)}


async def test_a_stream_answers_in_order(client: Any) -> None:
    requests = [InferRequest("m", {"x": [float(i)]}, request_id=str(i)) for i in range(20)]
    results = [result async for result in client.stream_infer(requests)]
    assert [result.id for result in results] == [str(i) for i in range(20)]
    assert results[3]["x"].tolist() == [3.0]


async def test_a_stream_ends_with_the_typed_error_of_the_first_failure(
    client: Any, server: ScriptedServer
) -> None:
    server.script.extend([Fail(CODES.NOT_FOUND, "no m", reason="MODEL_NOT_FOUND")])
    with pytest.raises(hc.NotFound, match="no m"):
        [item async for item in client.stream_infer([InferRequest("m", X)])]


async def test_a_failure_inside_the_stream_ends_it_too(client: Any, server: ScriptedServer) -> None:
    server.script.extend([Fail(CODES.NOT_FOUND, "no m")])
    with pytest.raises(hc.HastenError, match="no m"):
        [item async for item in client.stream_infer([InferRequest("m", X)])]


async def test_what_the_requests_raise_reaches_the_reader_after_the_answers(client: Any) -> None:
    def requests() -> Iterator[InferRequest]:
        yield InferRequest("m", X, request_id="good")
        raise RuntimeError("the source ran dry")

    results = client.stream_infer(requests())
    assert (await anext(results)).id == "good"
    with pytest.raises(RuntimeError, match="ran dry"):
        await anext(results)


async def test_a_request_that_cannot_be_sent_ends_the_stream(client: Any) -> None:
    with pytest.raises(hc.InvalidArgument, match="'x'"):
        [item async for item in client.stream_infer([InferRequest("m", {"x": [[1], [2, 3]]})])]


@pytest.mark.usefixtures("no_leaked_tasks")
async def test_leaving_a_stream_early_leaves_nothing(server: ScriptedServer) -> None:
    async def endless() -> AsyncIterator[InferRequest]:
        while True:
            yield InferRequest("m", X)
            await asyncio.sleep(0)

    async with hc.AsyncClient(server.address) as client:
        results = client.stream_infer(endless())
        async for _ in results:
            break
        await results.aclose()
