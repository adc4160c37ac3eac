"""Who may open a link to a worker."""

import grpc
import pytest

from hasten.worker.v1 import worker_service_pb2 as wpb
from hasten_runtime.fleet.worker import door
from hasten_runtime.fleet.worker.door import UNKNOWN_MAX
from tests.support.framed import frame
from tests.support.waiting import eventually
from tests.unit.worker_shell.harness import Router, reason_of, running_worker

TICKET = b"0123456789abcdef"


@pytest.fixture(autouse=True)
def patient_door(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ticket lives for five seconds: a busy machine may have this process stand still longer."""
    monkeypatch.setattr(door, "TICKET_S", 600.0)


@pytest.mark.parametrize(
    "first",
    [
        wpb.ToWorker().SerializeToString(),
        wpb.ToWorker(calls=[wpb.Call(call_id=1)]).SerializeToString(),
        wpb.ToWorker(ticket=TICKET).SerializeToString(),
        b"\xff\xff\xff",
        b"PRI * HTTP/2.0",
    ],
    ids=["empty", "a call", "a made up ticket", "noise", "http"],
)
async def test_a_connection_without_a_ticket_is_cut(first: bytes) -> None:
    async with running_worker() as bench:
        stranger = Router(bench)
        await stranger.connect(bench.worker.door.port)
        await stranger.send_bytes(frame(first))
        assert await stranger.end() == ""
        assert not stranger.messages
        assert bench.worker.door.links_open == 0


async def test_a_first_frame_that_is_too_long_is_not_even_read() -> None:
    async with running_worker() as bench:
        stranger = Router(bench)
        await stranger.connect(bench.worker.door.port)
        await stranger.send_bytes(b"GET / HTTP/1.1\r\n\r\n")
        assert await stranger.end() == ""


async def test_a_ticket_opens_one_link() -> None:
    async with running_worker() as bench:
        opened = await bench.internal.OpenLink(wpb.OpenLinkRequest(caller_id="r"))
        message = wpb.ToWorker(ticket=opened.ticket)
        first, second = Router(bench), Router(bench)
        await first.connect(opened.port)
        await first.send_message(message)
        assert (await first.read()).state.worker_id == "w1"
        await second.connect(opened.port)
        await second.send_message(message)
        assert await second.end() == ""
        assert bench.worker.door.links_open == 1
        first.cut()


async def test_silent_strangers_do_not_keep_routers_out() -> None:
    async with running_worker() as bench:
        strangers = [Router(bench) for _ in range(UNKNOWN_MAX + 8)]
        for stranger in strangers:
            await stranger.connect(bench.worker.door.port)
        async with Router(bench) as router:
            assert router.messages[0].state.worker_id == "w1"
        assert await strangers[0].end() == ""
        for stranger in strangers:
            stranger.cut()


async def test_there_is_a_most_of_links(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "LINKS_MAX", 2)
    async with running_worker() as bench:
        async with Router(bench), Router(bench):
            await eventually(lambda: bench.worker.door.links_open == 2)
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await bench.internal.OpenLink(wpb.OpenLinkRequest(caller_id="r"))
        assert reason_of(refused.value) == "QUEUE_FULL"


async def test_a_ticket_opens_nothing_once_the_worker_leaves() -> None:
    async with running_worker() as bench:
        opened = await bench.internal.OpenLink(wpb.OpenLinkRequest(caller_id="r"))
        late = Router(bench)
        await late.connect(opened.port)
        bench.worker.door.finish()
        await late.send_message(wpb.ToWorker(ticket=opened.ticket))
        with pytest.raises(EOFError):
            await late.read()
        late.cut()


@pytest.mark.parametrize("caller_id", ["", "x" * 257])
async def test_a_caller_must_say_who_it_is(caller_id: str) -> None:
    async with running_worker() as bench:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await bench.internal.OpenLink(wpb.OpenLinkRequest(caller_id=caller_id))
        assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert "caller_id" in str(refused.value.details())
