"""Clients that mean harm at a router's HTTP port: each is told why or cut off, others go on."""

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest

from tests.integration.router.harness import router_over
from tests.integration.router.test_http import INFER, SMALL, address, refused
from tests.support.fake_worker import FakeWorker
from tests.support.raw_http import Response, ask, connected, message
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

BODY = json.dumps(SMALL).encode()
LIMIT = 256 * 1024
SOON: dict[str, Any] = {"patience_s": 1.0}
"""So that tests are over soon."""


async def still_answers(router: Any) -> None:
    assert (await ask(address(router), "POST", INFER, SMALL)).status == 200


@pytest.mark.parametrize(
    ("sent", "status", "sentence"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "no request of HTTP"),
        (b"GET\r\n\r\n", 400, "no request of HTTP"),
        (b"GET /v2 HTTP/9.9\r\n\r\n", 400, "no request of HTTP"),
        (b"GET /v2 HTTP/1.1\r\nno colon\r\n\r\n", 400, "no request of HTTP"),
        (b"GET /" + b"x" * 20_000 + b" HTTP/1.1\r\n\r\n", 431, "no request of HTTP"),
        (b"GET /v2 HTTP/1.1\r\nX: " + b"y" * 20_000 + b"\r\n\r\n", 431, "no request of HTTP"),
        (
            b"GET /v2 HTTP/1.1\r\n" + b"".join(b"h%d: 1\r\n" % n for n in range(10_000)) + b"\r\n",
            431,
            "no request of HTTP",
        ),
        (
            b"GET /v2 HTTP/1.1\r\n"
            + b"".join(b"h%d: %s\r\n" % (n, b"v" * 8000) for n in range(99))
            + b"\r\n",
            431,
            "more than 65536 bytes",
        ),
        (message("POST", INFER, b"{}", Transfer_Encoding="chunked"), 400, "no request of HTTP"),
        (message("POST", INFER, b"{}", Content_Encoding="br"), 400, "Content-Encoding"),
        (message("POST", INFER, b"nonsense", Content_Encoding="gzip"), 400, "the body is broken"),
        (message("POST", "/v2/models/%ff/infer", b"{}"), 400, "UTF-8"),
        (
            b"POST "
            + INFER.encode()
            + b" HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
            400,
            "",
        ),
    ],
)
async def test_what_is_no_request_is_told_so(sent: bytes, status: int, sentence: str) -> None:
    async with router_over(FakeWorker()) as (_, router):
        async with connected(address(router)) as connection:
            connection.send(sent)
            answer = await connection.response()
            assert answer.status == status, answer
            assert sentence in refused(answer)[1]
        await still_answers(router)


def later(router: Any, after_s: float) -> None:
    """Looks at the connections as it will after so many seconds."""
    router.http.look(asyncio.get_running_loop().time() + after_s)


@pytest.mark.parametrize(
    "said",
    [b"GET /v2 HTT", b"", b"POST /v2/models/echo/infer HTTP/1.1\r\nHost: mesh\r\nX: "],
)
async def test_a_head_that_never_ends_is_cut_off(said: bytes) -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        connection.send(said)
        await eventually(lambda: router.http.connections)
        later(router, 4.0)
        assert router.http.connections
        later(router, 6.0)
        assert await connection.closed()
        await still_answers(router)


async def test_a_head_that_trickles_is_cut_off_too_and_who_rests_is_not() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as slow,
        connected(address(router)) as resting,
    ):
        for each in (slow, resting):  # After a request that was in order.
            each.send(message("GET", "/v2/health/live"))
            assert (await each.response()).status == 200
        later(router, 6.0)
        begin_s = asyncio.get_running_loop().time()
        slow.send(b"GET /v2 HTTP/1.1\r\nX: ")
        await eventually(lambda: any(each._in_head for each in router.http.connections))
        slow.send(b"x")
        router.http.look(begin_s + 60.0)
        assert await slow.closed()
        resting.send(message("GET", "/v2/health/live"))
        assert (await resting.response()).status == 200


@pytest.mark.parametrize(
    "begun",
    [
        message("POST", INFER, BODY)[:-10],
        b"POST "
        + INFER.encode()
        + b" HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}",
        b"POST "
        + INFER.encode()
        + b" HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    ],
)
async def test_a_body_that_stops_is_refused_and_its_connection_closed(begun: bytes) -> None:
    async with router_over(FakeWorker(), http=SOON) as (_, router):
        async with connected(address(router)) as connection:
            connection.send(begun)
            answer = await connection.response()
            assert (answer.status, refused(answer)[0]) == (400, "INVALID_REQUEST")
            assert "the body stopped" in refused(answer)[1]
            assert await connection.closed()
        await still_answers(router)


async def test_a_body_that_outlasts_its_deadline_is_refused_by_it() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        connection.send(message("POST", INFER, BODY, hasten_deadline_ms="200")[:-10])
        answer = await connection.response()
        assert (answer.status, refused(answer)[0]) == (504, "DEADLINE_PASSED")


def chunked(body: bytes) -> bytes:
    head = (
        b"POST " + INFER.encode() + b" HTTP/1.1\r\nHost: mesh\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    return head + b"%x\r\n" % len(body) + body + b"\r\n0\r\n\r\n"


@pytest.mark.parametrize(
    "sent",
    [
        message("POST", INFER, b"x", Content_Length=str(10**15)).replace(
            b"Content-Length: 1\r\n", b""
        ),
        chunked(b"x" * (2 * LIMIT)),
        message("POST", INFER, gzip.compress(bytes(64 * LIMIT)), Content_Encoding="gzip"),
        message("POST", INFER, zlib.compress(bytes(64 * LIMIT)), Content_Encoding="deflate"),
    ],
    ids=["announced", "chunked", "gzip", "deflate"],
)
async def test_a_body_over_the_limit_is_refused(sent: bytes) -> None:
    settings = {"grpc": {"message_bytes_max": LIMIT}}
    async with router_over(FakeWorker(), **settings) as (_, router):
        async with connected(address(router)) as connection:
            connection.send(sent)
            answer = await connection.response()
            assert (answer.status, refused(answer)[0]) == (413, "MESSAGE_TOO_LARGE")
            assert "HASTEN_ROUTER_GRPC__MESSAGE_BYTES_MAX" in refused(answer)[1]
        await still_answers(router)


async def test_too_much_json_is_refused_and_binary_data_of_the_size_is_not() -> None:
    async with router_over(FakeWorker(), http={"json_bytes_max": 2048}) as (_, router):
        many = {"name": "X", "datatype": "INT32", "shape": [1000], "data": [1] * 1000}
        answer = await ask(address(router), "POST", INFER, {"inputs": [many]})
        assert (answer.status, refused(answer)[0]) == (413, "MESSAGE_TOO_LARGE")
        del many["data"]
        said = json.dumps({"inputs": [{**many, "parameters": {"binary_data_size": 4000}}]})
        body = said.encode() + bytes(4000)
        headers = {"Inference_Header_Content_Length": str(len(said))}
        answer = await ask(address(router), "POST", INFER, body, **headers)
        # It runs; as JSON the output would be too large.
        assert (answer.status, refused(answer)[0]) == (413, "MESSAGE_TOO_LARGE")
        assert "as binary data" in refused(answer)[1]


async def test_the_end_of_a_long_body_is_no_head() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        for padding in (100_000, 400_000, 1_000_000, 100_000):
            sent = message("POST", INFER, BODY + b" " * padding)
            # The last piece alone is longer than a head may be.
            connection.send(sent[:1000])
            await asyncio.sleep(0)
            connection.send(sent[1000:])
            assert (await connection.response()).status == 200


async def test_a_thousand_requests_in_one_piece_are_answered_in_order() -> None:
    async with (
        router_over(FakeWorker()) as (_, router),
        connected(address(router)) as connection,
    ):
        for number in range(1000):
            connection.send(message("GET", f"/v2/nowhere/{number}"))
        for number in range(1000):
            assert f"/v2/nowhere/{number}:" in refused(await connection.response())[1]


async def test_connections_beyond_the_limit_are_told_so() -> None:
    async with (
        router_over(FakeWorker(), http={"connections_max": 2}) as (_, router),
        connected(address(router)) as first,
        connected(address(router)) as second,
    ):
        for each in (first, second):
            each.send(message("GET", "/v2/health/live"))
            assert (await each.response()).status == 200
        async with connected(address(router)) as third:
            answer = await third.response()
            assert (answer.status, refused(answer)[0]) == (503, "QUEUE_FULL")
            assert await third.closed()
        first.writer.close()

        async def room() -> bool:
            return (await ask(address(router), "GET", "/v2/health/live")).status == 200

        await eventually(room)


def filled(size: int) -> bytes:
    tensor = {"name": "X", "datatype": "UINT8", "shape": [size]}
    said = {
        "inputs": [{**tensor, "parameters": {"binary_data_size": size}}],
        "parameters": {"binary_data_output": True},
    }
    text = json.dumps(said).encode()
    headers = {"Inference_Header_Content_Length": str(len(text))}
    return message("POST", INFER, text + bytes(size), **headers)


async def asked(where: str, sent: bytes) -> Response:
    async with connected(where) as connection:
        connection.send(sent)
        return await connection.response()


async def test_bodies_of_all_clients_together_have_a_limit() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with (
        router_over(worker, http={"held_bytes_max": 3 * LIMIT}) as (_, router),
        connected(address(router)) as first,
    ):
        first.send(filled(2 * LIMIT))
        await eventually(lambda: worker.held)
        answer = await asked(address(router), filled(2 * LIMIT))
        assert (answer.status, refused(answer)[0]) == (429, "QUEUE_FULL")
        assert answer.headers["retry-after"] == "1"
        worker.holds = False
        worker.release()
        assert (await first.response()).status == 200
        # One that is alone may have more than all together, until its client has its answer.
        size = 16 * 1024 * 1024
        first.reader._transport.pause_reading()
        first.send(filled(size))
        await eventually(lambda: router.http._budget.held > 2 * size)
        answer = await asked(address(router), filled(2 * LIMIT))
        assert (answer.status, refused(answer)[0]) == (429, "QUEUE_FULL")
        first.reader._transport.resume_reading()
        assert (await first.response()).status == 200
        await eventually(lambda: router.http._budget.held == 0)


async def test_an_answer_that_is_not_taken_ends_its_connection() -> None:
    async with (
        router_over(FakeWorker(), http=SOON) as (_, router),
        connected(address(router)) as connection,
    ):
        connection.reader._transport.pause_reading()
        size = 16 * 1024 * 1024  # More than the kernel keeps between two sockets.
        connection.send(filled(size))
        await connection.writer.drain()
        await eventually(lambda: len(router.http.connections) == 0, what="it was cut off")
        connection.reader._transport.resume_reading()
        with pytest.raises((EOFError, ConnectionError)):
            await connection.response()


async def test_nothing_is_left_of_a_crowd_that_hangs_up_in_the_middle() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (_, router):
        whole = message("POST", INFER, BODY)

        async def half(cut: int) -> None:
            async with connected(address(router)) as connection:
                connection.send(whole[:cut])
                await connection.writer.drain()

        await asyncio.gather(*(half(cut) for cut in range(1, len(whole), 7)))
        await eventually(lambda: router.http.connections == [] and router.shell.unanswered == 0)
        worker.holds = False
        await still_answers(router)
