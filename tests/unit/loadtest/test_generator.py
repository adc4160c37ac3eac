"""The generator's own HTTP/2, against gRPC's server."""

import threading
import time

import grpc
import numpy as np
import pytest
from hpack import Encoder

from hasten.inference.v2 import inference_pb2 as pb
from loadtest import frames, generator
from loadtest.call import Outcome, serialised
from loadtest.generator import Offer, Planned
from tests.unit.client.scripted_server import Fail, ScriptedServer, echo

PATIENCE_S = 60.0
ONE = serialised("m", "INPUT", np.ones((1, 4), np.float32))


def ask(server: ScriptedServer, *calls: Planned, connections: int = 1) -> tuple[Outcome, ...]:
    return generator.offer(server.address, calls, connections=connections).outcomes


def until_it_fails(sender: generator.Sender) -> None:
    ends_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < ends_s:
        sender.turn(ends_s)


def test_an_answer_is_an_answer_and_the_server_hears_how_much_time_is_left() -> None:
    with ScriptedServer() as server:
        [outcome] = ask(server, Planned(0.0, ONE, PATIENCE_S))
    assert outcome.answered
    assert 0 < outcome.took_s < PATIENCE_S
    [seen] = server.seen
    assert seen.request == pb.ModelInferRequest.FromString(ONE)
    assert seen.time_left_s is not None
    assert 0 < seen.time_left_s <= PATIENCE_S


def test_a_call_without_deadline_tells_none() -> None:
    with ScriptedServer() as server:
        [outcome] = ask(server, Planned(0.0, ONE, None))
    assert outcome.answered
    # gRPC says "for ever" as a very large number.
    assert (server.seen[0].time_left_s or np.inf) > 1e6


def test_refusals_come_with_their_reason() -> None:
    refusals = [
        Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED", pushback="25"),
        Fail(grpc.StatusCode.DEADLINE_EXCEEDED, "late " * 40, reason="SHED_BEFORE_START"),
        Fail(grpc.StatusCode.UNAVAILABLE),
        Fail(grpc.StatusCode.CANCELLED),
    ]
    with ScriptedServer() as server:
        server.script.extend(refusals)
        # One at a time: the script's steps go to calls in order of arrival.
        found = [ask(server, Planned(0.0, ONE, PATIENCE_S))[0] for _ in refusals]
    assert [(outcome.status, outcome.reason) for outcome in found] == [
        ("RESOURCE_EXHAUSTED", "OVERLOADED"),
        ("DEADLINE_EXCEEDED", "SHED_BEFORE_START"),
        ("UNAVAILABLE", ""),
        ("CANCELLED", ""),
    ]


def test_a_caller_whose_time_is_over_leaves_and_the_others_stay() -> None:
    may_go_on = threading.Event()

    def slow(request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        may_go_on.wait(PATIENCE_S)
        return echo(request)

    with ScriptedServer() as server:
        server.script.append(slow)
        [left] = ask(server, Planned(0.0, ONE, 0.5))
        may_go_on.set()
        [stayed] = ask(server, Planned(0.0, ONE, PATIENCE_S))
    assert (left.status, left.reason) == ("DEADLINE_EXCEEDED", "")
    assert left.took_s >= 0.5
    assert stayed.answered


def test_a_call_that_has_no_time_left_when_it_is_due_is_not_sent() -> None:
    with ScriptedServer() as server:
        [outcome] = ask(server, Planned(0.0, ONE, 0.0))
    assert outcome.status == "DEADLINE_EXCEEDED"
    assert not server.seen


def test_messages_larger_than_any_window_arrive_whole_both_ways() -> None:
    value = np.arange(3 * 300_000, dtype=np.float32).reshape(3, 300_000)
    payload = serialised("m", "INPUT", value)
    with ScriptedServer() as server:
        outcomes = ask(server, *[Planned(0.0, payload, PATIENCE_S)] * 5)
    assert all(outcome.answered for outcome in outcomes), outcomes
    want = pb.ModelInferRequest.FromString(payload)
    assert [seen.request for seen in server.seen] == [want] * 5


def test_no_more_calls_are_under_way_than_the_server_takes() -> None:
    now, most = 0, 0
    lock = threading.Lock()

    def counting(request: pb.ModelInferRequest) -> pb.ModelInferResponse:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        with lock:
            now -= 1
        return echo(request)

    with ScriptedServer(("grpc.max_concurrent_streams", 2)) as server:
        server.script.extend([counting] * 50)
        outcomes = ask(server, *[Planned(0.0, ONE, PATIENCE_S)] * 50)
    # Now and then a server notices late that a stream has ended, and refuses twice.
    assert {outcome.status for outcome in outcomes} <= {"OK", "UNAVAILABLE"}
    assert sum(outcome.answered for outcome in outcomes) > 25
    assert most <= 2


def test_the_calls_are_spread_over_connections_and_come_back_in_order() -> None:
    with ScriptedServer() as server:
        planned = Offer(200.0, 0.2, PATIENCE_S).planned([ONE])
        outcomes = generator.offer(server.address, planned, connections=3).outcomes
    assert len(outcomes) == len(server.seen) > 10
    assert [outcome.due_s for outcome in outcomes] == sorted(outcome.due_s for outcome in outcomes)
    assert all(outcome.answered and outcome.sent_late_s >= 0 for outcome in outcomes)


def test_every_caller_of_a_closed_loop_makes_a_call_however_short_the_time() -> None:
    with ScriptedServer() as server:
        sent = generator.keep_busy(server.address, [ONE], callers=3, seconds=0.0)
        assert len(sent.outcomes) >= 3
        longer = generator.keep_busy(server.address, [ONE, ONE], callers=2, seconds=0.3)
    assert all(outcome.answered for outcome in longer.outcomes)
    assert longer.wall_s >= 0.3


def test_a_server_that_is_not_there_or_goes_away_is_said_so() -> None:
    with ScriptedServer() as server:
        address = server.address
        with generator.Sender(address, 1) as sender:
            server._server.stop(None).wait()
            with pytest.raises(ConnectionError, match=address):
                until_it_fails(sender)
    with pytest.raises(ConnectionError):
        generator.keep_busy(address, [ONE], callers=1, seconds=0.0)


def test_a_header_block_is_read_as_any_encoder_writes_it() -> None:
    encoder = Encoder()
    encoder.header_table_size = 0
    first = encoder.encode([(":status", "200"), ("content-type", "application/grpc")])
    assert frames.ended_by(first) is None
    last = encoder.encode([("grpc-status", "8"), ("grpc-message", "no")], huffman=True)
    assert frames.ended_by(last) == ("RESOURCE_EXHAUSTED", "")
    proxy = encoder.encode([(":status", "502")])
    assert frames.ended_by(proxy) == ("UNKNOWN", "HTTP 502")


def test_a_long_timeout_has_eight_digits_at_most() -> None:
    assert frames.timeout_field(0.05).endswith(b"50000u")
    assert frames.timeout_field(1e-9).endswith(b"\x021u")
    assert frames.timeout_field(3600.0).endswith(b"3600S")
