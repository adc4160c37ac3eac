"""What is sent to a worker, what is taken back, and what its load then says."""

from random import Random

import hypothesis.strategies as st
from hypothesis import given

from hasten_policy.fleet.outbox import Outbox
from hasten_policy.load import LoadSample


def sample(received: int) -> LoadSample:
    return LoadSample(1, 0, 0.0, 0.0, received, 8, 0.0, arrived=received + 10)


def outbox_of(*call_ids: int) -> Outbox[str]:
    made: Outbox[str] = Outbox()
    for call_id in call_ids:
        made.put(call_id, f"call {call_id}")
    return made


def test_calls_leave_in_order_and_once() -> None:
    outbox = outbox_of(1, 2, 3)
    assert list(outbox) == ["call 1", "call 2", "call 3"]
    outbox.leave([1, 2])
    assert (list(outbox), outbox.calls, bool(outbox)) == (["call 3"], 1, True)
    outbox.leave([3])
    assert not outbox
    assert outbox.counted(sample(3)).received == 3


def test_a_revoked_call_that_has_left_is_cancelled() -> None:
    outbox = outbox_of(1)
    outbox.leave([1])
    outbox.revoke(1)
    assert (outbox.calls, len(outbox)) == (0, 1)
    assert outbox.take_cancels() == [1]
    assert not outbox
    assert outbox.counted(sample(1)).received == 1


def test_a_revoked_call_that_has_not_left_is_taken_back_and_counts_as_received() -> None:
    outbox = outbox_of(1, 2)
    outbox.revoke(1)
    assert list(outbox) == ["call 2"]
    assert outbox.take_cancels() == []
    load = outbox.counted(sample(0))
    assert (load.received, load.arrived) == (1, 11)


def test_a_call_that_is_kept_counts_as_received_until_the_link_is_new() -> None:
    outbox = outbox_of(1, 2)
    outbox.keep(1)
    assert outbox.counted(sample(4)).received == 5
    outbox.clear()
    assert not outbox
    assert outbox.counted(sample(0)).received == 0


@given(st.lists(st.sampled_from(["put", "revoke", "leave"]), max_size=60), st.randoms())
def test_what_was_put_has_left_waits_or_counts_as_received(steps: list[str], rng: Random) -> None:
    outbox: Outbox[int] = Outbox()
    sent: list[int] = []
    put = 0
    for step in steps:
        if step == "put":
            put += 1
            outbox.put(put, put)
        elif step == "revoke" and put:
            outbox.revoke(rng.randint(1, put))
        else:
            assert set(outbox.take_cancels()) <= set(sent) | set(range(1, put + 1)) - set(outbox)
            leaving = list(outbox)[:2]
            outbox.leave(leaving)
            sent += leaving
    assert outbox.counted(sample(len(sent))).received + outbox.calls == put
    assert sent == sorted(sent)
