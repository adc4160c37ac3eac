"""Processes are hit as the plan says, and go on or start again."""

import os
import sys

import psutil
import pytest

from hasten_cli.local.plan import ServiceSpec
from hasten_cli.local.run_folder import RunFolder
from loadtest.breaking import DOWN_S, STOPPED_S, Breakable, plan
from tests.support.waiting import eventually

READY = 'import time; print(\'{"event": "ready"}\', flush=True); time.sleep(600)'


def spec(source: str) -> ServiceSpec:
    return ServiceSpec("thing", "worker", (sys.executable, "-c", source), dict(os.environ), 5.0)


def test_a_plan_is_the_same_for_the_same_seed_and_fills_the_time() -> None:
    hits = plan(7, 200, 100.0)
    assert hits == plan(7, 200, 100.0)
    assert hits != plan(8, 200, 100.0)
    assert [hit.at_s for hit in hits] == sorted(hit.at_s for hit in hits)
    assert 0 <= hits[0].at_s < hits[-1].at_s <= 100.0
    assert {(hit.kind, hit.killed) for hit in hits} == {
        (kind, killed) for kind in STOPPED_S for killed in (True, False)
    }
    for hit in hits:
        least_s, most_s = DOWN_S if hit.killed else STOPPED_S[hit.kind]
        assert least_s <= hit.for_s <= most_s


@pytest.mark.integration
async def test_what_is_killed_is_started_again_and_what_is_stopped_goes_on() -> None:
    with RunFolder() as folder:
        part = Breakable(spec(READY), folder)
        assert await part.start() == {"event": "ready"}
        first = part._child.pid
        await part.stop(0.01)
        assert psutil.Process(first).status() != psutil.STATUS_STOPPED
        assert part.whole
        await part.kill(0.01)
        assert part.whole
        assert part._child.pid != first
        assert not psutil.pid_exists(first)
        assert part.ended is None
        await part.close()


@pytest.mark.integration
async def test_what_ends_by_itself_is_noticed() -> None:
    with RunFolder() as folder:
        part = Breakable(spec(READY.replace("600", "0") + "; raise SystemExit(3)"), folder)
        await part.start()
        await eventually(lambda: part.ended == 3)
        await part.close()
