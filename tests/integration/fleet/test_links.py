"""What a link to one worker does, and what becomes of it."""

import asyncio
from collections.abc import Iterable
from typing import cast

import pytest
from structlog.testing import capture_logs

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.clock import SystemClock
from hasten_runtime.fleet import silence
from hasten_runtime.fleet.port import Reply
from hasten_runtime.fleet.roster import RosterLimits
from tests.integration.fleet.rostering import SILENCE_S, Record, a_call, roster_of
from tests.support.fake_worker import FakeWorker, request
from tests.support.framed import frame
from tests.support.rpc import served
from tests.support.waiting import eventually

pytestmark = pytest.mark.virtual_time


@pytest.mark.every_network
async def test_calls_of_one_moment_share_a_message_up_to_its_size(worker: FakeWorker) -> None:
    record = Record()
    worker.holds = True
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        link = roster.links()[0]
        for call_id in range(1, 51):
            link.send(a_call(call_id), SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.held) == 50)
        assert worker.messages == 1
        large = a_call(51)
        large.payload = request(data=bytes(5 * 1024 * 1024)).SerializeToString()
        link.send(large, SystemClock().now_s() + 60.0)
        link.send(a_call(52), SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.held) == 52)
        assert worker.messages == 3
    assert [call.call_id for call in worker.calls] == list(range(1, 53))


async def test_a_call_revoked_before_it_was_sent_is_taken_back_and_counts_as_received(
    worker: FakeWorker,
) -> None:
    record = Record()
    worker.holds = True
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        link = roster.links()[0]
        link.send(a_call(1), SystemClock().now_s() + 60.0)
        link.revoke(1)
        # It has no reply; nobody waits for one.
        async with asyncio.timeout(60):
            await link.quiet()
        link.send(a_call(2), SystemClock().now_s() + 60.0)
        await eventually(lambda: worker.held)
        assert [call.call_id for call in worker.calls] == [2]
        assert not worker.cancelled
        worker.report()
        await eventually(lambda: record.received == 2)


async def test_cancels_do_not_wait_for_a_pause_between_calls(worker: FakeWorker) -> None:
    record = Record()
    worker.holds = True
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        link = roster.links()[0]
        link.send(a_call(1), SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.calls) == 1)
        link.revoke(1)
        link.send(a_call(2), SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.calls) == 2)
        assert worker.cancelled == [1]
    assert worker.messages == 2


@pytest.mark.every_network
async def test_a_call_that_cannot_be_written_costs_one_link_for_a_moment(
    worker: FakeWorker,
) -> None:
    record = Record()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        impossible = a_call(1)
        impossible.priority = -1
        roster.links()[0].send(impossible, SystemClock().now_s() + 60.0)
        await eventually(lambda: len(worker.hellos) == 2)
        await eventually(lambda: record.heard.count(("joined", worker.address)) == 2)
        roster.links()[0].send(a_call(2), SystemClock().now_s() + 60.0)
        await eventually(lambda: ("replied", "w") in record.heard)


async def test_a_fault_of_ours_costs_one_link_for_a_moment(worker: FakeWorker) -> None:
    class Faulty(Record):
        def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
            super().replied(worker_id, replies)
            raise ZeroDivisionError

    record = Faulty()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        with capture_logs() as logs:
            roster.links()[0].send(a_call(1), SystemClock().now_s() + 60.0)
            await eventually(lambda: len(worker.hellos) == 2)
        assert ("lost", "w") in record.heard
        assert "link.crashed" in [log["event"] for log in logs]


async def test_a_worker_that_stands_still_loses_its_link_and_gets_it_back(
    worker: FakeWorker,
) -> None:
    record = Record()
    async with roster_of(record, RosterLimits()) as (_, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        worker.silent = True
        await eventually(lambda: ("lost", "w") in record.heard)
        worker.silent = False
        await eventually(lambda: record.heard[-1] == ("reported", "w"))
    assert "nothing was heard for 1 s" in record.causes


@pytest.mark.every_network
async def test_a_worker_that_ends_the_link_says_why(worker: FakeWorker) -> None:
    record = Record()
    async with roster_of(record, RosterLimits()) as (_, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        worker.say_fault(Refusal(Reason.QUEUE_FULL, "the reader is too slow"))
        await eventually(lambda: ("lost", "w") in record.heard)
    assert record.causes[0] == "QUEUE_FULL: the reader is too slow"


async def test_a_large_answer_over_a_slow_network_is_no_silence(worker: FakeWorker) -> None:
    record = Record()
    clock = SystemClock()
    async with roster_of(record, RosterLimits()) as (_, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        worker.silent = True
        content = frame(bytes(10_000))
        slowly = iter(range(len(content)))
        ends_s = clock.now_s() + 2.5 * SILENCE_S

        def trickles() -> bool:
            at = next(slowly)
            worker.write(content[at : at + 1])
            return clock.now_s() > ends_s

        await eventually(trickles)
        assert ("lost", "w") not in record.heard
        await eventually(lambda: ("lost", "w") in record.heard)
    assert f"nothing was heard for {SILENCE_S:g} s" in record.causes


async def test_a_worker_that_takes_in_a_heavy_call_may_be_silent_for_longer(
    worker: FakeWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "HEAVY_BYTES_MIN", 100_000)
    monkeypatch.setattr(silence, "HEAVY_BYTES_PER_S", 10)
    record = Record()
    clock = SystemClock()
    async with roster_of(record, RosterLimits()) as (roster, announcer):
        await announcer.announce("w", worker.address)
        await eventually(lambda: ("reported", "w") in record.heard)
        worker.holds = worker.silent = True
        call = a_call(1)
        call.payload = request(data=bytes(200_000)).SerializeToString()
        roster.links()[0].send(call, clock.now_s() + 60.0)
        ends_s = clock.now_s() + 2.5 * SILENCE_S
        await eventually(lambda: clock.now_s() > ends_s)
        assert ("lost", "w") not in record.heard
        worker.release()
        await eventually(lambda: ("lost", "w") in record.heard)
    assert f"nothing was heard for {SILENCE_S:g} s" in record.causes


@pytest.mark.every_network
async def test_why_a_link_cannot_be_opened_is_logged_once(worker: FakeWorker) -> None:
    record = Record()
    worker.hide_links()
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("w", worker.address)
            await eventually(lambda: len(worker.hellos) > 5)
    told = [log for log in logs if log["event"] == "link.not_opened"]
    assert [(log["worker_id"], log["address"]) for log in told] == [("w", worker.address)]
    assert f"port {worker.links_port} of its links cannot be reached" in told[0]["cause"]
    assert not record.heard


@pytest.mark.every_network
async def test_a_worker_that_does_not_take_the_ticket_has_not_joined(worker: FakeWorker) -> None:
    record = Record()
    worker.admits = False
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (roster, announcer):
            await announcer.announce("w", worker.address)
            await eventually(lambda: len(worker.hellos) > 3)
            assert not roster.links()[0].connected
            assert not record.heard
            worker.admits = True
            await eventually(lambda: ("reported", "w") in record.heard)
            assert roster.links()[0].connected
    told = [log["cause"] for log in logs if log["event"] == "link.not_opened"]
    assert told == ["the worker closed it, and did not take the ticket"]
    assert record.heard[0] == ("joined", worker.address)


async def test_a_worker_whose_first_word_is_a_fault_has_not_joined(worker: FakeWorker) -> None:
    record = Record()
    worker.silent = True
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("w", worker.address)
            await eventually(lambda: worker.links_open == 1)
            worker.say_fault(Refusal(Reason.DRAINING, "it is leaving"))
            await eventually(lambda: len(worker.hellos) == 2)
            assert not record.heard
    assert "DRAINING: it is leaving" in [log.get("cause") for log in logs]


async def test_a_worker_that_takes_the_ticket_and_says_nothing_has_not_joined(
    worker: FakeWorker,
) -> None:
    record = Record()
    worker.silent = True
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("w", worker.address)
            await eventually(lambda: len(worker.hellos) == 2)
            assert not record.heard
    assert "nothing was heard for 1 s" in [log.get("cause") for log in logs]


@pytest.mark.every_network
async def test_a_worker_without_an_answer_is_named_in_the_log() -> None:
    record = Record()
    heard: list[asyncio.Transport] = []

    class Mute(asyncio.Protocol):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            heard.append(cast("asyncio.Transport", transport))

    mute = await asyncio.get_running_loop().create_server(Mute, "127.0.0.1", 0)
    port = mute.sockets[0].getsockname()[1]
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits(), connect_s_max=0.5) as (_, announcer):
            await announcer.announce("w", f"127.0.0.1:{port}")
            await eventually(lambda: [log for log in logs if log["event"] == "link.not_opened"])
    assert [log["cause"] for log in logs if log["event"] == "link.not_opened"] == [
        "OpenLink did not answer within 0.5 s"
    ]
    mute.close()
    for transport in heard:
        transport.abort()


@pytest.mark.every_network
async def test_a_worker_older_than_links_is_named_in_the_log() -> None:
    record = Record()
    server, address = await served(())
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("old", address)
            await eventually(lambda: [log for log in logs if log["event"] == "link.not_opened"])
    await server.stop(None)
    assert "older" in next(log["cause"] for log in logs if log["event"] == "link.not_opened")
