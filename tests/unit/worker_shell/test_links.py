"""The links over which routers send calls, over real connections."""

import asyncio

import numpy as np
import pytest
from structlog.testing import capture_logs

from hasten.inference.v2 import inference_pb2 as pb
from hasten.worker.v1 import worker_service_pb2 as wpb
from tests.support.framed import frame
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import EchoModel, echo_of, floats, model_spec, request_of
from tests.unit.worker_shell.harness import (
    Bench,
    Router,
    running_worker,
    worker_settings,
)

PAYLOAD = floats().SerializeToString()


def calls(*ids: int, payload: bytes = PAYLOAD, **more: int) -> list[wpb.Call]:
    return [wpb.Call(call_id=call_id, priority=1, payload=payload, **more) for call_id in ids]


async def is_served(bench: Bench) -> bool:
    """Whether a link that opens now gets answers."""
    async with Router(bench) as router:
        await router.send(*calls(1))
        return bool((await router.reply(1)).payload)


async def test_the_first_message_carries_the_state_and_every_message_the_load() -> None:
    async with running_worker() as bench, Router(bench) as router:
        first = router.messages[0]
        assert (first.state.worker_id, first.state.address) == ("w1", bench.worker.address)
        assert [model.name for model in first.state.models] == ["echo"]
        assert first.load.window >= 1
        await router.send(*calls(1))
        await router.reply(1)
        assert all(message.HasField("load") for message in router.messages)
        seqs = [message.load.seq for message in router.messages]
        assert seqs == sorted(set(seqs))


async def test_a_call_is_answered_with_its_timing() -> None:
    async with running_worker() as bench, Router(bench) as router:
        await router.send(*calls(77, time_left_us=60_000_000))
        reply = await router.reply(77)
        response = pb.ModelInferResponse.FromString(reply.payload)
        assert np.frombuffer(response.raw_output_contents[0], "<f4").tolist() == [0, 1, 2, 3]
        assert not reply.HasField("failure")
        assert (reply.timing.worker_id, reply.timing.batch_rows) == ("w1", 1)
        assert reply.service_s > 0
        assert router.messages[-1].load.received == 1


async def test_calls_of_one_batch_come_back_in_one_message() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        await router.send(*calls(2, 3, 4, 5))
        await eventually(lambda: bench.shell.unanswered == 5)
        model.open.set()
        await router.reply(5)
        together = next(m for m in router.messages if any(r.call_id == 5 for r in m.replies))
        assert sorted(reply.call_id for reply in together.replies) == [2, 3, 4, 5]


async def test_calls_of_one_message_run_together_whatever_is_wrong_with_one_of_them() -> None:
    model = EchoModel()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1, 2, 3), *calls(4, payload=b"no"))
        for call_id in (1, 2, 3, 4):
            await router.reply(call_id)
        assert [len(batch) for batch in model.batches_run] == [3]


async def test_a_bad_call_is_refused_and_counted_as_received() -> None:
    async with running_worker() as bench, Router(bench) as router:
        wrong = floats()
        wrong.inputs[0].datatype = "FP64"
        await router.send(
            *calls(1, payload=b"\xff\xff"),
            *calls(2, payload=b""),
            *calls(3, payload=wrong.SerializeToString()),
            *calls(4),
        )
        reasons = [(await router.reply(call_id)).failure.reason for call_id in (1, 2, 3, 4)]
        assert reasons == ["INVALID_REQUEST", "INVALID_REQUEST", "DTYPE_MISMATCH", ""]
        assert router.messages[-1].load.received == 4


async def test_a_call_without_enough_time_is_refused_at_once() -> None:
    spec = model_spec(profile=((1, 1, 0.3), (8, 8, 0.3)))
    model = EchoModel(spec=spec)
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        await router.send(*calls(2, time_left_us=100_000))
        reply = await router.reply(2)
        assert reply.failure.reason == "DEADLINE_INFEASIBLE"
        assert not reply.failure.started
        model.open.set()


async def test_a_cancelled_call_never_runs_and_is_not_answered() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        await router.send(*calls(2))
        await eventually(lambda: bench.shell.unanswered == 2)
        await router.send(cancel=(2, 999))
        await eventually(lambda: bench.shell.unanswered == 1)
        model.open.set()
        await router.send(*calls(3))
        await router.reply(3)
        assert set(router.replies) == {1, 3}
        assert len(model.batches_run) == 2


async def test_large_calls_are_decoded_beside_the_loop_and_may_be_cancelled_meanwhile() -> None:
    async with running_worker(echo_of("BYTES", (-1,))) as bench, Router(bench) as router:
        array = np.array([b"x" * 10] * 20_000, dtype=np.object_)
        large = request_of({"IN0": ("BYTES", array)}, model="echo_bytes").SerializeToString()
        await router.send(*calls(1, 2, payload=large), *calls(3, payload=large[:-1]))
        await router.send(cancel=(2,))
        assert (await router.reply(1)).payload
        assert (await router.reply(3)).failure.reason == "INVALID_REQUEST"
        await eventually(lambda: bench.shell.unanswered == 0)
        while router.messages[-1].load.received < 3:
            await router.read()


async def test_closing_the_link_cancels_what_is_unanswered() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        async with Router(bench) as router:
            await router.send(*calls(1, 2, 3))
            await eventually(lambda: bench.shell.unanswered == 3)
            router.done_sending()
            assert await router.end() == ""
        await eventually(lambda: bench.shell.unanswered == 0)
        model.open.set()
        assert await is_served(bench)


async def test_a_router_that_dies_takes_its_calls_with_it() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        async with Router(bench) as router:
            await router.send(*calls(1, 2, 3))
            await eventually(lambda: bench.shell.unanswered == 3)
        await eventually(lambda: bench.shell.unanswered == 0)
        model.open.set()


async def test_calls_decoded_aside_end_with_their_link() -> None:
    async with running_worker(echo_of("BYTES", (-1,))) as bench:
        array = np.array([b"x" * 10] * 20_000, dtype=np.object_)
        large = request_of({"IN0": ("BYTES", array)}, model="echo_bytes").SerializeToString()
        async with Router(bench) as router:
            await router.send(*calls(1, 2, 3, 4, payload=large))
        await eventually(lambda: bench.worker.door.links_open == 0)
        await eventually(lambda: bench.shell.unanswered == 0)
        async with Router(bench) as router:
            await router.send(*calls(1, payload=large))
            assert (await router.reply(1)).payload


async def test_a_call_id_used_twice_ends_the_link_and_not_the_worker() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        async with Router(bench) as router:
            await router.send(*calls(1, 1))
            assert await router.end() == "INVALID_REQUEST"
        model.open.set()
        assert await is_served(bench)


@pytest.mark.parametrize(
    "content",
    [
        frame(b"\xff\xff\xff"),
        b"\xff\xff\xff\xff",
        frame(wpb.ToWorker(ticket=b"x").SerializeToString()),
    ],
    ids=["no message", "a frame of four gigabytes", "a second ticket"],
)
async def test_bytes_that_mean_nothing_end_the_link_and_not_the_worker(content: bytes) -> None:
    async with running_worker() as bench:
        async with Router(bench) as router:
            await router.send_bytes(content)
            assert await router.end() in {"INVALID_REQUEST", ""}
        assert await is_served(bench)


async def test_a_fault_of_ours_ends_the_link_and_is_logged() -> None:
    def fail(_: int) -> None:
        raise ZeroDivisionError

    async with running_worker() as bench:
        setup = bench.worker.door.links
        sound = setup.state
        object.__setattr__(setup, "state", fail)
        with capture_logs() as logs:
            router = Router(bench)
            await router.open()
            assert await router.end() == ""
            await eventually(lambda: bench.worker.door.links_open == 0)
        object.__setattr__(setup, "state", sound)
        crashes = [log["exc_info"] for log in logs if log["event"] == "link.crashed"]
        assert [type(error) for error in crashes] == [ZeroDivisionError]
        assert await is_served(bench)


async def test_a_change_of_models_is_told_at_once() -> None:
    async with running_worker() as bench, Router(bench) as router:
        bench.store.put(echo_of("INT32", (-1,)))
        while not any(model.name == "echo_int32" for model in router.messages[-1].state.models):
            await router.read()
        bench.store.remove("echo")
        while any(model.name == "echo" for model in router.messages[-1].state.models):
            await router.read()


async def test_the_state_comes_again_and_again_on_a_silent_link() -> None:
    async with running_worker() as bench, Router(bench) as router:
        for _ in range(3):
            assert (await router.read()).HasField("state")


async def test_draining_refuses_new_calls_finishes_the_others_and_tells() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        drained = asyncio.ensure_future(bench.internal.Drain(wpb.DrainRequest()))
        while not router.messages[-1].state.draining:
            await router.read()
        await router.send(*calls(2))
        assert (await router.reply(2)).failure.reason == "DRAINING"
        assert not bench.worker.health.serving()
        assert not drained.done()
        model.open.set()
        assert (await router.reply(1)).payload
        assert (await drained).abandoned == 0
        assert (await bench.internal.Drain(wpb.DrainRequest())).abandoned == 0


async def test_a_drain_whose_patience_is_over_tells_what_it_abandons() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        response = await bench.internal.Drain(wpb.DrainRequest(patience_us=1000))
        assert response.abandoned == 1
        model.open.set()


async def test_the_state_can_be_asked_for() -> None:
    async with running_worker() as bench:
        state = (await bench.internal.GetState(wpb.GetStateRequest())).state
        assert (state.worker_id, state.lanes, state.pid > 0) == ("w1", 1, True)
        assert state.memory_bytes > 0


@pytest.mark.parametrize("count", [1, 8])
async def test_many_links_share_the_worker(count: int) -> None:
    async with running_worker() as bench:

        async def run() -> None:
            async with Router(bench) as router:
                for call_id in range(1, 11):
                    await router.send(*calls(call_id))
                for call_id in range(1, 11):
                    assert (await router.reply(call_id)).payload

        async with asyncio.TaskGroup() as group:
            for _ in range(count):
                group.create_task(run())


async def test_an_answer_larger_than_a_message_is_refused_and_the_link_goes_on() -> None:
    model = echo_of("FP32", (-1,))
    settings = worker_settings(grpc={"message_bytes_max": 200_000})
    async with running_worker(model, settings=settings) as bench, Router(bench) as router:
        small = request_of({"IN0": ("FP32", np.zeros(10, np.float32))}, model="echo_fp32")
        large = request_of({"IN0": ("FP32", np.zeros(40_000, np.float32))}, model="echo_fp32")
        await router.send(*calls(1, payload=large.SerializeToString()))
        assert (await router.reply(1)).failure.reason == "MESSAGE_TOO_LARGE"
        await router.send(*calls(2, payload=small.SerializeToString()))
        assert (await router.reply(2)).payload


async def test_replies_share_a_message_up_to_a_size() -> None:
    model = echo_of("FP32", (-1, -1), batch_max=16)
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        array = np.zeros((1, 100_000), np.float32)
        payload = request_of({"IN0": ("FP32", array)}, model="echo_fp32").SerializeToString()
        for call_id in range(1, 11):
            await router.send(*calls(call_id, payload=payload))
        await eventually(lambda: bench.shell.unanswered == 10)
        model.open.set()
        for call_id in range(1, 11):
            await router.reply(call_id)
        assert max(len(message.replies) for message in router.messages) <= 2


async def test_replies_that_share_a_message_leave_room_for_the_load_beside_them() -> None:
    model = echo_of("FP32", (-1, -1), batch_max=16)
    model.open.clear()
    settings = worker_settings(grpc={"message_bytes_max": 200_000})
    async with running_worker(model, settings=settings) as bench, Router(bench) as router:
        # Eight of these answers are a hair below the largest message.
        array = np.zeros((1, 6_230), np.float32)
        payload = request_of({"IN0": ("FP32", array)}, model="echo_fp32").SerializeToString()
        for call_id in range(1, 17):
            await router.send(*calls(call_id, payload=payload))
        await eventually(lambda: bench.shell.unanswered == 16)
        model.open.set()
        for call_id in range(1, 17):
            assert (await router.reply(call_id)).payload
        assert max(message.ByteSize() for message in router.messages) < 200_000
