"""Routers hear which of their calls run, so that they know what a worker died of."""

import asyncio

from hasten.worker.v1 import worker_service_pb2 as wpb
from tests.support.waiting import eventually
from tests.unit.worker_shell.fakes import EchoModel
from tests.unit.worker_shell.harness import Router, running_worker
from tests.unit.worker_shell.test_links import calls


async def running_told(router: Router) -> wpb.Running:
    """The next that the link hears of what runs."""
    while True:
        message = await router.read()
        if message.HasField("running"):
            return message.running


async def test_a_link_hears_what_runs_as_soon_as_others_wait_and_before_each_batch() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        assert not any(message.HasField("running") for message in router.messages)
        await router.send(*calls(2))
        told = await running_told(router)
        assert (list(told.call_ids), told.others_wait) == ([1], True)
        await router.send(*calls(3))
        await eventually(lambda: bench.shell.unanswered == 3)
        model.open.set()
        # The answer and what runs next share a message.
        told = await running_told(router)
        assert 1 in router.replies
        assert (list(told.call_ids), told.others_wait) == ([2, 3], False)
        await router.reply(2)


async def test_a_call_that_must_be_alone_shares_no_batch() -> None:
    model = EchoModel()
    model.open.clear()
    async with running_worker(model) as bench, Router(bench) as router:
        await router.send(*calls(1))
        await asyncio.to_thread(model.entered.wait)
        await router.send(*calls(2, alone=True), *calls(3, 4))
        await eventually(lambda: bench.shell.unanswered == 4)
        model.open.set()
        rows = [(await router.reply(call_id)).timing.batch_rows for call_id in (2, 3, 4)]
        assert rows == [1, 2, 2]


async def test_a_worker_that_leaves_says_that_nothing_runs() -> None:
    async with running_worker() as bench, Router(bench) as router:
        bench.worker.door.finish()
        told = await running_told(router)
        assert (list(told.call_ids), told.others_wait) == ([], True)
