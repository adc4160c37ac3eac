"""Who is given out first when more wait than can be looked at, and who is not at all."""

from hasten_plane import Asked, Status
from tests.native.peers import Driver, Peer, driven, peer_of
from tests.support.waiting import PATIENCE_S, eventually

BUSY = Status(8, "too much to do")


async def all_there(driver: Driver, peer: Peer, count: int) -> None:
    """So many calls came in one turn, of which the first was given out."""
    driver.answers = False
    peer.send(*(peer.call(2 * number + 1, b"%d" % number) for number in range(count)))
    await eventually(lambda: len(driver.of(Asked)) == count, PATIENCE_S)


async def test_calls_are_given_out_in_their_order_while_none_has_waited_long() -> None:
    async with driven(batch_max=1, newest_first_s=60.0) as driver, peer_of(driver) as peer:
        await all_there(driver, peer, 9)
        assert [int(asked.payload()) for asked in driver.of(Asked)] == list(range(9))


async def test_the_newest_come_first_when_some_wait_and_nobody_is_forgotten() -> None:
    async with driven(batch_max=1, newest_first_s=0.0) as driver, peer_of(driver) as peer:
        await all_there(driver, peer, 9)
        order = [int(asked.payload()) for asked in driver.of(Asked)]
        assert order == [8, 7, 6, 0, 5, 4, 3, 1, 2]


async def test_what_has_too_little_time_left_is_not_given_out() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        assert driver.plane.set_bar(60.0, BUSY) == 0
        peer.send(
            peer.call(1, grpc_timeout="59S"),
            peer.call(3),
            peer.call(5, grpc_timeout="90S"),
            peer.call(7, grpc_timeout="50S"),
        )
        ended = [(await peer.ended(stream))["grpc-status"] for stream in (1, 3, 5, 7)]
        assert ended == ["8", "0", "0", "8"]
        assert len(driver.of(Asked)) == 2
        assert driver.plane.set_bar(0.0, None) == 2
        peer.send(peer.call(9, grpc_timeout="59S"))
        assert (await peer.ended(9))["grpc-status"] == "0"
        assert driver.plane.set_bar(0.0, None) == 0


async def test_calls_that_were_cancelled_while_they_waited_are_not_given_out() -> None:
    async with driven(batch_max=1) as driver:
        driver.answers = False
        async with peer_of(driver) as peer, peer_of(driver) as other:
            peer.send(peer.call(1), peer.call(3, grpc_timeout="1n"))
            assert (await peer.ended(3))["grpc-status"] == "4"
            other.send(other.call(1, b"other"))
            await eventually(lambda: len(driver.of(Asked)) == 2, PATIENCE_S)
            assert driver.of(Asked)[1].payload() == b"other"
