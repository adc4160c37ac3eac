"""ModelInfer and ModelStreamInfer, over a real connection."""

import asyncio

import grpc
import numpy as np
import pytest

from hasten.common.v1.timing_pb2 import Timing
from hasten.inference.v2 import inference_pb2 as pb
from hasten_worker.model import TensorSpec
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import EchoModel, echo_of, floats, model_spec, request_of
from tests.unit.worker_shell.harness import Bench, reason_of, running_worker, worker_settings


def values_of(response: pb.ModelInferResponse) -> list[float]:
    values: list[float] = np.frombuffer(response.raw_output_contents[0], "<f4").tolist()
    return values


async def refused(bench: Bench, request: pb.ModelInferRequest, **options: float) -> str:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await bench.public.ModelInfer(request, **options)
    return reason_of(caught.value) or caught.value.code().name


async def test_an_answer_echoes_the_id_and_names_the_version() -> None:
    async with running_worker() as bench:
        request = floats()
        request.id = "281474976710656"
        response = await bench.public.ModelInfer(request)
        assert values_of(response) == [0.0, 1.0, 2.0, 3.0]
        assert (response.id, response.model_name, response.model_version) == (
            "281474976710656",
            "echo",
            "1",
        )
        assert not response.parameters


async def test_requests_that_wait_share_a_batch_and_get_their_own_answers() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        first = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await asyncio.to_thread(model.entered.wait)
        others = []
        for number in range(5):
            request = request_of({"IN0": ("FP32", np.full((1, 4), number, np.float32))})
            others.append(asyncio.ensure_future(bench.public.ModelInfer(request)))
        await eventually(lambda: bench.shell.unanswered == 6)
        model.open.set()
        await first
        answers = [values_of(await other)[0] for other in others]
        assert answers == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert len(model.batches_run) < 6


async def test_hundreds_of_calls_at_once_over_one_connection_are_all_answered() -> None:
    async with running_worker(EchoModel(spec=model_spec(queue_max=1000))) as bench:

        async def caller() -> None:
            for _ in range(5):
                assert (await bench.public.ModelInfer(floats())).model_version == "1"

        async with asyncio.TaskGroup() as group:
            for _ in range(300):
                group.create_task(caller())


async def test_a_poisoned_request_fails_alone() -> None:
    model = EchoModel(fails_on=lambda member: bool((member["IN0"] < 0).any()))
    model.open.clear()
    async with running_worker(model) as bench:
        first = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await asyncio.to_thread(model.entered.wait)
        poison = request_of({"IN0": ("FP32", np.full((1, 4), -1, np.float32))})
        bad = asyncio.ensure_future(refused(bench, poison))
        good = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await eventually(lambda: bench.shell.unanswered == 3)
        model.open.set()
        await first
        assert values_of(await good) == [0.0, 1.0, 2.0, 3.0]
        assert await bad == "MODEL_FAILED"


async def test_what_is_wrong_with_a_request_is_said_and_the_next_one_is_answered() -> None:
    async with running_worker() as bench:
        request = floats()
        request.model_name = "nobody"
        assert await refused(bench, request) == "MODEL_NOT_FOUND"
        request = floats()
        request.model_version = "one"
        assert await refused(bench, request) == "INVALID_REQUEST"
        request = floats()
        request.model_name = ""
        assert await refused(bench, request) == "INVALID_REQUEST"
        request = floats()
        request.inputs[0].shape[0] = 2
        assert await refused(bench, request) == "BYTE_LENGTH_MISMATCH"
        request = floats()
        request.parameters["timeout"].int64_param = -1
        assert await refused(bench, request) == "INVALID_DEADLINE"
        call = bench.channel.unary_unary("/inference.GRPCInferenceService/ModelInfer")
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call(b"\xff\xff\xff")
        assert reason_of(caught.value) == "INVALID_REQUEST"
        assert values_of(await bench.public.ModelInfer(floats())) == [0.0, 1.0, 2.0, 3.0]


async def test_the_smaller_of_both_deadlines_is_kept() -> None:
    spec = model_spec(profile=((1, 1, 0.2), (8, 8, 0.2)))
    async with running_worker(EchoModel(spec=spec)) as bench:
        request = floats()
        request.parameters["timeout"].int64_param = 10_000
        assert await refused(bench, request, timeout=30) == "DEADLINE_INFEASIBLE"
        request.parameters["timeout"].int64_param = 30_000_000
        assert await refused(bench, request, timeout=0.05) in {
            "DEADLINE_INFEASIBLE",
            "DEADLINE_EXCEEDED",
        }
        assert await bench.public.ModelInfer(request, timeout=30)


async def test_a_client_that_leaves_frees_its_place() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        running = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await asyncio.to_thread(model.entered.wait)
        waiting = bench.public.ModelInfer(floats())
        await eventually(lambda: bench.shell.unanswered == 2)
        waiting.cancel()
        await eventually(lambda: bench.shell.unanswered == 1)
        model.open.set()
        await running
        assert len(model.batches_run) == 1


async def test_a_run_that_nobody_waits_for_is_stopped() -> None:
    model = EchoModel(spec=model_spec(run_s_max=600.0))
    model.open.clear()
    async with running_worker(model) as bench:
        call = bench.public.ModelInfer(floats())
        await asyncio.to_thread(model.entered.wait)
        call.cancel()
        # It is still held: nothing but its termination ends it.
        await eventually(lambda: bench.shell._machine.running == 0)
        model.open.set()
        assert await bench.public.ModelInfer(floats())


async def test_the_parts_of_the_time_come_as_a_trailer_when_asked_for() -> None:
    async with running_worker() as bench:
        request = floats()
        request.parameters["hasten_timing"].bool_param = True
        call = bench.public.ModelInfer(request)
        await call
        trailers = dict(await call.trailing_metadata())
        timing = Timing.FromString(trailers["hasten-timing-bin"])
        assert (timing.worker_id, timing.batch_rows) == ("w1", 1)
        assert timing.postprocess_us > 0
        assert timing.admission_us == timing.router_queue_us == timing.wire_us == 0


async def test_large_requests_of_strings_and_numbers_typed_are_decoded_beside_the_loop() -> None:
    strings, typed = echo_of("BYTES", (-1,)), echo_of("FP32", (-1,))
    async with running_worker(strings, typed) as bench:
        array = np.array([b"x" * 10] * 10_000, dtype=np.object_)
        request = request_of({"IN0": ("BYTES", array)}, model="echo_bytes")
        response = await bench.public.ModelInfer(request)
        assert response.raw_output_contents[0] == request.raw_input_contents[0]
        request = pb.ModelInferRequest(model_name="echo_fp32")
        tensor = request.inputs.add(name="IN0", datatype="FP32", shape=[50_000])
        tensor.contents.fp32_contents.extend([1.5] * 50_000)
        assert values_of(await bench.public.ModelInfer(request)) == [1.5] * 50_000
        request.inputs[0].shape[0] = 49_999
        assert await refused(bench, request) == "BYTE_LENGTH_MISMATCH"


async def test_a_model_loaded_anew_with_other_inputs_leaves_waiting_calls_on_the_old_one() -> None:
    old = EchoModel()
    old.open.clear()
    async with running_worker(old) as bench:
        calls = [asyncio.ensure_future(bench.public.ModelInfer(floats()))]
        await asyncio.to_thread(old.entered.wait)
        calls.append(asyncio.ensure_future(bench.public.ModelInfer(floats())))
        await eventually(lambda: bench.shell.unanswered == 2)
        new = EchoModel(
            inputs=(TensorSpec("IN0", "FP32", (-1, 2)),),
            outputs=(TensorSpec("OUT0", "FP32", (-1, 2)),),
        )
        bench.store.put(new)
        small = request_of({"IN0": ("FP32", np.ones((1, 2), np.float32))})
        calls.append(asyncio.ensure_future(bench.public.ModelInfer(small)))
        await eventually(lambda: bench.shell.unanswered == 3)
        old.open.set()
        answers = [values_of(await call) for call in calls]
        assert answers == [[0.0, 1.0, 2.0, 3.0], [0.0, 1.0, 2.0, 3.0], [1.0, 1.0]]
        assert len(new.batches_run) == 1


async def test_a_model_loaded_anew_as_it_was_takes_over_the_waiting_calls() -> None:
    old, new = EchoModel(), EchoModel()
    old.open.clear()
    async with running_worker(old) as bench:
        running = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await asyncio.to_thread(old.entered.wait)
        waiting = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await eventually(lambda: bench.shell.unanswered == 2)
        bench.store.put(new)
        old.open.set()
        await running
        await waiting
        assert (len(old.batches_run), len(new.batches_run)) == (1, 1)


async def test_a_closed_model_finishes_its_calls_and_is_then_released() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        call = asyncio.ensure_future(bench.public.ModelInfer(floats()))
        await asyncio.to_thread(model.entered.wait)
        bench.store.remove("echo")
        assert await refused(bench, floats()) == "MODEL_NOT_FOUND"
        assert bench.store.released == []
        model.open.set()
        await call
        await eventually(lambda: bench.store.released == ["echo/1"])


async def stream(
    bench: Bench, *requests: pb.ModelInferRequest, **metadata: str
) -> list[pb.ModelStreamInferResponse]:
    call = bench.public.ModelStreamInfer(iter(requests), metadata=tuple(metadata.items()))
    return [message async for message in call]


async def test_a_stream_answers_each_request_and_keeps_errors_in_band() -> None:
    async with running_worker() as bench:
        requests = [floats() for _ in range(20)]
        for number, request in enumerate(requests):
            request.id = str(number)
        requests[7].model_name = "nobody"
        messages = await stream(bench, *requests)
        errors = [message for message in messages if message.error_message]
        assert [message.infer_response.id for message in errors] == ["7"]
        assert "nobody" in errors[0].error_message
        answered = {m.infer_response.id for m in messages if not m.error_message}
        assert answered == {str(number) for number in range(20)} - {"7"}


async def test_the_last_response_of_a_request_is_marked_and_comes_once() -> None:
    async with running_worker() as bench:
        request = floats()
        request.parameters["triton_enable_empty_final_response"].bool_param = True
        messages = await stream(bench, request)
        assert len(messages) == 1
        assert messages[0].infer_response.parameters["triton_final_response"].bool_param


async def test_a_stream_ends_with_the_real_status_when_the_client_asks_for_it() -> None:
    async with running_worker() as bench:
        request = floats()
        request.model_name = "nobody"
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stream(bench, request, triton_grpc_error="true")
        assert reason_of(caught.value) == "MODEL_NOT_FOUND"


async def test_a_stream_that_breaks_off_cancels_what_it_has_in_flight() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench:
        call = bench.public.ModelStreamInfer()
        for _ in range(3):
            await call.write(floats())
        await eventually(lambda: bench.shell.unanswered == 3)
        call.cancel()
        await eventually(lambda: bench.shell.unanswered == 0)
        model.open.set()


async def test_bytes_that_are_no_request_are_an_error_in_the_stream() -> None:
    async with running_worker() as bench:
        call = bench.channel.stream_stream("/inference.GRPCInferenceService/ModelStreamInfer")
        stream = call(iter([b"\xff\xff", floats().SerializeToString()]))
        messages = [pb.ModelStreamInferResponse.FromString(data) async for data in stream]
        assert sorted(bool(message.error_message) for message in messages) == [False, True]


async def test_a_response_larger_than_a_message_is_refused() -> None:
    settings = worker_settings(grpc={"message_bytes_max": 200_000})
    # The request is a little shorter than its answer, which names the model twice.
    async with running_worker(echo_of("FP32", (-1,)), settings=settings) as bench:
        values = np.zeros(49_900, np.float32)
        request = request_of({"IN0": ("FP32", values)}, model="echo_fp32")
        assert await refused(bench, request) == "MESSAGE_TOO_LARGE"
        (message,) = await stream(bench, request)
        assert "one message" in message.error_message
