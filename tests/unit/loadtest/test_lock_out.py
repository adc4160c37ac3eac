"""What the lock-out trials make of answers and refusals that are known."""

import grpc

from loadtest import frames
from loadtest.generator import Sender
from loadtest.lock_out import CASES, Trial, ask, table
from tests.unit.client.scripted_server import Fail, ScriptedServer, echo

PATIENCE_S = 60.0


def test_a_server_that_refuses_two_in_three_is_found_out() -> None:
    refusal = Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="OVERLOADED")
    payload = CASES[0].payload()
    with ScriptedServer() as locked, ScriptedServer() as free:
        locked.script.extend([echo, refusal, refusal] * 5)
        with Sender(locked.address, 1) as one, Sender(free.address, 1) as other:
            pairs = ask(one, other, payload, PATIENCE_S, 15)
    assert [outcome.answered for outcome, _ in pairs] == [True, False, False] * 5
    assert {outcome.why for outcome, _ in pairs} == {"OK", "OVERLOADED"}
    assert all(outcome.answered for _, outcome in pairs)
    # The one is asked with a deadline, the other without.
    assert all((seen.time_left_s or 0) <= PATIENCE_S for seen in locked.seen)
    assert all((seen.time_left_s or 1e9) > PATIENCE_S for seen in free.seen)


def test_the_share_is_of_what_an_idle_worker_can_do() -> None:
    def trial(able: int, answered: int) -> Trial:
        return Trial("mixed", "mlp", 8, 5.0, 100, able, answered, {"OVERLOADED": 100 - answered})

    assert trial(90, 45).share == 0.5
    assert trial(90, 95).share == 1.0
    assert trial(0, 0).share is None
    said = table([trial(100, 100), trial(100, 98), trial(0, 0)])
    assert "99% and more of what an idle worker can do: 1 of 2 trials" in said
    assert "2 OVERLOADED" in said


def test_large_calls_are_large() -> None:
    for case in CASES:
        assert len(case.large()) > 2 * len(case.payload())
        assert len(frames.message(case.payload())) == len(case.payload()) + 5
