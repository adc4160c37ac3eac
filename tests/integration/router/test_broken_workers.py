"""Workers that break and come back."""

import asyncio

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from tests.integration.router.harness import request, router_over
from tests.support.fake_worker import FakeWorker, model_load
from tests.support.ports import free_port
from tests.support.waiting import eventually


async def test_calls_on_a_worker_that_dies_are_answered_by_another() -> None:
    workers = [FakeWorker("a"), FakeWorker("b")]
    for worker in workers:
        worker.holds = True
    async with router_over(*workers) as (client, _):
        calls = [client.start(request(request_id=str(n))) for n in range(8)]
        answers = asyncio.gather(*calls)
        await eventually(lambda: sum(len(worker.held) for worker in workers) == 8)
        dying, other = workers if workers[0].held else reversed(workers)
        await dying.stop()
        await eventually(lambda: len(other.held) == 8)
        other.release()
        ids = [pb.ModelInferResponse.FromString(answer).id for answer in await answers]
    assert ids == [str(n) for n in range(8)]


async def test_a_dead_worker_is_out_at_once_and_back_when_it_returns() -> None:
    worker = FakeWorker()
    # A port of the system's choice could be another process's by the time it comes back.
    address = await worker.start(f"127.0.0.1:{free_port()}")
    async with router_over(worker) as (client, router):
        await worker.stop()
        await eventually(lambda: not router.mesh.ready())
        assert (await client.refusal(client.start()))[0] == "UNAVAILABLE"
        worker.incarnation = "2"
        await worker.start(address)
        await eventually(router.mesh.ready)
        assert (await client.infer(request(request_id="back"))).id == "back"
    assert worker.hellos == ["router", "router"]


async def test_a_worker_that_talks_nonsense_is_dropped_and_tried_again() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, router):
        worker.models = [model_load(best_s=-1.0)]
        worker.report()
        await eventually(lambda: not router.mesh.ready())
        worker.models = [model_load()]
        await eventually(router.mesh.ready)
        assert (await client.infer()).model_name == "echo"


async def test_a_model_that_appears_is_served_after_the_next_report() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, _):
        assert (await client.refusal(client.start(request("late"))))[0] == "NOT_FOUND"
        worker.models = [model_load(), model_load("late")]
        worker.report()

        async def ready() -> bool:
            answer = await client.ask(
                "ModelReady", pb.ModelReadyRequest(name="late"), pb.ModelReadyResponse
            )
            return bool(answer.ready)

        await eventually(ready)
        assert (await client.infer(request("late"))).model_name == "late"


async def test_refused_elsewhere_is_tried_once_more_on_another_worker() -> None:
    full, free = FakeWorker("full"), FakeWorker("free")
    full.refuses = Refusal(Reason.QUEUE_FULL, "the queue is full", retry_after_s=0.1)
    async with router_over(full, free) as (client, _):
        for n in range(10):
            assert (await client.infer(request(request_id=str(n)))).id == str(n)
    assert len(full.calls) > 0


async def test_only_calls_that_ran_when_a_worker_died_run_alone_elsewhere() -> None:
    workers = [FakeWorker("a"), FakeWorker("b")]
    for worker in workers:
        worker.holds = True
    async with router_over(*workers) as (client, router):
        calls = [client.start(request(data=b"%d" % n)) for n in range(8)]
        answers = asyncio.gather(*calls)
        await eventually(lambda: sum(len(worker.held) for worker in workers) == 8)
        dying, other = workers if workers[0].held else reversed(workers)
        ran = dying.held[0][0]
        dying.say_running(ran.call_id)
        (link,) = [one for one in router.roster.links() if one.worker_id == dying.address]
        await eventually(lambda: link._running._last is not None)
        before = len(other.calls)
        await dying.stop()
        await eventually(lambda: len(other.held) == 8)
        alone = {call.call_id for call in other.calls[before:] if call.alone}
        other.release()
        await answers
    assert alone == {ran.call_id}


async def test_a_worker_whose_link_only_fell_silent_or_ended_in_order_is_blamed_for_nothing() -> (
    None
):
    workers = [FakeWorker("a"), FakeWorker("b")]
    for worker in workers:
        worker.holds = True
    async with router_over(*workers) as (client, _):
        answers = asyncio.gather(*(client.start(request(request_id=str(n))) for n in range(4)))
        await eventually(lambda: sum(len(worker.held) for worker in workers) == 4)
        dying, other = workers if workers[0].held else reversed(workers)
        dying.say_fault(Refusal(Reason.QUEUE_FULL, "the reader is too slow"))
        await eventually(lambda: len(other.held) == 4)
        other.release()
        await answers
    assert not any(call.alone for call in other.calls)
