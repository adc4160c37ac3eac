"""ModelStreamInfer through the router."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from tests.integration.router.harness import INFERENCE, Client, request, router_over, told
from tests.support.fake_worker import FakeWorker
from tests.support.waiting import eventually

pytestmark = pytest.mark.usefixtures("transport")


def open_stream(client: Client, *metadata: tuple[str, str], timeout_s: float = 60.0) -> Any:
    return client.channel.stream_stream(
        INFERENCE + "ModelStreamInfer",
        response_deserializer=pb.ModelStreamInferResponse.FromString,
    )(metadata=metadata, timeout=timeout_s)


async def send(stream: Any, message: Any) -> None:
    await stream.write(message if isinstance(message, bytes) else message.SerializeToString())


async def test_many_requests_are_in_flight_and_each_answer_is_final() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, _):
        stream = open_stream(client)
        for n in range(20):
            await send(stream, request(request_id=str(n)))
        await eventually(lambda: len(worker.held) == 20)
        worker.release()
        answers = [(await stream.read()).infer_response for _ in range(20)]
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK
    assert {answer.id for answer in answers} == {str(n) for n in range(20)}
    assert all(answer.parameters["triton_final_response"].bool_param for answer in answers)


async def test_answers_come_as_they_are_ready_not_as_they_were_asked() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, _):
        stream = open_stream(client)
        await send(stream, request(request_id="slow"))
        await eventually(lambda: len(worker.held) == 1)
        worker.holds = False
        await send(stream, request(request_id="fast"))
        assert (await stream.read()).infer_response.id == "fast"
        worker.release()
        assert (await stream.read()).infer_response.id == "slow"


async def test_an_error_stays_in_its_message_and_the_stream_goes_on() -> None:
    async with router_over(FakeWorker()) as (client, _):
        stream = open_stream(client)
        await send(stream, request("nobody", request_id="1"))
        failed = await stream.read()
        await send(stream, b"\xff\xff")
        garbled = await stream.read()
        await send(stream, request(request_id="2"))
        answered = await stream.read()
    assert "nobody" in failed.error_message
    assert failed.infer_response.id == "1"
    assert failed.infer_response.model_name == "nobody"
    assert failed.infer_response.parameters["hasten_reason"].string_param == "MODEL_NOT_FOUND"
    assert garbled.error_message
    assert answered.infer_response.id == "2"
    assert not answered.error_message


async def test_a_client_that_wants_real_statuses_gets_one_and_the_stream_ends() -> None:
    worker = FakeWorker()
    worker.refuses = Refusal(Reason.INPUT_MISSING, "input INPUT is missing")
    async with router_over(worker) as (client, _):
        stream = open_stream(client, ("triton_grpc_error", "true"))
        await send(stream, request())
        try:
            await stream.read()
        except grpc.aio.AioRpcError as error:
            assert told(error)[:2] == ("INVALID_ARGUMENT", "INPUT_MISSING")  # noqa: PT017  (else below)
        else:
            raise AssertionError("the stream went on")


async def test_each_message_has_its_own_deadline() -> None:
    worker = FakeWorker()
    worker.holds = True
    hasty = request(request_id="hasty")
    hasty.parameters["timeout"].int64_param = 100_000
    async with router_over(worker) as (client, _):
        stream = open_stream(client)
        await send(stream, request(request_id="patient"))
        await send(stream, hasty)
        late = await stream.read()
        assert late.infer_response.id == "hasty"
        assert late.infer_response.parameters["hasten_reason"].string_param == "DEADLINE_PASSED"
        await eventually(lambda: len(worker.held) == 1)
        worker.release()
        assert (await stream.read()).infer_response.id == "patient"


async def test_a_stream_that_is_cancelled_frees_the_worker() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, router):
        stream = open_stream(client)
        for n in range(5):
            await send(stream, request(request_id=str(n)))
        await eventually(lambda: len(worker.held) == 5)
        stream.cancel()
        await eventually(lambda: len(worker.cancelled) == 5)
        await eventually(lambda: router.mesh.views()[0].in_flight == 0)


async def test_a_stream_may_end_its_side_before_its_answers_come() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, _):
        stream = open_stream(client)
        await send(stream, request(request_id="last"))
        await stream.done_writing()
        await eventually(lambda: len(worker.held) == 1)
        worker.release()
        assert (await stream.read()).infer_response.id == "last"
        assert await stream.read() is grpc.aio.EOF


async def test_an_empty_stream_ends_well() -> None:
    async with router_over() as (client, _):
        stream = open_stream(client)
        await stream.done_writing()
        assert await stream.read() is grpc.aio.EOF
        assert await stream.code() is grpc.StatusCode.OK


async def test_no_more_requests_of_a_stream_are_inside_than_the_limit() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker, stream_in_flight_max=3) as (client, _):
        stream = open_stream(client)

        async def write_all() -> None:
            for n in range(10):
                await send(stream, request(request_id=str(n)))
            await stream.done_writing()

        async def read_all() -> list[str]:
            return [(await stream.read()).infer_response.id for _ in range(10)]

        writing = asyncio.create_task(write_all())
        reading = asyncio.create_task(read_all())
        most = 0
        while not reading.done():
            most = max(most, len(worker.held))
            worker.release()
            await asyncio.sleep(0)
        await writing
    assert most <= 3
    assert sorted(await reading, key=int) == [str(n) for n in range(10)]


async def test_a_client_that_does_not_read_stops_only_its_own_stream() -> None:
    worker = FakeWorker()
    data = bytes(256 * 1024)
    async with router_over(worker, grpc={"message_bytes_max": 1024 * 1024}) as (client, _):
        stream = open_stream(client, timeout_s=60.0)

        async def write_all() -> None:
            for n in range(200):
                await send(stream, request(request_id=str(n), data=data))
            await stream.done_writing()

        writing = asyncio.create_task(write_all())
        await eventually(lambda: len(worker.calls) > 5)
        # Nobody reads the stream, and everybody else is served meanwhile.
        for n in range(20):
            assert (await client.infer(request(request_id=f"other {n}"))).id == f"other {n}"
        assert len(worker.calls) < 200
        ids = [(await stream.read()).infer_response.id for _ in range(200)]
        await writing
    assert sorted(ids, key=int) == [str(n) for n in range(200)]
