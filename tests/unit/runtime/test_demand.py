"""Demand as a process counts it, and how it tells it again and again."""

import asyncio
from contextlib import suppress

from hasten.common.v1.demand_pb2 import DemandState
from hasten_policy.reasons import Reason
from hasten_runtime.clock import ManualClock
from hasten_runtime.demand import ROWS_MAX, DemandTally, Ended
from hasten_runtime.fakes import MemoryLoadStore
from hasten_runtime.load_store import StoreUnavailable, Topic
from hasten_runtime.telling import Teller
from tests.support.waiting import eventually


def counted(*calls: Ended) -> DemandState:
    tally = DemandTally("r", ManualClock())
    for call in calls:
        tally.ended(call)
    return DemandState.FromString(tally.state())


def test_seconds_that_calls_need_are_those_of_the_calls_that_were_answered() -> None:
    answered = Ended("m", 1, rows=4, admitted=True, service_s=2.0)
    state = counted(answered, Ended("m", 1, rows=6, refused=Reason.OVERLOADED))
    (row,) = state.models
    assert (row.calls, row.rows, row.admitted, row.in_time) == (2, 10, 1, 1)
    assert row.service_s == 5.0
    (unknown,) = counted(Ended("m", 1, refused=Reason.OVERLOADED)).models
    assert unknown.service_s == 0.0


def test_names_that_clients_make_up_have_a_bound() -> None:
    tally = DemandTally("r", ManualClock())
    for number in range(3 * ROWS_MAX):
        tally.ended(Ended(f"m{number}", 1, service_s=1.0))
    opened = [(f"o{number}", 2, 1) for number in range(ROWS_MAX)]
    state = DemandState.FromString(tally.state(opened))
    assert len(state.models) <= ROWS_MAX + 2
    assert sum(row.calls for row in state.models) == 4 * ROWS_MAX
    assert {row.priority: row.calls for row in state.models if not row.model} == {
        1: 2 * ROWS_MAX,
        2: ROWS_MAX,
    }


def test_a_call_that_is_open_has_come_and_is_not_counted_twice_when_it_ends() -> None:
    clock = ManualClock()
    tally = DemandTally("r", clock)
    clock.advance(3.0)
    state = DemandState.FromString(tally.state([("m", 1, 4)], waiting=1))
    assert (state.age_s, state.waiting, state.models[0].calls, state.models[0].rows) == (3, 1, 1, 4)
    tally.ended(Ended("m", 1, rows=4))
    assert DemandState.FromString(tally.state()).models[0].calls == 1


def test_each_start_of_a_process_is_another_one() -> None:
    assert counted().incarnation != counted().incarnation


async def test_a_dead_store_does_not_end_the_telling() -> None:
    store = MemoryLoadStore()
    asked = 0

    async def say() -> bytes:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise StoreUnavailable("not now")
        return b"said"

    teller = Teller(store, Topic.BACKLOG, "s1", say)
    running = asyncio.create_task(teller.run())

    async def told() -> bool:
        return await store.told(Topic.BACKLOG) == {"s1": b"said"}

    await eventually(told)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await teller.hush()
    assert await store.told(Topic.BACKLOG) == {}
    store.available = False
    await teller.hush()
