"""Who has a link: workers that come, move and leave."""

import pytest
from structlog.testing import capture_logs

from hasten_runtime.clock import SystemClock
from hasten_runtime.fleet.roster import RosterLimits
from tests.integration.fleet.rostering import Record, a_call, roster_of
from tests.support.fake_worker import FakeWorker
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.mark.every_network
async def test_an_announced_worker_is_linked_and_one_that_left_is_let_go(
    worker: FakeWorker,
) -> None:
    record = Record()
    async with roster_of(record, RosterLimits(leave_grace_s=0.05)) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        assert record.heard[:2] == [("joined", worker.address), ("reported", "w")]
        await announcer.withdraw("w")
        await eventually(lambda: not roster.links())
    told = [event for event in record.heard if event[0] != "reported"]
    assert told[-2:] == [("quiesced", "w"), ("lost", "w")]


async def test_a_worker_that_is_forgotten_for_a_moment_keeps_its_link(worker: FakeWorker) -> None:
    record = Record()
    async with roster_of(record, RosterLimits(leave_grace_s=30.0)) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        await announcer.withdraw("w")
        await announcer.announce("other", worker.address)
        await eventually(lambda: ("reported", "other") in record.heard)
        assert len(roster.links()) == 2
        assert ("quiesced", "w") not in record.heard
        await announcer.announce("w", worker.address)
        await announcer.announce("last", worker.address)
        # The roster has seen "w" again once it has linked who came after it.
        await eventually(lambda: ("reported", "last") in record.heard)
        assert worker.hellos == ["router"] * 3
        assert ("lost", "w") not in record.heard


async def test_a_worker_that_is_forgotten_and_down_is_let_go_at_once(worker: FakeWorker) -> None:
    record = Record()
    async with roster_of(record, RosterLimits(leave_grace_s=30.0)) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        await worker.stop()
        await eventually(lambda: ("lost", "w") in record.heard)
        await announcer.withdraw("w")
        await eventually(lambda: not roster.links())


async def test_a_worker_that_the_registry_does_not_take_keeps_its_link(worker: FakeWorker) -> None:
    record = Record()
    worker.unannounced = True
    limits = RosterLimits(leave_grace_s=0.05, leave_patience_s=60.0)
    async with roster_of(record, limits) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        (link,) = roster.links()
        await announcer.withdraw("w")
        await eventually(lambda: roster._leaving)
        # Its link may even break, as long as it is not away for long.
        await worker.stop()
        await eventually(lambda: ("lost", "w") in record.heard)
        await worker.start(worker.address)
        await eventually(lambda: record.heard.count(("joined", worker.address)) == 2)
        assert roster.links() == [link]
        assert ("quiesced", "w") not in record.heard
        # The registry is well again, and the worker has left it.
        worker.unannounced = False
        worker.report()
        await eventually(lambda: not roster.links())


@pytest.mark.every_network
async def test_a_worker_at_a_new_address_is_lost_first_and_joined_there(
    worker: FakeWorker,
) -> None:
    record = Record()
    moved = FakeWorker("w")
    await moved.start()
    try:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("w", worker.address)
            await eventually(lambda: ("reported", "w") in record.heard)
            await announcer.announce("w", moved.address)
            await eventually(lambda: ("joined", moved.address) in record.heard)
            at = record.heard.index(("lost", "w"))
            assert at < record.heard.index(("joined", moved.address))
    finally:
        await moved.stop()


async def test_a_worker_that_stays_may_have_another_weight(worker: FakeWorker) -> None:
    record = Record()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address, weight="2.5")
        await eventually(lambda: ("reported", "w") in record.heard)
        (link,) = roster.links()
        assert link.weight == 2.5
        await announcer.announce("w", worker.address, weight="0.5")
        await eventually(lambda: ("weighed 0.5", "w") in record.heard)
        assert roster.links() == [link]
        assert link.weight == 0.5
    heard = [what for what, _ in record.heard if what != "reported"]
    assert heard == ["joined", "weighed 0.5", "lost"]
    assert worker.hellos == ["router"]


async def test_a_weight_that_changes_while_a_worker_is_down_counts_when_it_joins(
    worker: FakeWorker,
) -> None:
    record = Record()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        await worker.stop()
        await eventually(lambda: ("lost", "w") in record.heard)
        (link,) = roster.links()
        await announcer.announce("w", worker.address, weight="3")
        await eventually(lambda: link.weight == 3.0)
        await worker.start(worker.address)
        await eventually(lambda: record.heard.count(("joined", worker.address)) == 2)
    assert not [what for what, _ in record.heard if what.startswith("weighed")]


async def test_a_leaving_worker_may_finish_its_calls(worker: FakeWorker) -> None:
    record = Record()
    worker.holds = True
    async with roster_of(record, RosterLimits(leave_grace_s=0.0)) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        roster.links()[0].send(a_call(1), SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.held) == 1)
        await announcer.withdraw("w")
        await eventually(lambda: ("quiesced", "w") in record.heard)
        assert roster.links(), "let go with a call unanswered"
        worker.release()
        await eventually(lambda: not roster.links())
    told = [event for event in record.heard if event[0] != "reported"]
    assert told[-3:] == [("quiesced", "w"), ("replied", "w"), ("lost", "w")]


async def test_more_workers_than_the_limit_are_left_out(worker: FakeWorker) -> None:
    record = Record()
    async with roster_of(record, RosterLimits(workers_max=1)) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        with capture_logs() as logs:
            await announcer.announce("a", worker.address)
            await eventually(lambda: [log for log in logs if log["event"] == "roster.full"])
        assert [link.worker_id for link in roster.links()] == ["w"]
