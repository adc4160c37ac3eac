"""What callers do with schedules, and hard ones."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from hasten.scheduler.v1 import schedule_service_pb2 as pb
from hasten.scheduler.v1 import stored_schedule_pb2 as stored_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.tasks import RESERVED_BELOW
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import State
from tests.support.jobs import JobOwner, request_bytes
from tests.support.schedules import ANY, SECOND, Station, named, pass_s, refused
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.fixture
async def station() -> AsyncIterator[Station]:
    made = Station()
    working = asyncio.create_task(made.world.work())
    yield made
    working.cancel()


# --- what callers do ---------------------------------------------------------------------


async def test_a_paused_schedule_lets_its_times_go_by(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create(catch_up=pb.CATCH_UP_ALL, overlap=pb.OVERLAP_ALLOW)
    await station.callers.PauseSchedule(pb.PauseScheduleRequest(name=named()), ANY)
    await pass_s(100.0)
    assert not station.times
    shown = await station.get()
    assert shown.state == pb.SCHEDULE_STATE_PAUSED
    assert not shown.next_us
    await station.callers.ResumeSchedule(pb.ResumeScheduleRequest(name=named()), ANY)
    await pass_s(15.0)
    # Those that went by are nobody's, whatever the catch-up rule.
    assert 1 <= len(station.times) <= 2
    assert (await station.get()).counts.missed == 0
    await owner.close()


async def test_a_pause_leaves_no_run_behind_whenever_it_comes(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    station.world.working = False
    await station.create(period_us=SECOND // 10, deadline_us=SECOND // 10, request=request_bytes())
    for _ in range(12):
        # At another moment of the owner's steps each time.
        await pass_s(0.97)
        await station.callers.PauseSchedule(pb.PauseScheduleRequest(name=named()), ANY)
        await pass_s(0.1)
        shown = await station.get()
        there = [
            record.task_id.partition("/")[2]
            for queue in station.world.queues
            for record in (await queue.page("", 999))[0]
            if record.state is State.LATER
        ]
        assert not set(there) - set(shown.open_ids), "a run that no schedule knows of"
        for each in shown.open_ids:
            await station.task_of(each)
        await station.callers.ResumeSchedule(pb.ResumeScheduleRequest(name=named()), ANY)
    await owner.close()


async def test_an_update_takes_back_what_was_handed_over_early(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create(period_us=SECOND, deadline_us=SECOND)
    await eventually(lambda: len(station.times) > 2)
    spec = pb.ScheduleSpec(period_us=3600 * SECOND)
    update = pb.UpdateScheduleRequest(name=named(), spec=spec)
    changed = await station.callers.UpdateSchedule(update, ANY)
    assert changed.schedule.spec.period_us == 3600 * SECOND
    assert changed.schedule.spec.request == request_bytes()
    ran = len(station.times)
    await pass_s(30.0)
    # One may have begun before its owner heard.
    assert len(station.times) <= ran + 1
    assert not (await station.get()).open_ids
    other = pb.ScheduleSpec(period_us=SECOND, request=request_bytes("other"))
    update = pb.UpdateScheduleRequest(name=named(), spec=other)
    refusal = await refused(lambda: station.callers.UpdateSchedule(update, ANY))
    assert dict(refusal.metadata)["field"] == "request"
    await owner.close()


async def test_a_deleted_schedule_is_gone_and_its_name_is_free(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create(period_us=SECOND, deadline_us=SECOND)
    await eventually(lambda: len(station.times) > 1)
    await station.callers.DeleteSchedule(pb.DeleteScheduleRequest(name=named()), ANY)
    assert (await refused(station.get)).reason is Reason.JOB_NOT_FOUND
    listed = await station.callers.ListSchedules(pb.ListSchedulesRequest(), ANY)
    assert not listed.schedules
    ran = len(station.times)
    await pass_s(10.0)
    assert len(station.times) <= ran + 1
    assert not (await station.create(period_us=5 * SECOND)).repeated
    await owner.close()


async def test_a_run_is_triggered_also_for_a_time_that_was_left_out(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create(period_us=3600 * SECOND)
    await station.callers.PauseSchedule(pb.PauseScheduleRequest(name=named()), ANY)
    trigger = pb.TriggerNowRequest(name=named())
    now = await station.callers.TriggerNow(trigger, ANY)
    await eventually(lambda: len(station.times) == 1)
    assert station.times[0] == f"line/{now.request_id}"
    for _ in range(2):
        missed = pb.TriggerNowRequest(name=named(), at_us=1)
        made = await station.callers.TriggerNow(missed, ANY)
        assert made.request_id == "schedule:cam/1970-01-01T00:00:00.000001Z"
    await eventually(lambda: len(station.times) == 2)
    await pass_s(5.0)
    assert station.once()
    ahead = pb.TriggerNowRequest(name=named(), at_us=10**18)
    refusal = await refused(lambda: station.callers.TriggerNow(ahead, ANY))
    assert dict(refusal.metadata)["field"] == "at_us"
    await owner.close()


async def test_the_times_to_come_are_told_in_their_order(station: Station) -> None:
    await station.create("a", period_us=10 * SECOND)
    await station.create("b", cron="* * * * *", period_us=0)
    one = await station.callers.NextRuns(pb.NextRunsRequest(name=named("a"), runs_max=3), ANY)
    assert [run.at_us % (10 * SECOND) for run in one.runs] == [0, 0, 0]
    every = await station.callers.NextRuns(pb.NextRunsRequest(within_us=60 * SECOND), ANY)
    assert [run.at_us for run in every.runs] == sorted(run.at_us for run in every.runs)
    assert {run.name.name for run in every.runs} == {"a", "b"}
    assert {run.model for run in every.runs} == {"m"}
    await station.known.look()
    assert station.due == {"m": 7}


@pytest.mark.parametrize(
    ("field", "spec"),
    [
        ("period_us", {"period_us": 0}),
        ("cron", {"period_us": 0, "cron": "61 * * * *"}),
        ("time_zone", {"period_us": 0, "cron": "* * * * *", "time_zone": "Europe/Atlantis"}),
        ("time_zone", {"period_us": 0, "cron": "* * * * *", "time_zone": "../etc/passwd"}),
        ("time_zone", {"period_us": 0, "cron": "* * * * *", "time_zone": "Europe"}),
        ("time_zone", {"time_zone": "Europe/Berlin"}),
        ("period_us", {"period_us": 10}),
        ("phase_us", {"phase_us": 10 * SECOND}),
        ("catch_up", {"catch_up": 77}),
        ("overlap", {"overlap": 77}),
        ("deadline_us", {"hard": True}),
        ("deadline_us", {"hard": True, "deadline_us": 11 * SECOND}),
        ("catch_up", {"hard": True, "deadline_us": SECOND, "catch_up": pb.CATCH_UP_ALL}),
        ("overlap", {"hard": True, "deadline_us": SECOND, "overlap": pb.OVERLAP_WAIT}),
        ("run_us", {"run_us": 7}),
        ("priority", {"priority": 9}),
        ("keep_us", {"keep_us": 10**15}),
        ("labels", {"labels": {"": "x"}}),
        ("request", {"request": request_bytes() + b"\x12\x00" * 40_000}),
        (None, {"request": request_bytes("none")}),
        (None, {"request": b"nonsense"}),
    ],
)
async def test_what_is_no_schedule_is_refused_by_name_and_not_stored(
    station: Station, field: str | None, spec: dict[str, Any]
) -> None:
    refusal = await refused(lambda: station.create(**spec))
    if field is not None:
        assert refusal.reason is Reason.INVALID_REQUEST
        assert dict(refusal.metadata)["field"] == field
    assert (await refused(station.get)).reason is Reason.JOB_NOT_FOUND


# --- hard ones ---------------------------------------------------------------------------

HARD: dict[str, Any] = {"hard": True, "period_us": SECOND, "deadline_us": SECOND // 2}


async def test_a_hard_schedule_needs_a_place_and_its_runs_go_first(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    await station.create(**HARD)
    assert station.reserved[-1][0].name == "line/schedule:cam"
    assert station.reserved[-1][0].period_us == SECOND
    refusal = await refused(lambda: station.create("other", **HARD))
    assert refusal.reason is Reason.RESERVATION_INFEASIBLE
    assert "response 7 ms, deadline 5 ms" in refusal.message

    async def gone() -> bool:
        found = await refused(lambda: station.get("other"))
        return found.reason is Reason.JOB_NOT_FOUND

    await eventually(gone)
    shown: Any = await eventually(lambda: shown_with_runs(station))
    waiting = await station.task_of(shown.open_ids[-1])
    assert waiting.lane.priority == 0
    assert waiting.left_s <= waiting.start_in_s + 0.5
    station.world.working = False
    await pass_s(1.0)
    term = station.world.term
    assert term is not None
    for queue in station.world.queues:
        await queue.promote(term, 9)
    fronts = [front for queue in station.world.queues for front in await queue.fronts(term, [], 9)]
    assert fronts
    assert all(place < RESERVED_BELOW for front in fronts for place in front.places)
    await owner.close()


async def shown_with_runs(station: Station) -> pb.Schedule | None:
    shown = await station.get()
    return shown if shown.open_ids else None


async def test_of_two_that_exclude_each_other_the_first_gets_its_place(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    answers = await asyncio.gather(
        *(station.create(name, **HARD) for name in ("a", "b", "c")), return_exceptions=True
    )
    assert sum(isinstance(answer, pb.CreateScheduleResponse) for answer in answers) == 1
    await station.known.look()
    assert len(station.reserved[-1]) == 1
    await owner.close()


async def test_a_hard_schedule_that_nobody_admitted_runs_nothing_and_can_be_created_again(
    station: Station,
) -> None:
    owner = JobOwner(station.world, station.kinds)

    async def vanish(*_: object) -> None:
        raise MeshError(Refusal(Reason.STORE_UNAVAILABLE, "its creator leaves here"))

    known: Any = station.known
    check, known.check = known.check, vanish
    await refused(lambda: station.create(**HARD))
    await pass_s(5.0)
    assert not station.times
    known.check = check
    assert (await station.create(**HARD)).repeated
    await eventually(lambda: station.times)
    await owner.close()


async def test_what_cannot_be_read_is_left_alone(station: Station) -> None:
    owner = JobOwner(station.world, station.kinds)
    spec = pb.ScheduleSpec(cron="never")
    body = stored_pb.StoredSchedule(spec=spec, model="m").SerializeToString()
    await station.world.desk.create(
        "schedule", "line", "odd", digest=b"x" * 16, keep_s=0.0, spec=b"", body=body
    )
    await station.create()
    await eventually(lambda: station.times)
    await owner.close()
