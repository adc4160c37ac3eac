"""What the parent of many router processes says of them."""

import asyncio
import json

import pytest

from hasten_router.processes import Addresses, Supervisor
from hasten_router.settings import RouterSettings
from tests.support.waiting import eventually


async def test_a_process_that_is_ready_twice_does_not_stand_for_one_that_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    supervisor = Supervisor(RouterSettings(processes=2), ())
    for pid in (1, 2):  # It ended before the other one was ready, and was started again.
        supervisor._ready.put_nowait((0, {"pid": pid, "metrics_address": "127.0.0.1:1"}))
    announcing = asyncio.create_task(supervisor._announce(Addresses("127.0.0.1:9", "")))
    await eventually(supervisor._ready.empty)
    await asyncio.sleep(0)
    assert not announcing.done()
    assert capsys.readouterr().out == ""
    supervisor._ready.put_nowait((1, {"pid": 3, "metrics_address": "127.0.0.1:2"}))
    await announcing
    said = json.loads(capsys.readouterr().out)
    assert (said["event"], said["processes"]) == ("ready", 2)
    assert said["metrics_address"] == "127.0.0.1:1"
