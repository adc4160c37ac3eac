"""Links at the limit of what a message may be, and what is counted of malformed calls."""

import asyncio
import contextlib
import urllib.request

import grpc
import numpy as np
import pytest

from hasten.worker.v1 import worker_service_pb2 as wpb
from tests.support.framed import frame
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import echo_of, request_of
from tests.unit.worker_shell.harness import Router, running_worker, worker_settings
from tests.unit.worker_shell.test_links import calls, is_served


async def test_a_frame_over_the_limit_costs_the_link_and_the_router_is_told_why() -> None:
    settings = worker_settings(grpc={"message_bytes_max": 200_000})
    async with running_worker(settings=settings) as bench:
        async with Router(bench) as router:
            await router.send(*calls(1))
            await router.reply(1)
            # All of it is on its way before the worker can have said a word.
            await router.send_bytes(frame(bytes(200_001)) + frame(bytes(150_000)))
            assert await router.end() == "MESSAGE_TOO_LARGE"
            sentence = router.messages[-1].fault.message
            assert "200000 bytes, not 200001" in sentence
            assert "HASTEN_WORKER_GRPC__MESSAGE_BYTES_MAX" in sentence
        assert await is_served(bench)


async def test_an_answer_over_the_router_s_own_limit_is_refused_and_the_link_goes_on() -> None:
    async with running_worker(echo_of("FP32", (-1,))) as bench:
        router = Router(bench)
        router.frame_bytes_max = 200_000
        large = request_of({"IN0": ("FP32", np.zeros(60_000, np.float32))}, model="echo_fp32")
        async with router:
            await router.send(*calls(1, payload=large.SerializeToString()))
            assert (await router.reply(1)).failure.reason == "MESSAGE_TOO_LARGE"
            await router.send(*calls(2, payload=small_request()))
            assert (await router.reply(2)).payload


def small_request() -> bytes:
    request = request_of({"IN0": ("FP32", np.zeros(10, np.float32))}, model="echo_fp32")
    return request.SerializeToString()


async def test_malformed_calls_count_under_their_model_and_made_up_names_do_not() -> None:
    async with running_worker(echo_of("FP32", (-1,))) as bench, Router(bench) as router:
        wrong = request_of({"NONE": ("FP32", np.zeros(1, np.float32))}, model="echo_fp32")
        await router.send(*calls(1, payload=wrong.SerializeToString()))
        assert (await router.reply(1)).failure.reason
        with pytest.raises(grpc.aio.AioRpcError):
            await bench.public.ModelInfer(wrong)
        for number in range(40):
            wrong.model_name = f"made up {number}"
            await router.send(*calls(10 + number, payload=wrong.SerializeToString()))
            await router.reply(10 + number)
        page = await asyncio.to_thread(metrics_page, bench.worker.metrics_address)
    assert 'hasten_requests_total{model="echo_fp32",outcome="refused"} 2.0' in page
    assert 'hasten_requests_total{model="other",outcome="refused"} 40.0' in page
    assert "made up" not in page


def metrics_page(address: str) -> str:
    with urllib.request.urlopen(f"http://{address}/metrics", timeout=60) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("more", ["calls", "cancels"])
async def test_a_message_that_says_more_than_any_router_costs_its_link_before_any_work(
    more: str,
) -> None:
    async with running_worker() as bench:
        async with Router(bench) as router:
            message = wpb.ToWorker()
            if more == "calls":
                message.calls.extend(wpb.Call(call_id=each) for each in range(4097))
            else:
                message.cancelled_call_ids.extend(range(10_001))
            await router.send_bytes(frame(message.SerializeToString()))
            assert await router.end() == "INVALID_REQUEST"
            assert not any(said.replies for said in router.messages)
        assert await is_served(bench)


async def test_half_sent_messages_of_many_links_stay_within_the_budget() -> None:
    settings = worker_settings(grpc={"held_bytes_max": 4 * 2**20})
    async with running_worker(settings=settings) as bench:
        routers = [Router(bench) for _ in range(6)]
        for router in routers:
            await router.open()
            with contextlib.suppress(ConnectionError):
                await router.send_bytes(frame(bytes(2**25))[: 3 * 2**19])
        assert await routers[-1].end() == "QUEUE_FULL"
        assert bench.worker.door.links.held.held <= 4 * 2**20
        for router in routers:
            router.cut()
        await eventually(lambda: bench.worker.door.links.held.held == 0)
        assert await is_served(bench)
