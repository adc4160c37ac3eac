"""A router's HTTP port, over real sockets, in front of fake workers."""

import asyncio
import gzip
import json
from typing import Any

import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from tests.integration.router.harness import Client, router_over
from tests.support.fake_worker import FakeWorker, request
from tests.support.raw_http import Response, ask, connected, message
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

INFER = "/v2/models/echo/infer"
SMALL = {"inputs": [{"name": "X", "datatype": "INT32", "shape": [1, 2], "data": [[1, -2]]}]}
RAW = b"\x01\x00\x00\x00\xfe\xff\xff\xff"


def address(router: Any) -> str:
    where: str = router.http.address
    return where


def behind_json(said: Any, raw: bytes) -> tuple[bytes, dict[str, str]]:
    text = json.dumps(said).encode()
    return text + raw, {"Inference_Header_Content_Length": str(len(text))}


async def test_json_becomes_the_request_that_grpc_would_have_brought() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (_, router):
        said = {
            "id": "7",
            "parameters": {"priority": 1, "why": "x", "half": 0.5, "yes": True, "big": 2**64 - 1},
            "outputs": [{"name": "X", "parameters": {"classification": 3, "binary_data": False}}],
            **SMALL,
        }
        answer = await ask(address(router), "POST", "/v2/models/echo/versions/1/infer", said)
        assert (answer.status, answer.headers["content-type"].partition(";")[0]) == (
            200,
            "application/json",
        )
        assert answer.json() == {
            "model_name": "echo",
            "model_version": "1",
            "id": "7",
            "outputs": [{"name": "X", "datatype": "INT32", "shape": [1, 2], "data": [1, -2]}],
        }
        (call,) = worker.calls
        expected = pb.ModelInferRequest(model_name="echo", model_version="1", id="7")
        expected.inputs.add(name="X", datatype="INT32", shape=[1, 2])
        expected.outputs.add(name="X").parameters["classification"].int64_param = 3
        expected.raw_input_contents.append(RAW)
        expected.parameters["priority"].int64_param = 1
        expected.parameters["why"].string_param = "x"
        expected.parameters["half"].double_param = 0.5
        expected.parameters["yes"].bool_param = True
        expected.parameters["big"].uint64_param = 2**64 - 1
        assert pb.ModelInferRequest.FromString(call.payload) == expected


@pytest.mark.parametrize("packing", ["identity", "gzip"])
async def test_binary_data_goes_behind_the_json_both_ways(packing: str) -> None:
    tensors = [
        {"name": "X", "datatype": "INT32", "shape": [2], "parameters": {"binary_data_size": 8}},
        {"name": "Y", "datatype": "BYTES", "shape": [2], "data": ["ä", ""]},
        {"name": "Z", "datatype": "FP16", "shape": [1], "parameters": {"binary_data_size": 2}},
    ]
    said = {
        "inputs": tensors,
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": "X"}, {"name": "Y", "parameters": {"binary_data": False}}],
    }
    async with router_over(FakeWorker()) as (_, router):
        body, headers = behind_json(said, RAW + b"\x00\x3c")
        if packing == "gzip":
            body = gzip.compress(body)
        answer = await ask(
            address(router), "POST", INFER, body, Content_Encoding=packing, **headers
        )
    assert answer.status == 200, answer.body
    length = int(answer.headers["inference-header-content-length"])
    outputs = json.loads(answer.body[:length])["outputs"]
    assert answer.body[length:] == RAW + b"\x00\x3c"
    assert [output.get("parameters") for output in outputs] == [
        {"binary_data_size": 8},
        None,
        {"binary_data_size": 2},
    ]
    assert outputs[1]["data"] == ["ä", ""]


async def test_headers_say_deadline_tenant_priority_trace_and_wish_for_timing() -> None:
    worker = FakeWorker()
    trace = "00-11111111111111111111111111111111-2222222222222222-01"
    async with router_over(worker) as (_, router):
        answer = await ask(
            address(router),
            "POST",
            INFER,
            SMALL,
            hasten_deadline_ms="60000",
            hasten_tenant="blue",
            hasten_priority="2",
            hasten_timing="1",
            traceparent=trace,
        )
        (call,) = worker.calls
    assert answer.status == 200
    assert 50e6 < call.time_left_us < 60e6
    assert call.traceparent.split("-")[1] == trace.split("-")[1]
    parameters = pb.ModelInferRequest.FromString(call.payload).parameters
    assert parameters["tenant"].string_param == "blue"
    assert parameters["priority"].int64_param == 2
    assert "compute;dur=0.002" in answer.headers["server-timing"]


async def refused_by_grpc(client: Client, asked: Any) -> tuple[str, str]:
    status, reason, sentence, _ = await client.refusal(client.start(asked))
    assert status == Reason[reason].status
    return reason, sentence


def refused(answer: Response) -> tuple[str, str]:
    assert answer.headers["content-type"].partition(";")[0] == "application/problem+json"
    said = answer.json()
    assert said["status"] == answer.status
    assert said["error"] == said["detail"]
    return said["reason"], said["detail"]


async def test_a_refusal_has_the_same_words_as_over_grpc() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, router):
        unknown = await ask(address(router), "POST", "/v2/models/nobody/infer", SMALL)
        assert unknown.status == 404
        assert refused(unknown) == await refused_by_grpc(client, request("nobody"))
        asked = request()
        asked.parameters["triton_x"].int64_param = 1
        odd = await ask(address(router), "POST", INFER, {**SMALL, "parameters": {"triton_x": 1}})
        assert odd.status == 400
        assert refused(odd) == await refused_by_grpc(client, asked)
        worker.refuses = Refusal(
            Reason.QUEUE_FULL, "full", retry_after_s=1.5, metadata=(("depth", "9"),), started=True
        )
        full = await ask(address(router), "POST", INFER, SMALL)
        assert refused(full) == await refused_by_grpc(client, request())
        assert (full.status, full.headers["retry-after"]) == (429, "2")
        said = full.json()
        assert (said["retry_after_ms"], said["metadata"], said["started"]) == (
            1500,
            {"depth": "9"},
            True,
        )


async def test_a_hint_beyond_the_deadline_is_no_hint() -> None:
    worker = FakeWorker()
    worker.refuses = Refusal(Reason.QUEUE_FULL, "full", retry_after_s=3000.0)
    async with router_over(worker) as (_, router):
        full = await ask(address(router), "POST", INFER, SMALL, hasten_deadline_ms="60000")
    assert full.status == 429
    assert "retry-after" not in full.headers


async def test_without_a_worker_the_client_hears_it_at_once() -> None:
    async with router_over() as (_, router):
        answer = await ask(address(router), "POST", INFER, SMALL)
        ready = await ask(address(router), "GET", "/v2/health/ready")
        live = await ask(address(router), "GET", "/v2/health/live")
    assert (answer.status, refused(answer)[0]) == (503, "NO_WORKER")
    assert (ready.status, ready.json()["ready"]) == (503, False)
    assert ready.json()["why"]
    assert (live.status, live.json()) == (200, {"live": True})


async def test_a_client_that_leaves_frees_the_worker() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (_, router):
        async with connected(address(router)) as connection:
            connection.send(message("POST", INFER, json.dumps(SMALL).encode()))
            await eventually(lambda: worker.held)
        await eventually(lambda: worker.cancelled, what="the worker hears of it")
        assert router.shell.unanswered == 0


async def test_a_deadline_passes_and_is_told() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (_, router):
        answer = await ask(address(router), "POST", INFER, SMALL, hasten_deadline_ms="200")
        assert (answer.status, refused(answer)[0]) == (504, "DEADLINE_PASSED")


@pytest.mark.parametrize("said", ["0", "-5", "soon", "nan", "inf"])
async def test_a_deadline_that_is_none_is_refused(said: str) -> None:
    async with router_over(FakeWorker()) as (_, router):
        answer = await ask(address(router), "POST", INFER, SMALL, hasten_deadline_ms=said)
    assert (answer.status, refused(answer)[0]) == (400, "INVALID_DEADLINE")


@pytest.mark.parametrize(
    ("method", "path", "status", "allow"),
    [
        ("GET", "/", 404, ""),
        ("GET", "/v1/models", 404, ""),
        ("POST", "/v2/models/echo/infer/more", 404, ""),
        ("GET", INFER, 405, "POST"),
        ("HEAD", INFER, 405, "POST"),
        ("DELETE", "/v2/models/echo", 405, "HEAD, GET"),
        ("OPTIONS", "/v2/logging", 405, "HEAD, GET, POST"),
        ("PATCH", "/v2", 405, "HEAD, GET"),
    ],
)
async def test_what_is_not_there_is_said(method: str, path: str, status: int, allow: str) -> None:
    async with router_over(FakeWorker()) as (_, router):
        answer = await ask(address(router), method, path)
    assert (answer.status, answer.headers.get("allow", "")) == (status, allow)
    if method != "HEAD":
        assert refused(answer)[0] == "UNIMPLEMENTED"


async def test_head_is_get_without_a_body() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        connection.send(message("HEAD", "/v2/health/ready") + message("GET", "/metrics"))
        head = await connection.response(bodiless=True)
        page = await connection.response()
    assert (head.status, int(head.headers["content-length"])) == (200, len(b'{"ready": true}'))
    assert b"hasten_build_info" in page.body


async def test_expect_continue_is_asked_for_the_body_only_if_it_is_wanted() -> None:
    body = json.dumps(SMALL).encode()
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        whole = message("POST", INFER, body, Expect="100-continue")
        connection.send(whole[: -len(body)])
        assert (await connection.response()).status == 100
        connection.send(body)
        assert (await connection.response()).status == 200


async def test_while_the_router_leaves_connections_are_closed_after_their_answer() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        router.http.announce_leaving()
        connection.send(message("POST", INFER, json.dumps(SMALL).encode()))
        answer = await connection.response()
        assert (answer.status, answer.headers["connection"]) == (200, "close")
        assert await connection.closed()


async def test_what_is_refused_is_counted_like_over_grpc() -> None:
    async with router_over(FakeWorker()) as (_, router):
        await ask(address(router), "POST", INFER, b"{")

        async def counted() -> bool:
            page = await ask(address(router), "GET", "/metrics")
            return b'hasten_refusals_total{reason="invalid_request"} 1.0' in page.body

        await eventually(counted)


async def test_many_connections_are_answered_at_once() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (_, router):
        asking = [
            asyncio.create_task(ask(address(router), "POST", INFER, SMALL)) for _ in range(20)
        ]
        await eventually(lambda: len(worker.held) == 20)
        worker.release()
        answers = await asyncio.gather(*asking)
    assert {answer.status for answer in answers} == {200}
