"""Both clients against a real server: what they send, what they return, when they retry."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

import hasten_client as hc
from hasten.inference.v2 import inference_pb2 as pb
from tests.unit.client.scripted_server import TIMING, Fail, ScriptedServer

CODES = grpc.StatusCode
X = {"x": np.array([[1.0, 2.0]], np.float32)}
NO_WORKER = Fail(CODES.UNAVAILABLE, reason="NO_WORKER", pushback="0")


async def test_what_was_sent_comes_back(client: Any, server: ScriptedServer) -> None:
    result = await client.infer("m", {"x": X["x"], "text": [["hello"]]}, version="3")
    assert result["x"].tolist() == [[1.0, 2.0]]
    assert result["text"].tolist() == [[b"hello"]]
    assert result.outputs.keys() == {"x", "text"}
    assert (result.model_name, result.model_version) == ("m", "3")
    assert result.id == server.seen[0].request.id != ""
    assert result.timing is None
    assert "x" in result
    with pytest.raises(KeyError, match="there are x, text"):
        result["y"]


async def test_every_option_reaches_the_server(client: Any, server: ScriptedServer) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    result = await client.infer(
        "m",
        X,
        outputs=["y", "z"],
        deadline_s=60.0,
        priority="high",
        tenant="blue",
        request_id="r1",
        timing=True,
        parameters={"flag": True, "n": -1, "big": 2**63, "f": 0.5, "s": "text"},
        traceparent=trace,
        metadata={"shop": "north"},
    )
    seen = server.seen[0]
    assert [output.name for output in seen.request.outputs] == ["y", "z"]
    assert seen.request.parameters["priority"].int64_param == 1
    assert seen.request.parameters["tenant"].string_param == "blue"
    assert seen.request.parameters["hasten_timing"].bool_param
    assert seen.request.parameters["flag"].bool_param
    assert seen.request.parameters["n"].int64_param == -1
    assert seen.request.parameters["big"].uint64_param == 2**63
    assert seen.request.parameters["f"].double_param == 0.5
    assert seen.request.parameters["s"].string_param == "text"
    assert seen.metadata["traceparent"] == trace
    assert seen.metadata["shop"] == "north"
    assert seen.time_left_s is not None
    assert 30.0 < seen.time_left_s < 61.0  # gRPC rounds up
    assert result.id == "r1"


async def test_no_deadline_is_sent_unless_asked_for(client: Any, server: ScriptedServer) -> None:
    await client.infer("m", X)
    assert server.seen[0].time_left_s is None or server.seen[0].time_left_s > 1e6
    assert not server.seen[0].request.parameters


async def test_the_parts_of_the_timing_add_up_to_what_the_caller_waited(client: Any) -> None:
    begin_s = time.monotonic()
    result = await client.infer("m", X, timing=True)
    waited_us = (time.monotonic() - begin_s) * 1e6
    timing = result.timing
    assert timing.compute_us == TIMING.compute_us
    assert (timing.worker_id, timing.batch_rows) == ("worker-1", 4)
    assert sum(spent for _, spent in timing.parts) == timing.total_us
    assert timing.total_us <= waited_us


async def test_a_server_without_timing_is_no_error(client: Any, server: ScriptedServer) -> None:
    server.send_timing = False
    assert (await client.infer("m", X, timing=True)).timing is None


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"deadline_s": float("nan")}, "deadline_s"),
        ({"deadline_s": -1.0}, "deadline_s"),
        ({"deadline_s": 0.0}, "deadline_s"),
        ({"deadline_s": float("inf")}, "deadline_s"),
        ({"priority": "urgent"}, "priority"),
        ({"priority": -1}, "priority"),
        ({"priority": True}, "priority"),
        ({"parameters": {"priority": 1}}, "priority="),
        ({"parameters": {"timeout": 1}}, "deadline_s="),
        ({"parameters": {"n": 2**64}}, "'n'"),
        ({"parameters": {"n": None}}, "'n'"),
        ({"outputs": "y"}, "outputs"),
        ({"traceparent": "yes"}, "traceparent"),
        ({"inputs": {"x": [[1], [2, 3]]}}, "'x'"),
        ({"model": ""}, "model"),
    ],
)
async def test_what_is_wrong_is_refused_before_it_is_sent(
    client: Any, server: ScriptedServer, options: dict[str, Any], part: str
) -> None:
    with pytest.raises(hc.InvalidArgument) as caught:
        await client.infer(**{"model": "m", "inputs": X, **options})
    assert part in caught.value.message
    assert not server.seen


@pytest.mark.parametrize("address", ["", "localhost", "localhost:", ":1", "localhost:99999", "h:x"])
def test_an_address_that_is_none_is_refused_at_once(address: str) -> None:
    with pytest.raises(hc.InvalidArgument, match="host:port"):
        hc.Client(address)


async def test_unavailable_is_retried_until_it_is_answered(
    client: Any, server: ScriptedServer
) -> None:
    server.script.extend([NO_WORKER, NO_WORKER])
    result = await client.infer("m", X, request_id="same")
    assert result["x"].tolist() == [[1.0, 2.0]]
    assert [seen.request.id for seen in server.seen] == ["same"] * 3


async def test_three_attempts_are_the_most(client: Any, server: ScriptedServer) -> None:
    server.script.extend([NO_WORKER] * 5)
    with pytest.raises(hc.Unavailable):
        await client.infer("m", X)
    assert len(server.seen) == 3


async def test_the_budget_stops_retries_across_calls(client: Any, server: ScriptedServer) -> None:
    server.script.extend([NO_WORKER] * 100)
    for _ in range(6):
        with pytest.raises(hc.Unavailable):
            await client.infer("m", X)
    # Three attempts, then two: the fifth failure leaves half of the budget, and from then on
    # each call is one attempt.
    assert len(server.seen) == 3 + 2 + 4 * 1


async def test_a_hint_is_waited_for_and_the_rest_of_the_deadline_goes_along(
    client: Any, server: ScriptedServer
) -> None:
    server.script.append(
        Fail(CODES.RESOURCE_EXHAUSTED, reason="OVERLOADED", retry_after_s=0.6, pushback="600")
    )
    await client.infer("m", X, deadline_s=9.5)
    first, second = (seen.time_left_s for seen in server.seen)
    assert first is not None
    assert second is not None
    assert first - second >= 0.4  # gRPC rounds times over a second up to a tenth


async def test_where_another_may_answer_the_first_retry_comes_at_once_and_the_next_by_the_hint(
    client: Any, server: ScriptedServer
) -> None:
    nobody_here = Fail(CODES.UNAVAILABLE, reason="NO_WORKER", retry_after_s=20.0, pushback="1")
    server.script.append(nobody_here)
    await client.infer("m", X, deadline_s=10.0)
    assert len(server.seen) == 2
    server.script += [nobody_here, nobody_here]
    with pytest.raises(hc.Unavailable) as raised:
        await client.infer("m", X, deadline_s=10.0)
    assert raised.value.retry_after_s == 20.0
    assert len(server.seen) == 4


async def test_a_client_that_never_retries_does_not_go_elsewhere_either(
    server: ScriptedServer,
) -> None:
    server.script.append(Fail(CODES.UNAVAILABLE, retry_after_s=1.0, pushback="1"))
    never = hc.RetryPolicy(attempts_max=1)
    async with hc.AsyncClient(server.address, retry=never) as client:
        with pytest.raises(hc.Unavailable):
            await client.infer("m", X)
    assert len(server.seen) == 1


async def test_a_hint_that_does_not_fit_the_deadline_is_not_waited_for(
    client: Any, server: ScriptedServer
) -> None:
    server.script.append(
        Fail(CODES.RESOURCE_EXHAUSTED, reason="OVERLOADED", retry_after_s=20.0, pushback="20000")
    )
    with pytest.raises(hc.Overloaded):
        await client.infer("m", X, deadline_s=10.0)
    assert len(server.seen) == 1


async def test_a_deadline_that_passes_is_deadline_exceeded(
    client: Any, server: ScriptedServer
) -> None:
    def slow(_: pb.ModelInferRequest) -> pb.ModelInferResponse:
        hold.acquire(timeout=60)
        return pb.ModelInferResponse()

    hold = threading.Semaphore(0)
    server.script.append(slow)
    try:
        with pytest.raises(hc.DeadlineExceeded) as caught:
            await client.infer("m", X, deadline_s=0.05)
    finally:
        hold.release()
    assert caught.value.reason == "DEADLINE_PASSED"
    assert len(server.seen) <= 1  # on a busy machine it may pass on the way


async def test_a_cancelled_task_cancels_the_call(server: ScriptedServer) -> None:
    arrived = asyncio.Event()
    hold = threading.Semaphore(0)
    loop = asyncio.get_running_loop()

    def slow(_: pb.ModelInferRequest) -> pb.ModelInferResponse:
        loop.call_soon_threadsafe(arrived.set)
        hold.acquire(timeout=60)
        return pb.ModelInferResponse()

    server.script.append(slow)
    async with hc.AsyncClient(server.address) as client:
        task = asyncio.create_task(client.infer("m", X))
        await asyncio.wait_for(arrived.wait(), 60)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    hold.release()
    assert len(server.seen) == 1


async def test_typed_answers_are_read_too(client: Any, server: ScriptedServer) -> None:
    def typed(_: pb.ModelInferRequest) -> pb.ModelInferResponse:
        response = pb.ModelInferResponse(model_name="m")
        first = response.outputs.add(name="a", datatype="INT8", shape=[2])
        first.contents.int_contents.extend([-1, 5])
        second = response.outputs.add(name="b", datatype="BYTES", shape=[1, 1])
        second.contents.bytes_contents.append(b"hi")
        response.parameters["n"].int64_param = 7
        return response

    server.script.append(typed)
    result = await client.infer("m", X)
    assert result["a"].dtype == np.int8
    assert result["a"].tolist() == [-1, 5]
    assert result["b"].tolist() == [[b"hi"]]
    assert result.parameters == {"n": 7}


@pytest.mark.parametrize("case", ["count", "length", "typed", "typed_fp16"])
async def test_an_answer_that_contradicts_itself_is_refused(
    client: Any, server: ScriptedServer, case: str
) -> None:
    def wrong(_: pb.ModelInferRequest) -> pb.ModelInferResponse:
        response = pb.ModelInferResponse(model_name="m")
        datatype = "FP16" if case == "typed_fp16" else "FP32"
        output = response.outputs.add(name="a", datatype=datatype, shape=[2])
        if case == "count":
            response.raw_output_contents.extend([b"12345678", b""])
        elif case == "length":
            response.raw_output_contents.append(b"1")
        elif case == "typed":
            output.contents.fp32_contents.append(1.0)
        return response

    server.script.append(wrong)
    with pytest.raises(hc.InvalidResponse):
        await client.infer("m", X)


def test_one_sync_client_serves_many_threads(server: ScriptedServer) -> None:
    with hc.Client(server.address) as client, ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda i: client.infer("m", {"x": [i]})["x"].tolist(), range(64)))
    assert results == [[i] for i in range(64)]


async def test_a_closed_client_connects_again(server: ScriptedServer) -> None:
    client = hc.AsyncClient(server.address)
    await client.infer("m", X)
    await client.close()
    await client.close()
    await client.infer("m", X)
    await client.close()
