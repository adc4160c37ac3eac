"""Requests go through, refusals explain themselves, and nothing is left behind."""

import asyncio
import time

import grpc
import pytest

from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_router.life import started
from hasten_router.settings import RouterSettings
from tests.integration.router.harness import request, router_over
from tests.integration.router.test_stream_infer import open_stream, send
from tests.support.fake_worker import COMPUTE_US, FakeWorker, model_load
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("transport")

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


async def test_a_request_reaches_the_worker_byte_for_byte_and_its_answer_comes_back() -> None:
    worker = FakeWorker()
    message = request(request_id="7", data=bytes(range(256)))
    async with router_over(worker) as (client, _):
        answer = await client.infer(message)
    assert answer.id == "7"
    assert answer.raw_output_contents == [bytes(range(256))]
    assert worker.calls[0].payload == message.SerializeToString()
    assert worker.hellos == ["router"]


async def test_a_router_that_listens_knows_the_workers_that_are_there(worker: FakeWorker) -> None:
    settings = RouterSettings(
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        workers=(worker.address,),
        link={"acquaint_s_max": 60.0},
        drain={"notice_s": 0.0},
    )
    async with started(settings) as (router, _):
        assert router.mesh.serves("echo", "")


async def test_a_router_listens_though_a_worker_that_should_be_there_is_not() -> None:
    settings = RouterSettings(
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        workers=("127.0.0.1:1",),
        link={"acquaint_s_max": 0.05},
        drain={"notice_s": 0.0},
    )
    async with started(settings) as (router, address):
        assert address
        assert not router.mesh.ready()


async def test_priority_tenant_deadline_and_trace_travel_with_the_call() -> None:
    worker = FakeWorker()
    message = request()
    message.parameters["priority"].uint64_param = 1
    message.parameters["tenant"].string_param = "blue"
    message.parameters["timeout"].int64_param = 30_000_000
    async with router_over(worker) as (client, _):
        await client.start(message, timeout_s=60, metadata=(("traceparent", TRACEPARENT),))
        await client.start(request(), timeout_s=None)
    first, second = worker.calls
    assert (first.priority, first.tenant, first.traceparent) == (0, "blue", TRACEPARENT)
    assert 0 < first.time_left_us <= 30_000_000
    assert (second.priority, second.tenant, second.traceparent) == (1, "", "")
    assert second.time_left_us == 0


@pytest.mark.parametrize(
    ("propagators", "heard"),
    [
        ("", TRACEPARENT),
        ("tracecontext", TRACEPARENT),
        ("baggage", ""),
        ("none", ""),
    ],
)
@pytest.mark.parametrize("disabled", ["", "true"])
async def test_a_trace_goes_on_as_the_operator_says(
    monkeypatch: pytest.MonkeyPatch, propagators: str, heard: str, disabled: str
) -> None:
    monkeypatch.setenv("OTEL_PROPAGATORS", propagators)
    monkeypatch.setenv("OTEL_SDK_DISABLED", disabled)
    worker = FakeWorker()
    trace = (("traceparent", TRACEPARENT),)
    async with router_over(worker) as (client, _):
        await client.start(request(), timeout_s=60, metadata=trace)
        stream = open_stream(client, *trace)
        await send(stream, request())
        await stream.read()
        await stream.done_writing()
    assert [call.traceparent for call in worker.calls] == [heard, heard]


@pytest.mark.parametrize(
    ("message", "status", "reason", "says"),
    [
        (request("nobody"), "NOT_FOUND", "MODEL_NOT_FOUND", "nobody"),
        (
            pb.ModelInferRequest(model_name="echo", model_version="9"),
            "NOT_FOUND",
            "VERSION_NOT_FOUND",
            "9",
        ),
        (
            pb.ModelInferRequest(model_name="echo", model_version="new"),
            "INVALID_ARGUMENT",
            "INVALID_REQUEST",
            "new",
        ),
        (b"", "INVALID_ARGUMENT", "INVALID_REQUEST", "model_name"),
        (b"\x0a\x04ec", "INVALID_ARGUMENT", "INVALID_REQUEST", "longer"),
        (
            pb.ModelInferRequest(
                model_name="echo", parameters={"timeout": pb.InferParameter(int64_param=-1)}
            ),
            "INVALID_ARGUMENT",
            "INVALID_DEADLINE",
            "timeout",
        ),
        (
            pb.ModelInferRequest(
                model_name="echo", parameters={"triton_x": pb.InferParameter(bool_param=True)}
            ),
            "INVALID_ARGUMENT",
            "INVALID_PARAMETER",
            "triton_x",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_what_cannot_be_served_is_refused_in_words(
    message: object, status: str, reason: str, says: str
) -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, _):
        told = await client.refusal(client.start(message))
    assert told[:2] == (status, reason)
    assert says in told[2]
    assert worker.calls == []


async def test_a_deadline_below_the_models_best_is_refused_at_once() -> None:
    worker = FakeWorker()
    worker.models = [model_load(best_s=50.0)]
    worker.holds = True
    async with router_over(worker) as (client, _):
        # An idle worker is given what it has not failed at.
        running = asyncio.ensure_future(client.start())
        await eventually(lambda: len(worker.held) == 1)
        began_s = time.monotonic()
        told = await client.refusal(client.start(timeout_s=30.0))
        took_s = time.monotonic() - began_s
        worker.release()
        await running
    assert told[:2] == ("DEADLINE_EXCEEDED", "DEADLINE_INFEASIBLE")
    assert took_s < 30.0, "it came at the deadline, not at once"
    assert len(worker.calls) == 1


async def test_without_workers_the_refusal_says_when_to_retry() -> None:
    async with router_over() as (client, _):
        status, reason, _, hint = await client.refusal(client.start())
        assert (status, reason) == ("UNAVAILABLE", "NO_WORKER")
        assert hint is not None
        live = await client.ask("ServerLive", pb.ServerLiveRequest(), pb.ServerLiveResponse)
        ready = await client.ask("ServerReady", pb.ServerReadyRequest(), pb.ServerReadyResponse)
    assert live.live
    assert not ready.ready


async def test_a_workers_refusal_reaches_the_client_unchanged() -> None:
    worker = FakeWorker()
    worker.refuses = Refusal(Reason.INPUT_UNKNOWN, "input X is not one of INPUT", started=False)
    async with router_over(worker) as (client, _):
        told = await client.refusal(client.start())
    assert told[:3] == ("INVALID_ARGUMENT", "INPUT_UNKNOWN", "input X is not one of INPUT")


async def test_timing_comes_only_to_those_who_ask() -> None:
    message = request()
    message.parameters["hasten_timing"].bool_param = True
    async with router_over(FakeWorker("w7")) as (client, _):
        plain = client.start()
        by_parameter = client.start(message)
        by_metadata = client.start(metadata=(("hasten-timing", "1"),))
        trailers = []
        for call in (plain, by_parameter, by_metadata):
            await call
            trailers.append(dict(await call.trailing_metadata()))
    assert "hasten-timing-bin" not in trailers[0]
    for trailer in trailers[1:]:
        timing = Timing.FromString(trailer["hasten-timing-bin"])
        assert timing.worker_id == "w7"
        assert timing.compute_us == COMPUTE_US
        assert timing.wire_us > 0


async def test_a_client_that_cancels_frees_the_worker() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, router):
        call = client.start(timeout_s=None)
        await eventually(lambda: len(worker.held) == 1)
        call.cancel()
        await eventually(lambda: worker.cancelled == [worker.calls[0].call_id])
        await eventually(lambda: router.mesh.views()[0].in_flight == 0)


async def test_a_client_whose_deadline_passes_frees_the_worker() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, _):
        for timeout_s in (0.2, 1.0, 5.0):  # on a busy machine the first may not even get there
            told = await client.refusal(client.start(timeout_s=timeout_s))
            assert told[0] == "DEADLINE_EXCEEDED"
            if worker.calls:
                break
        assert worker.calls
        await eventually(lambda: worker.cancelled == [call.call_id for call in worker.calls])


async def test_no_more_calls_are_at_a_worker_than_it_gives_credits() -> None:
    worker = FakeWorker()
    worker.holds = True
    worker.credits = 2
    async with router_over(worker) as (client, _):
        calls = [client.start(request(request_id=str(n))) for n in range(6)]
        answers = asyncio.gather(*calls)
        await eventually(lambda: len(worker.held) == 2)
        most = 0
        while not answers.done():
            most = max(most, len(worker.held))
            worker.release()
            await asyncio.sleep(0)
        assert [pb.ModelInferResponse.FromString(a).id for a in await answers] == list("012345")
    assert most <= 2
    assert len(worker.calls) == 6


async def test_a_request_over_the_limit_is_refused_and_the_link_lives() -> None:
    worker = FakeWorker()
    limit = 1024 * 1024
    async with router_over(worker, grpc={"message_bytes_max": limit}) as (client, _):
        nearly = request(data=bytes(limit - 1024))
        names = "raise the setting grpc.message_bytes_max (HASTEN_ROUTER_GRPC__MESSAGE_BYTES_MAX)"
        for over in (nearly, request(data=bytes(limit + 1)), request(data=bytes(15 * limit))):
            status, reason, said, _ = await client.refusal(client.start(over))
            assert (status, reason) == ("RESOURCE_EXHAUSTED", "MESSAGE_TOO_LARGE")
            assert names in said
        stream = open_stream(client)
        await send(stream, nearly)
        assert names in (await stream.read()).error_message
        await stream.done_writing()
        unread = client.start(request(data=bytes(20 * limit)))
        assert (await client.refusal(unread))[0] == "RESOURCE_EXHAUSTED"
        assert (await client.infer(request(request_id="after"))).id == "after"
    assert worker.hellos == ["router"], "the link broke and was opened again"


async def test_a_large_request_that_fits_goes_through() -> None:
    limit = 1024 * 1024
    data = bytes(limit - 80 * 1024)
    async with router_over(FakeWorker(), grpc={"message_bytes_max": limit}) as (client, _):
        assert (await client.infer(request(data=data))).raw_output_contents == [data]


async def test_unknown_rpcs_and_services_are_unimplemented() -> None:
    async with router_over() as (client, _):
        call = client.channel.unary_unary("/inference.GRPCInferenceService/Nothing")(b"")
        assert (await client.refusal(call))[0] == grpc.StatusCode.UNIMPLEMENTED.name
