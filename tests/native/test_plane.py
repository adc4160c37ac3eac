"""What comes over HTTP/2 becomes events, and what is done becomes frames."""

import asyncio
import math
import threading

import pytest

from hasten_plane import Asked, Drained, Gone, Message, Opened, Status
from loadtest import frames
from loadtest.frames import CANCEL, DATA, GOAWAY, RST_STREAM, WINDOW, WINDOW_UPDATE
from tests.native.peers import Driver, driven, peer_of
from tests.support.waiting import PATIENCE_S, eventually


async def asked(driver: Driver, count: int = 1) -> Asked:
    await eventually(lambda: len(driver.of(Asked)) == count, PATIENCE_S)
    last: Asked = driver.of(Asked)[-1]
    return last


async def test_a_call_is_the_same_however_its_bytes_are_cut() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        for byte in peer.call(1, b"hello", grpc_timeout="60S", traceparent="00-1"):
            peer.send(bytes((byte,)))
            await peer.writer.drain()
            await asyncio.sleep(0)
        assert (await peer.ended(1))["grpc-status"] == "0"
        assert peer.data[1] == frames.message(b"hello")
        call = await asked(driver)
        assert (call.payload(), call.fault, call.size_bytes) == (b"hello", "", 5)
        assert call.header("traceparent") == "00-1"
        assert call.left_s is not None
        assert 0 < call.left_s <= 60


async def test_metadata_are_told_without_those_of_the_protocol() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        peer.send(peer.call(1, grpc_timeout="1S", user_agent="me", some_bin="AP8,AQ=="))
        call = await asked(driver)
        told = (("user-agent", "me"), ("some-bin", b"\0\xff"), ("some-bin", b"\1"))
        assert call.metadata() == told
        assert call.peer.startswith("ipv4:127.0.0.1:")


@pytest.mark.parametrize("deadline", ["soon", "", "-1S", "123456789S"])
async def test_a_deadline_that_is_none_is_not_a_number(deadline: str) -> None:
    async with driven() as driver, peer_of(driver) as peer:
        peer.send(peer.call(1, grpc_timeout=deadline))
        left_s = (await asked(driver)).left_s
        assert left_s is not None
        assert math.isnan(left_s)


async def test_a_call_without_a_request_is_told_so() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        peer.send(peer.call(1, None))
        assert (await asked(driver)).fault == "empty"


async def test_what_is_no_grpc_is_answered_as_http_has_it() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        peer.send(peer.call(1, content_type="text/html"))
        assert (await peer.ended(1))[":status"] == "415"
        peer.send(peer.call(3, grpc_encoding="snappy"))
        told = await peer.ended(3)
        assert told["grpc-status"] == "12"
        assert told["grpc-accept-encoding"] == "identity,deflate,gzip"
        assert driver.events == []


async def test_a_status_is_told_with_its_trailers_as_often_as_it_is_needed() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        driver.answers = False
        status = Status(5, "not ü", [("some-bin", b"\0\xff"), ("plain", "text")])
        for number, stream in enumerate((1, 3), 1):
            peer.send(peer.call(stream))
            driver.plane.finish((await asked(driver, number)).call_id, status)
            driver.flush()
            told = await peer.ended(stream)
            assert (told["grpc-status"], told["grpc-message"]) == ("5", "not %C3%BC")
            assert (told["some-bin"], told["plain"]) == ("AP8", "text")


@pytest.mark.parametrize("pair", [("a b", "x"), ("x", "line\n"), ("x", "\0")])
def test_what_cannot_stand_in_a_header_is_refused(pair: tuple[str, str]) -> None:
    with pytest.raises(ValueError, match=r"name of metadata|cannot stand in a header"):
        Status(1, "", [pair])


async def test_a_client_that_cancels_or_leaves_is_told_once() -> None:
    async with driven() as driver:
        driver.answers = False
        async with peer_of(driver) as peer:
            peer.send(peer.call(1), peer.call(3))
            await asked(driver, 2)
            peer.send(frames.frame(RST_STREAM, 0, 1, frames.number(CANCEL)))
            await eventually(lambda: len(driver.of(Gone)) == 1, PATIENCE_S)
        await eventually(lambda: len(driver.of(Gone)) == 2, PATIENCE_S)
        gone = {event.call_id for event in driver.of(Gone)}
        assert gone == {event.call_id for event in driver.of(Asked)}
        for call_id in gone:  # What is done to them is ignored.
            driver.plane.answer(call_id, b"")
            driver.plane.finish(call_id, Status(0))
        await eventually(lambda: driver.plane.connections == 0, PATIENCE_S)
        assert (driver.plane.calls, driver.plane.held_bytes) == (0, 0)


async def test_a_deadline_that_passes_ends_the_call() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1, grpc_timeout="200m"))
        assert (await peer.ended(1))["grpc-status"] == "4"
        await eventually(lambda: driver.of(Gone), PATIENCE_S)
        assert driver.plane.calls == 0


async def test_an_answer_waits_for_the_clients_window() -> None:
    answer = bytes(range(256)) * 400
    async with driven() as driver, peer_of(driver, (WINDOW, 0)) as peer:
        driver.answers = False
        peer.send(peer.call(1))
        driver.plane.answer((await asked(driver)).call_id, answer)
        driver.flush()
        for _ in range(0, len(answer), 30_000):
            peer.send(frames.frame(WINDOW_UPDATE, 0, 1, frames.number(30_000)))
            peer.send(frames.frame(WINDOW_UPDATE, 0, 0, frames.number(30_000)))
        assert (await peer.ended(1))["grpc-status"] == "0"
        assert peer.data[1] == frames.message(answer)


async def test_other_calls_are_read_message_by_message_and_written_with_patience() -> None:
    async with driven() as driver, peer_of(driver, (WINDOW, 10)) as peer:
        peer.send(peer.call(1, b"first", path="/t.T/Chat", ends=False))
        await eventually(lambda: driver.of(Opened), PATIENCE_S)
        (opened,) = driver.of(Opened)
        assert opened.path == "/t.T/Chat"
        assert driver.of(Message) == []
        driver.plane.read(opened.call_id)
        driver.flush()
        await eventually(lambda: driver.of(Message), PATIENCE_S)
        assert driver.of(Message)[0].data == b"first"
        assert driver.plane.write(opened.call_id, b"1234567890") > 0
        driver.flush()
        peer.send(frames.frame(WINDOW_UPDATE, 0, 1, frames.number(100)))
        await eventually(lambda: driver.of(Drained), PATIENCE_S)
        peer.send(frames.frame(DATA, frames.END_STREAM, 1))
        driver.plane.read(opened.call_id)
        driver.flush()
        await eventually(lambda: len(driver.of(Message)) == 2, PATIENCE_S)
        assert driver.of(Message)[1].data is None
        driver.plane.finish(opened.call_id, Status(0))
        driver.flush()
        assert (await peer.ended(1))["grpc-status"] == "0"
        assert peer.data[1] == frames.message(b"1234567890")


async def test_leaving_lets_calls_end_and_takes_no_connections() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1))
        call = await asked(driver)
        driver.plane.leave()
        await eventually(lambda: peer.kinds(GOAWAY), PATIENCE_S)
        with pytest.raises(ConnectionError):
            await asyncio.open_connection("127.0.0.1", driver.port)
        driver.plane.answer(call.call_id, b"done")
        driver.flush()
        assert (await peer.ended(1))["grpc-status"] == "0"
        await eventually(lambda: peer.lost, PATIENCE_S)


async def test_ten_thousand_calls_leave_nothing() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        for start in range(1, 20_001, 1000):
            peer.send(*(peer.call(stream, b"x") for stream in range(start, start + 1000, 2)))
            peer.send(frames.frame(WINDOW_UPDATE, 0, 0, frames.number(10_000)))
            await peer.ended(start + 998)
            driver.events.clear()
        plane = driver.plane
        # On a busy machine the newest calls are answered first.
        await eventually(lambda: (plane.calls, plane.held_bytes, plane.connections) == (0, 0, 1))


async def test_a_plane_may_be_let_go_on_another_thread() -> None:
    async with driven() as driver:
        pass
    thread = threading.Thread(target=driver.__dict__.clear)
    thread.start()
    thread.join()
