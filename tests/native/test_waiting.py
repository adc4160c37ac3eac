"""Who is given out first when more wait than can be looked at, and who is not at all."""

from typing import Any

from hasten.inference.v2 import inference_pb2 as pb
from hasten_plane import Asked, Status
from tests.native.peers import Driver, Peer, driven, peer_of
from tests.support.waiting import PATIENCE_S, eventually

BUSY = Status(8, "too much to do")
AGAIN = Status(8, "later", (("grpc-retry-pushback-ms", "7"),))
SAMPLED = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def request(rows: int = 2, **fields: Any) -> bytes:
    """A plain request of so many rows of three elements."""
    fields.setdefault("model_name", "m")
    made = pb.ModelInferRequest(**fields)
    made.inputs.add(name="x", datatype="FP32", shape=[rows, 3])
    return made.SerializeToString()


def add_bar(driver: Driver, **changes: Any) -> None:
    """Calls for "m" of two rows and more with less than a minute left are kept out."""
    bar: dict[str, Any] = {
        "priority": 1,
        "rows": 2,
        "elements": 6,
        "left_s": 60.0,
        "life_s": 60.0,
        "again_left_s": 30.0,
        "again": AGAIN,
        "never": BUSY,
        **changes,
    }
    driver.plane.add_bar("m", bar.pop("version", ""), **bar)


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


async def test_a_bar_keeps_out_calls_alike_with_no_more_time_left() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        add_bar(driver)
        high = pb.InferParameter(uint64_param=1)
        short = pb.InferParameter(int64_param=20_000_000)
        calls = {
            "8": [
                peer.call(1, request(), grpc_timeout="50S"),
                peer.call(3, request(rows=3), grpc_timeout="20S"),
                peer.call(5, request(parameters={"timeout": short}), grpc_timeout="90S"),
            ],
            "0": [
                peer.call(7, request(), grpc_timeout="90S"),
                peer.call(9, request()),
                peer.call(11, request(rows=1), grpc_timeout="50S"),
                peer.call(13, request(model_name="n"), grpc_timeout="50S"),
                peer.call(15, request(model_version="1"), grpc_timeout="50S"),
                peer.call(17, request(parameters={"priority": high}), grpc_timeout="50S"),
                peer.call(19, request(), grpc_timeout="50S", traceparent=SAMPLED),
                peer.call(21, b"\xff", grpc_timeout="50S"),
            ],
        }
        peer.send(*calls["8"], *calls["0"])
        ended = {stream: await peer.ended(stream) for stream in range(1, 23, 2)}
        assert [ended[n]["grpc-status"] for n in range(1, 23, 2)] == ["8"] * 3 + ["0"] * 8
        assert ended[1]["grpc-retry-pushback-ms"] == "7"
        assert "grpc-retry-pushback-ms" not in ended[3], "it has no time to come again"
        assert driver.plane.take_kept() == [("m", "", 1, 3)]
        assert driver.plane.take_kept() == []


async def test_calls_of_a_sequence_pass_a_bar() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        add_bar(driver)
        own = {"sequence_id": pb.InferParameter(int64_param=7)}
        peer.send(peer.call(1, request(parameters=own), grpc_timeout="50S"))
        assert (await peer.ended(1))["grpc-status"] == "0"


async def test_a_bar_falls_by_itself_or_is_lifted() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        add_bar(driver, life_s=0.0)
        peer.send(peer.call(1, request(), grpc_timeout="50S"))
        assert (await peer.ended(1))["grpc-status"] == "0"
        add_bar(driver)
        driver.plane.lift_bars("m", "1")
        peer.send(peer.call(3, request(), grpc_timeout="50S"))
        assert (await peer.ended(3))["grpc-status"] == "8"
        driver.plane.lift_bars("m", "")
        peer.send(peer.call(5, request(), grpc_timeout="50S"))
        assert (await peer.ended(5))["grpc-status"] == "0"


async def test_a_later_bar_that_keeps_out_less_takes_the_place_of_an_earlier() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        add_bar(driver)
        add_bar(driver, left_s=10.0)
        peer.send(peer.call(1, request(), grpc_timeout="50S"))
        assert (await peer.ended(1))["grpc-status"] == "0"


async def test_a_call_that_was_given_out_before_its_bar_can_be_given_back() -> None:
    async with driven() as driver, peer_of(driver) as peer:
        driver.answers = False
        peer.send(peer.call(1, request(), grpc_timeout="50S"), peer.call(3, request()))
        await eventually(lambda: len(driver.of(Asked)) == 2, PATIENCE_S)
        bounded, endless = driver.of(Asked)
        assert not driver.plane.keeps_out(bounded)
        add_bar(driver)
        assert driver.plane.keeps_out(bounded)
        assert not driver.plane.keeps_out(endless)
        driver.flush()
        assert (await peer.ended(1))["grpc-status"] == "8"
        assert driver.plane.take_kept() == [("m", "", 1, 1)]
