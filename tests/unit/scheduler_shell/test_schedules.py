"""Schedules at an owner that may die, over a store that may be away, by a clock that may be set."""

import asyncio
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten_policy.scheduler.jobs.periods.civil import time_us
from hasten_runtime.clock import SystemClock
from hasten_runtime.tasks.port import State
from tests.support.jobs import JobOwner
from tests.support.schedules import SECOND, Station, pass_s
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    made = Station()
    working = asyncio.create_task(made.world.work())
    yield made
    working.cancel()


async def test_a_schedule_runs_at_each_of_its_times(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    created = await station.create()
    assert not created.repeated
    assert (await station.create()).repeated
    await eventually(lambda: station.world.runs.total() >= 3)
    shown = await station.get()
    assert shown.counts.done >= 2
    assert shown.counts.missed == shown.counts.failed == 0
    assert station.once()
    # A time is a multiple of the period, whoever asks.
    assert all(task_id.startswith("line/schedule:cam/19") for task_id in station.times)
    assert all(task_id.endswith("0Z") for task_id in station.times)
    await owner.close()


@pytest.mark.parametrize("dies_before", [False, True], ids=["after the call", "before the call"])
async def test_an_owner_that_dies_in_any_call_loses_no_run_and_repeats_none(
    station: Station, dies_before: bool
) -> None:
    await station.create(catch_up=pb.CATCH_UP_ALL, overlap=pb.OVERLAP_ALLOW)
    number = 0
    for call in range(1, 24):
        number += 1
        owner = JobOwner(
            station.world, station.kinds, number=number, dies_at=call, dies_before=dies_before
        )
        await owner.dead.wait()
        await owner.close()
    number += 1
    last = JobOwner(station.world, station.kinds, number=number)
    before = (await station.get()).counts.started
    await eventually(lambda: station.world.runs.total() > before + 2)

    async def settled() -> bool:
        counts = (await station.get()).counts
        return counts.done == counts.started - len((await station.get()).open_ids)

    await eventually(settled)
    assert station.once()
    times = sorted(time_us(task_id.rpartition("/")[2]) for task_id in station.times)
    # None is left out between the first and the last.
    assert all(later - sooner == 10 * SECOND for sooner, later in pairwise(times))
    shown = await station.get()
    assert shown.counts.missed == shown.counts.overlapped == 0
    await last.close()


async def test_a_store_that_is_away_over_periods_is_caught_up_with_by_the_rule(
    station: Station,
) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create("skip", catch_up=pb.CATCH_UP_SKIP)
    await station.create("one", catch_up=pb.CATCH_UP_ONE)
    await station.create("all", catch_up=pb.CATCH_UP_ALL, overlap=pb.OVERLAP_WAIT)
    await eventually(lambda: station.world.runs.total() >= 3)
    station.set_available(available=False)
    await pass_s(57.0)
    station.set_available(available=True)
    await pass_s(20.0)
    runs = {
        name: sum(f":{name}/" in task_id for task_id in station.times)
        for name in ("skip", "one", "all")
    }
    assert station.once()
    missed = (await station.get("skip")).counts.missed
    assert 4 <= missed <= 6
    assert (await station.get("one")).counts.missed == missed - 1
    assert (await station.get("all")).counts.missed == 0
    assert runs["one"] == runs["skip"] + 1
    assert runs["all"] == runs["skip"] + missed
    await owner.close()


class SetClock:
    """The clock of the store's server, which somebody sets."""

    def __init__(self, set_s: float) -> None:
        self._clock = SystemClock()
        self._set_s = set_s

    def now_s(self) -> float:
        return self._clock.now_s() + self._set_s


async def test_a_server_whose_clock_is_set_repeats_nothing_and_loses_nothing_unsaid(
    station: Station,
) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create()
    await eventually(lambda: station.world.runs.total() == 2)
    for store in station.world.stores:
        store._clock = SetClock(3600.0)
    # A minute later at most the owner has noticed.
    await pass_s(100.0)
    counts = (await station.get()).counts
    assert 350 <= counts.missed <= 370
    ran = station.world.runs.total()
    assert ran >= 4
    for store in station.world.stores:
        store._clock = SetClock(0.0)
    await pass_s(3500.0)
    # Times that were decided stay so: none comes a second time.
    assert station.world.runs.total() <= ran + 7
    await pass_s(300.0)
    assert station.world.runs.total() > ran + 7
    assert station.once()
    counts = (await station.get()).counts
    assert counts.missed <= 370
    await owner.close()


async def test_runs_that_fail_are_counted_and_the_next_goes_on(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    station.fails = True
    await station.create()
    await eventually(lambda: station.world.runs.total() == 1)
    station.fails = False
    await eventually(lambda: station.world.runs.total() == 2)

    async def counted() -> bool:
        counts = (await station.get()).counts
        return (counts.failed, counts.done) == (1, 1)

    await eventually(counted)
    await owner.close()


async def test_the_one_before_is_cancelled(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    station.world.working = False
    await station.create(overlap=pb.OVERLAP_CANCEL_PREVIOUS)
    await pass_s(35.0)
    shown = await station.get()
    assert shown.counts.cancelled == shown.counts.started - 1
    assert len(shown.open_ids) == 1
    assert (await station.task_of(shown.open_ids[0])).state is State.WAITING
    await owner.close()
