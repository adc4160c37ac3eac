"""What a worker runs when more is asked than it can do."""

import asyncio
import random
import time

import grpc
import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from hasten.worker.v1 import worker_service_pb2 as wpb
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub
from tests.support.framed import RouterEnd
from tests.support.services import Service
from tests.support.waiting import eventually

pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("worker")]

INFER = "/inference.GRPCInferenceService/ModelInfer"
MANY = 200
"""Calls of `slow`: a minute of work, so that a slow test still finds most of them waiting."""
STATISTICS = "/inference.GRPCInferenceService/ModelStatistics"


def request_for(model: str, width: int = 4) -> pb.ModelInferRequest:
    request = pb.ModelInferRequest(model_name=model)
    request.inputs.add(name="INPUT", datatype="FP32", shape=[1, width])
    request.raw_input_contents.append(np.ones(width, "<f4").tobytes())
    return request


async def executed(channel: grpc.aio.Channel, model: str) -> int:
    request = pb.ModelStatisticsRequest(name=model).SerializeToString()
    answer = await channel.unary_unary(STATISTICS)(request)
    count: int = pb.ModelStatisticsResponse.FromString(answer).model_stats[0].execution_count
    return count


async def depth(channel: grpc.aio.Channel) -> int:
    response = await WorkerServiceStub(channel).GetState(wpb.GetStateRequest())
    count: int = response.state.load.depth
    return count


async def test_of_twenty_calls_only_those_are_run_that_can_be_in_time(worker: Service) -> None:
    async with grpc.aio.insecure_channel(worker.address) as channel:
        before = await executed(channel, "slow")
        payload = request_for("slow").SerializeToString()
        sent_s = time.monotonic()
        calls = [channel.unary_unary(INFER)(payload, timeout=1.0) for _ in range(20)]
        sent_within_s = time.monotonic() - sent_s
        codes = await asyncio.gather(*(call.code() for call in calls))

        async def are_counted() -> bool:  # After their answers were handed out.
            return await executed(channel, "slow") - before >= codes.count(grpc.StatusCode.OK)

        # A machine that is busy with other things may make them late, never wrong.
        await eventually(are_counted)
        run = await executed(channel, "slow") - before
        # As many as end before the last caller leaves; more when this process itself stood still.
        assert run <= (1.0 + sent_within_s) / 0.3
        refusals = {grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert set(codes) <= refusals | {grpc.StatusCode.OK}


async def test_calls_that_nobody_waits_for_are_not_run(worker: Service) -> None:
    async with grpc.aio.insecure_channel(worker.address) as channel:
        before = await executed(channel, "slow")
        payload = request_for("slow").SerializeToString()
        calls = [channel.unary_unary(INFER)(payload) for _ in range(MANY)]
        waiting = [asyncio.ensure_future(call.code()) for call in calls]
        await eventually(lambda: _depth_is_over(channel, MANY // 2))
        for call in calls[1:]:
            call.cancel()
        assert await waiting[0] is grpc.StatusCode.OK
        await eventually(lambda: _depth_is(channel, 0))
        assert await executed(channel, "slow") - before < MANY // 2


async def test_clients_that_vanish_take_their_calls_with_them(worker: Service) -> None:
    async with grpc.aio.insecure_channel(worker.address) as observer:
        before = await executed(observer, "slow")
        channel = grpc.aio.insecure_channel(worker.address)
        payload = request_for("slow").SerializeToString()
        calls = [
            asyncio.ensure_future(channel.unary_unary(INFER)(payload).code()) for _ in range(MANY)
        ]
        await eventually(lambda: _depth_is_over(observer, MANY // 2))
        await channel.close()
        await eventually(lambda: _depth_is(observer, 0))
        assert await executed(observer, "slow") - before < MANY // 2
        await asyncio.gather(*calls, return_exceptions=True)


async def _depth_is(channel: grpc.aio.Channel, count: int) -> bool:
    return await depth(channel) == count


async def _depth_is_over(channel: grpc.aio.Channel, count: int) -> bool:
    return await depth(channel) > count


async def test_a_link_carries_calls_of_several_models(worker: Service) -> None:
    async with (
        grpc.aio.insecure_channel(worker.address) as channel,
        RouterEnd(channel, worker.address) as router,
    ):
        served = {model.name for model in router.messages[0].state.models}
        assert {"slow", "crowd", "echo_fp32"} <= served
        names = ["echo_fp32", "crowd", "nobody", "echo_fp32"]
        await router.send(
            *(
                wpb.Call(
                    call_id=number,
                    priority=1,
                    time_left_us=60_000_000,
                    payload=request_for(name).SerializeToString(),
                )
                for number, name in enumerate(names)
            )
        )
        reasons = [(await router.reply(number)).failure.reason for number in range(4)]
        assert reasons == ["", "", "MODEL_NOT_FOUND", ""]
        assert router.messages[-1].load.received == 4


def mutants(count: int) -> list[bytes]:
    """The bytes of a good request, each time damaged in another way; the same every time."""
    rng = random.Random(7)
    good = request_for("echo_fp32").SerializeToString()
    made = []
    for _ in range(count):
        data = bytearray(good)
        for _ in range(rng.randint(1, 4)):
            match rng.randint(0, 2):
                case 0:
                    data[rng.randrange(len(data))] = rng.randrange(256)
                case 1:
                    del data[rng.randrange(len(data)) :]
                case 2:
                    at = rng.randrange(len(data) + 1)
                    data[at:at] = rng.randbytes(rng.randint(1, 8))
            if not data:
                data = bytearray(b"\n")
        made.append(bytes(data))
    return made


async def test_damaged_requests_are_refused_and_the_worker_lives(worker: Service) -> None:
    async with grpc.aio.insecure_channel(worker.address) as channel:
        infer = channel.unary_unary(INFER)
        codes = []
        damaged = mutants(400)
        for start in range(0, len(damaged), 40):
            some = damaged[start : start + 40]
            codes += await asyncio.gather(*(infer(data).code() for data in some))
        assert set(codes) <= {
            grpc.StatusCode.OK,
            grpc.StatusCode.INVALID_ARGUMENT,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.INTERNAL,
        }
        assert codes.count(grpc.StatusCode.INVALID_ARGUMENT) > 100
        assert codes.count(grpc.StatusCode.INTERNAL) == 0
        assert await infer(request_for("echo_fp32").SerializeToString())


async def test_damaged_calls_on_a_link_are_refused_one_by_one(worker: Service) -> None:
    async with (
        grpc.aio.insecure_channel(worker.address) as channel,
        RouterEnd(channel, worker.address) as router,
    ):
        damaged = mutants(200)
        for start in range(0, 200, 50):
            await router.send(
                *(
                    wpb.Call(call_id=number, payload=damaged[number])
                    for number in range(start, start + 50)
                )
            )
        reasons = {(await router.reply(number)).failure.reason for number in range(200)}
        assert not reasons & {"INTERNAL", "MODEL_FAILED"}
