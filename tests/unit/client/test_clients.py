"""Both clients against a real server: what they send, what they return, when they retry."""

import asyncio
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy as np
import pytest

import hasten_client as hc
from hasten.common.v1.load_pb2 import Load, ModelLoad, WorkerState
from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from hasten_client import InferRequest
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
        deadline_s=30.0,
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
    assert 20.0 < seen.time_left_s < 31.0  # gRPC rounds up
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
    await client.infer("m", X, deadline_s=3.0)
    first, second = (seen.time_left_s for seen in server.seen)
    assert first is not None
    assert second is not None
    assert first - second >= 0.4  # gRPC rounds times over a second up to a tenth


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
        hold.acquire(timeout=10)
        return pb.ModelInferResponse()

    hold = threading.Semaphore(0)
    server.script.append(slow)
    try:
        with pytest.raises(hc.DeadlineExceeded) as caught:
            await client.infer("m", X, deadline_s=0.05)
    finally:
        hold.release()
    assert caught.value.reason == "DEADLINE_PASSED"
    assert len(server.seen) == 1


async def test_a_cancelled_task_cancels_the_call(server: ScriptedServer) -> None:
    arrived = asyncio.Event()
    hold = threading.Semaphore(0)
    loop = asyncio.get_running_loop()

    def slow(_: pb.ModelInferRequest) -> pb.ModelInferResponse:
        loop.call_soon_threadsafe(arrived.set)
        hold.acquire(timeout=10)
        return pb.ModelInferResponse()

    server.script.append(slow)
    async with hc.AsyncClient(server.address) as client:
        task = asyncio.create_task(client.infer("m", X))
        await asyncio.wait_for(arrived.wait(), 10)
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


async def test_the_other_calls_ask_and_read_what_the_protocol_says(
    client: Any, server: ScriptedServer
) -> None:
    server.answers = {
        "ServerLive": pb.ServerLiveResponse(live=True),
        "ServerReady": pb.ServerReadyResponse(ready=False),
        "ModelReady": pb.ModelReadyResponse(ready=True),
        "ServerMetadata": pb.ServerMetadataResponse(name="hasten", version="1", extensions=["a"]),
        "ModelMetadata": pb.ModelMetadataResponse(
            name="m",
            versions=["1"],
            platform="onnx",
            inputs=[
                pb.ModelMetadataResponse.TensorMetadata(name="x", datatype="FP32", shape=[-1, 2])
            ],
        ),
        "ModelConfig": pb.ModelConfigResponse(config={"name": "m", "max_batch_size": 8}),
        "ModelStatistics": pb.ModelStatisticsResponse(model_stats=[{"name": "m"}]),
        "RepositoryIndex": pb.RepositoryIndexResponse(
            models=[
                {"name": "b", "version": "10", "state": "READY"},
                {"name": "b", "version": "9", "state": "READY"},
                {"name": "a", "state": "UNAVAILABLE", "reason": "broken"},
            ]
        ),
        "RepositoryModelLoad": pb.RepositoryModelLoadResponse(),
        "RepositoryModelUnload": pb.RepositoryModelUnloadResponse(),
    }
    assert await client.live() is True
    assert await client.ready() is False
    assert await client.ready("m", "1") is True
    assert (await client.server_metadata()).extensions == ("a",)
    metadata = await client.metadata("m", deadline_s=5.0)
    assert metadata.inputs == (hc.TensorMetadata("x", "FP32", (-1, 2)),)
    assert (await client.config("m")).max_batch_size == 8
    assert (await client.statistics())[0].name == "m"
    index = await client.index(ready_only=True)
    assert [(state.name, state.version) for state in index] == [("a", ""), ("b", "9"), ("b", "10")]
    assert pb.RepositoryIndexRequest.FromString(server.requests["RepositoryIndex"]).ready
    await client.load("m", config_json="{}", files={"1/model.onnx": b"onnx"})
    load = pb.RepositoryModelLoadRequest.FromString(server.requests["RepositoryModelLoad"])
    assert load.model_name == "m"
    assert load.parameters["config"].string_param == "{}"
    assert load.parameters["file:1/model.onnx"].bytes_param == b"onnx"
    await client.unload("m", unload_dependents=True)
    unload = pb.RepositoryModelUnloadRequest.FromString(server.requests["RepositoryModelUnload"])
    assert unload.parameters["unload_dependents"].bool_param


async def test_workers_are_listed_by_name_and_drained(client: Any, server: ScriptedServer) -> None:
    state = WorkerState(
        worker_id="w2",
        address="127.0.0.1:1",
        load=Load(depth=3, backlog_s=0.5),
        models=[ModelLoad(name="m", version="1", ready=True)],
    )
    server.answers = {
        "ListWorkers": router_pb.ListWorkersResponse(
            workers=[
                router_pb.WorkerView(state=state, standing="ready", in_flight=2),
                router_pb.WorkerView(state=WorkerState(worker_id="w1"), standing="draining"),
            ]
        ),
        "DrainWorker": router_pb.DrainWorkerResponse(abandoned=4),
    }
    first, second = await client.workers()
    assert (first.worker_id, first.standing) == ("w1", "draining")
    assert (second.depth, second.in_flight, second.backlog_s) == (3, 2, 0.5)
    assert second.models == (hc.WorkerModel("m", "1", ready=True),)
    assert await client.drain_worker("w2", patience_s=1.5) == 4
    asked = router_pb.DrainWorkerRequest.FromString(server.requests["DrainWorker"])
    assert (asked.worker_id, asked.patience_us) == ("w2", 1_500_000)


async def test_a_call_that_the_server_does_not_offer_is_unimplemented(client: Any) -> None:
    with pytest.raises(hc.Unimplemented):
        await client.workers()


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


def test_calls_of_operators_need_no_numpy(server: ScriptedServer) -> None:
    server.answers = {"ServerLive": pb.ServerLiveResponse(live=True)}
    source = (
        "import sys\n"
        "from hasten_client import Client\n"
        f"with Client({server.address!r}) as client: assert client.live()\n"
        "sys.exit('numpy was loaded' if 'numpy' in sys.modules else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
