"""Workers that break, come back, move and leave."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from hasten.inference.v2 import inference_pb2 as pb
from hasten_policy.load import WorkerReport
from hasten_policy.reasons import Reason, Refusal
from hasten_router.calls import Call, Reply
from hasten_router.links.link import FrameLink, LinkContext, LinkLimits
from hasten_router.links.roster import Roster, RosterLimits
from hasten_router.transport import WorkerLink
from hasten_runtime.clock import SystemClock
from hasten_runtime.discovery.port import Discovery, Instance
from hasten_runtime.fakes import Board, memory_discovery
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.grpc_server import ServerLimits, bind, make_server
from tests.integration.router.fake_worker import FakeWorker, model_load
from tests.integration.router.harness import request, router_over
from tests.support.framed import frame
from tests.support.waiting import eventually

SILENCE_S = 1.0


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
    async with router_over(worker) as (client, router):
        address = worker.address
        await worker.stop()
        await eventually(lambda: not router.outlook.ready())
        assert (await client.refusal(client.start()))[0] == "UNAVAILABLE"
        worker.incarnation = "2"
        await worker.start(address)
        await eventually(router.outlook.ready)
        assert (await client.infer(request(request_id="back"))).id == "back"
    assert worker.hellos == ["router", "router"]


async def test_a_worker_that_talks_nonsense_is_dropped_and_tried_again() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, router):
        worker.models = [model_load(best_s=-1.0)]
        worker.report()
        await eventually(lambda: not router.outlook.ready())
        worker.models = [model_load()]
        await eventually(router.outlook.ready)
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


# --- the roster ---------------------------------------------------------------------------


class Record:
    """A listener that writes down what it hears."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, str]] = []
        self.causes: list[str] = []

    def joined(self, link: WorkerLink) -> None:
        self.heard.append(("joined", link.address))

    def replied(self, worker_id: str, replies: Iterable[Reply]) -> None:
        self.heard.extend(("replied", worker_id) for _ in replies)

    def reported(self, worker_id: str, report: WorkerReport) -> None:
        del report
        if ("reported", worker_id) not in self.heard[-1:]:
            self.heard.append(("reported", worker_id))

    def quiesced(self, worker_id: str) -> None:
        self.heard.append(("quiesced", worker_id))

    def lost(self, worker_id: str, cause: str) -> None:
        self.causes.append(cause)
        self.heard.append(("lost", worker_id))


@asynccontextmanager
async def roster_of(
    record: Record, limits: RosterLimits, *, connect_s_max: float = 3.0
) -> AsyncIterator[tuple[Roster, "Announcer"]]:
    board = Board()
    discovery = memory_discovery(board, ttl_s=1.0, renew_s=0.1, settle_s=0.0)
    announcer = Announcer(board)
    shared = LinkContext(
        record,
        SystemClock(),
        "router",
        LinkLimits(
            connect_s_max=connect_s_max,
            silence_s_max=SILENCE_S,
            backoff_s_min=0.01,
            backoff_s_max=0.05,
        ),
    )
    roster = Roster(
        discovery,
        record,
        lambda name, address: FrameLink(name, address, make_channel(address), shared),
        limits,
    )
    running = asyncio.create_task(roster.run())
    try:
        yield roster, announcer
    finally:
        running.cancel()
        await asyncio.wait([running])
        await discovery.close()
        await announcer.close()


class Announcer:
    """Announces workers by name and address, each as a process of its own would."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._processes: dict[str, Discovery] = {}
        self._ended: list[Discovery] = []

    async def announce(self, name: str, address: str) -> None:
        """The worker is at this address now; a former process of that name says nothing more."""
        process = memory_discovery(self._board, ttl_s=60.0, renew_s=30.0, settle_s=0.0)
        await process.register(Instance("worker", name, address))
        if name in self._processes:
            self._ended.append(self._processes[name])
        self._processes[name] = process

    async def withdraw(self, name: str) -> None:
        """The worker leaves the registry."""
        await self._processes.pop(name).close()

    async def close(self) -> None:
        for process in (*self._processes.values(), *self._ended):
            await process.close()


def a_call(call_id: int) -> Call:
    call = Call("echo", "", request().SerializeToString(), arrived_s=0.0)
    call.call_id = call_id
    return call


@pytest.fixture
async def worker() -> AsyncIterator[FakeWorker]:
    fake = FakeWorker("w")
    await fake.start()
    yield fake
    await fake.stop()


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


async def test_a_call_revoked_before_it_was_sent_is_sent_and_then_cancelled(
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
        await eventually(lambda: worker.cancelled == [1])
        assert [call.call_id for call in worker.calls] == [1]
        assert not worker.held
        # A cancelled call has no reply; nobody waits for one.
        async with asyncio.timeout(60):
            await link.quiet()


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


async def test_a_worker_without_an_answer_is_named_in_the_log() -> None:
    record = Record()
    with socket.create_server(("127.0.0.1", 0)) as mute, capture_logs() as logs:
        async with roster_of(record, RosterLimits(), connect_s_max=0.5) as (_, announcer):
            await announcer.announce("w", f"127.0.0.1:{mute.getsockname()[1]}")
            await eventually(lambda: [log for log in logs if log["event"] == "link.not_opened"])
    assert [log["cause"] for log in logs if log["event"] == "link.not_opened"] == [
        "OpenLink did not answer within 0.5 s"
    ]


async def test_a_worker_older_than_links_is_named_in_the_log() -> None:
    record = Record()
    server = make_server(ServerLimits())
    address = bind(server, "127.0.0.1:0")
    await server.start()
    with capture_logs() as logs:
        async with roster_of(record, RosterLimits()) as (_, announcer):
            await announcer.announce("old", address)
            await eventually(lambda: [log for log in logs if log["event"] == "link.not_opened"])
    await server.stop(None)
    assert "older" in next(log["cause"] for log in logs if log["event"] == "link.not_opened")
