"""What one peer can take of a plane is bounded: each bound is exceeded once."""

import asyncio
import gzip
import os
from contextlib import suppress

import pytest

from hasten_plane import Asked, Gone, Limits, Plane, Status
from loadtest import frames
from loadtest.frames import CANCEL, DATA, GOAWAY, PING, RST_STREAM, WINDOW, WINDOW_UPDATE
from tests.native.peers import LIMITS, OVERLOADED, QUICK, driven, peer_of
from tests.support.waiting import PATIENCE_S, eventually

ENHANCE_YOUR_CALM = 11


async def test_a_message_over_the_limit_is_told_by_its_length_alone() -> None:
    async with driven(message_bytes_max=99) as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1, None, ends=False))
        peer.send(frames.frame(DATA, 0, 1, frames.message(bytes(100))[:5]))
        await eventually(lambda: driver.of(Asked), PATIENCE_S)
        (asked,) = driver.of(Asked)
        assert (asked.fault, asked.size_bytes, asked.payload()) == ("too_large", 100, b"")


@pytest.mark.parametrize(("limit", "fault"), [(10_000, ""), (9_999, "unpacked_too_large")])
async def test_a_packed_message_is_unpacked_to_the_limit(limit: int, fault: str) -> None:
    packed = gzip.compress(bytes(10_000))
    async with driven(message_bytes_max=limit) as driver, peer_of(driver) as peer:
        body = b"\1" + len(packed).to_bytes(4, "big") + packed
        peer.send(peer.call(1, None, ends=False, grpc_encoding="gzip"))
        peer.send(frames.frame(DATA, frames.END_STREAM, 1, body))
        await peer.ended(1)
        assert [asked.fault for asked in driver.of(Asked)] == [fault]


async def test_calls_beyond_those_of_the_server_are_refused() -> None:
    async with driven(calls_max=2) as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(*(peer.call(stream) for stream in (1, 3, 5)))
        told = await peer.ended(5)
        assert (told["grpc-status"], told["grpc-message"]) == ("8", "too much")
        assert len(driver.of(Asked)) == 2


async def test_calls_beyond_those_that_may_wait_are_refused() -> None:
    async with driven(waiting_max=1, batch_max=1) as driver, peer_of(driver) as peer:
        peer.send(*(peer.call(stream) for stream in (1, 3, 5)))
        ended = [await peer.ended(stream) for stream in (1, 3, 5)]
        assert [told["grpc-status"] for told in ended] == ["0", "8", "8"]


async def test_bytes_beyond_those_that_may_be_held_are_refused() -> None:
    async with driven(held_bytes_max=3000) as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1, bytes(2000)))
        await eventually(lambda: driver.of(Asked), PATIENCE_S)
        assert driver.plane.held_bytes == 2000
        peer.send(peer.call(3, None, ends=False))
        peer.send(frames.frame(DATA, 0, 3, frames.message(bytes(2000))[:1500]))
        assert (await peer.ended(3))["grpc-status"] == "8"
        driver.plane.finish(driver.of(Asked)[0].call_id, Status(0))
        await eventually(lambda: driver.plane.held_bytes == 0, PATIENCE_S)


async def test_from_a_client_that_does_not_read_nothing_more_is_taken() -> None:
    async with driven(unread_bytes_max=500) as driver, peer_of(driver, (WINDOW, 0)) as peer:
        peer.send(peer.call(1, bytes(1000)))
        await eventually(lambda: driver.plane.calls == 1 and driver.of(Asked), PATIENCE_S)
        peer.send(peer.call(3, b"next"), frames.frame(PING, 0, 0, b"12345678"))
        await eventually(lambda: peer.kinds(PING), PATIENCE_S, what="it is alive")
        assert len(driver.of(Asked)) == 1
        peer.send(frames.frame(WINDOW_UPDATE, 0, 1, frames.number(5000)))
        assert (await peer.ended(1))["grpc-status"] == "0"
        assert peer.data[1] == frames.message(bytes(1000))
        await eventually(lambda: len(driver.of(Asked)) == 2, PATIENCE_S)


async def test_frames_that_carry_nothing_end_the_connection() -> None:
    async with driven(control_frames_max=200) as driver, peer_of(driver) as peer:
        ping = frames.frame(PING, 0, 0, b"12345678")
        peer.send(ping * 400)
        await eventually(lambda: peer.lost, PATIENCE_S)
        (body,) = peer.kinds(GOAWAY)
        assert int.from_bytes(body[4:8], "big") == ENHANCE_YOUR_CALM


async def test_calls_taken_back_at_once_leave_nothing_and_hinder_nobody() -> None:
    async with driven(streams_max=100) as driver, peer_of(driver) as peer, peer_of(driver) as other:
        reset = frames.number(CANCEL)
        for stream in range(1, 10_000, 2):
            peer.send(
                peer.call(stream, None, ends=False), frames.frame(RST_STREAM, 0, stream, reset)
            )
        other.send(other.call(1, b"honest"))
        assert (await other.ended(1))["grpc-status"] == "0"
        await eventually(lambda: driver.plane.calls == 0, PATIENCE_S)
        assert len(driver.of(Asked)) == 1
        assert driver.plane.held_bytes == 0


async def test_a_peer_that_answers_no_ping_is_lost() -> None:
    limits = {"ping_s": 0.05, "ping_timeout_s": 0.1}
    async with driven(**limits) as driver, peer_of(driver) as peer:
        driver.answers = peer.answers = False
        peer.send(peer.call(1))
        await eventually(lambda: peer.lost, PATIENCE_S)
        assert peer.kinds(PING)
        await eventually(lambda: driver.of(Gone), PATIENCE_S)
        assert driver.plane.connections == 0


async def test_a_connection_that_is_old_is_closed_in_order() -> None:
    async with driven(connection_age_s=0.1) as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1, b"late"))
        await eventually(lambda: peer.kinds(GOAWAY), PATIENCE_S)
        driver.plane.answer(driver.of(Asked)[0].call_id, b"answered")
        driver.flush()
        assert (await peer.ended(1))["grpc-status"] == "0"


async def test_calls_of_an_old_connection_end_with_its_grace() -> None:
    limits = {"connection_age_s": 0.05, "connection_grace_s": 0.1}
    async with driven(**limits) as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1))
        await eventually(lambda: driver.of(Gone) and peer.lost, PATIENCE_S)


async def test_what_is_no_http2_is_hung_up_on_and_the_others_live() -> None:
    async with driven() as driver, peer_of(driver) as honest:
        for said in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(4096), frames.PREFACE + os.urandom(99)):
            reader, writer = await asyncio.open_connection("127.0.0.1", driver.port)
            writer.write(said)
            with suppress(ConnectionError):
                await asyncio.wait_for(reader.read(-1), PATIENCE_S)
            writer.close()
        honest.send(honest.call(1))
        assert (await honest.ended(1))["grpc-status"] == "0"
        await eventually(lambda: driver.plane.connections == 1, PATIENCE_S)


def test_bounds_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="ping_s must be seconds, is NaN"):
        Plane(Limits(ping_s=float("nan")), QUICK, OVERLOADED)
    assert LIMITS.streams_max == 1000
