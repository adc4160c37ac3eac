"""Who hears of a worker's load without an answer."""

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.worker.events import (
    BatchEnded,
    CallCancelled,
    LinkOpened,
    TellLoad,
    WorkerEffect,
)
from hasten_policy.worker.policy import WorkerPolicy
from hasten_policy.worker.windows import TELL_S, LinkWindows
from tests.unit.policy_worker.harness import (
    PretendedWorker,
    call,
    load_of,
    model,
    report_of,
    starts,
    worker,
)


def test_busy_links_are_to_be_told_and_quiet_ones_are_not() -> None:
    links = LinkWindows(idle_s=1.0)
    for link_id in (1, 2, 3):
        links.open(link_id, 0.0)
    assert links.to_tell(0.5) == [1, 2, 3]
    links.count(2, 1, 0.5)
    links.close(3)
    assert links.to_tell(0.9) == [1, 2]
    assert links.to_tell(1.2) == [2]


def test_a_link_is_told_at_most_once_in_a_while() -> None:
    links = LinkWindows(idle_s=1.0)
    for link_id in (1, 2):
        links.open(link_id, 0.0)
    links.load_leaves(1, 0.0)
    links.load_leaves(9, 0.0)
    assert links.to_tell(0.5 * TELL_S) == [2]
    links.load_leaves(2, 0.5 * TELL_S)
    assert links.to_tell(TELL_S) == [1]
    assert links.to_tell(2.0 * TELL_S) == [1, 2]


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0.0, 0.02)), max_size=40))
def test_no_busy_link_goes_without_the_load_for_longer_than_one_while_and_the_next_arrival(
    arrivals: list[tuple[int, float]],
) -> None:
    links = LinkWindows(idle_s=1.0)
    heard_s = dict.fromkeys((1, 2, 3), 0.0)
    for link_id in heard_s:
        links.open(link_id, 0.0)
        links.load_leaves(link_id, 0.0)
    now_s = 0.0
    for link_id, gap_s in arrivals:
        now_s += gap_s
        links.count(link_id, 1, now_s)
        for told_id in links.to_tell(now_s):
            assert now_s - heard_s[told_id] >= 0.999 * TELL_S
            links.load_leaves(told_id, now_s)
            heard_s[told_id] = now_s
        assert all(now_s - at_s <= 1.001 * TELL_S for at_s in heard_s.values())


def test_a_single_link_is_never_to_be_told() -> None:
    links = LinkWindows(idle_s=1.0)
    links.open(1, 0.0)
    links.count(1, 1, 0.0)
    assert links.to_tell(0.5) == []


def told(effects: list[WorkerEffect]) -> list[int]:
    return [effect.link_id for effect in effects if isinstance(effect, TellLoad)]


def with_links(link_ids: tuple[int, ...], *calls: tuple[int, int]) -> PretendedWorker:
    """A worker with a quiet link 9, these that are busy, and calls (id, link) at second 5."""
    pretended = worker(model(batch_max=1))
    pretended.send(LinkOpened(9))
    pretended.now_s = 5.0
    for link_id in link_ids:
        pretended.send(LinkOpened(link_id))
    for call_id, link_id in calls:
        pretended.send(call(call_id, 5.0, link_id=link_id))
    return pretended


def test_while_batch_follows_batch_the_busy_links_without_an_answer_are_told() -> None:
    pretended = with_links((1, 2, 3), (1, 1), (2, 1), (3, 2), (4, 1))
    pretended.now_s = 5.02
    assert told(pretended.send(BatchEnded(1, 0.02))) == [2, 3]
    pretended.now_s = 5.02 + 0.5 * TELL_S
    assert told(pretended.send(BatchEnded(2, 0.005))) == []
    pretended.now_s = 5.04
    assert told(pretended.send(BatchEnded(3, 0.02))) == [1, 3]


def test_while_a_batch_runs_the_busy_links_are_told_of_the_calls_that_gather() -> None:
    pretended = with_links((1, 2, 3), (1, 1), (2, 1))
    pretended.now_s = 5.0 + 0.5 * TELL_S
    assert told(pretended.send(call(3, 5.0, link_id=2))) == []
    pretended.now_s = 5.0 + TELL_S
    assert told(pretended.send(call(4, 5.0, link_id=2))) == [1, 2, 3]
    assert told(pretended.send(call(5, 5.0, link_id=2))) == []


def test_calls_that_start_at_once_are_told_to_nobody() -> None:
    idle = worker(model(batch_max=1), policy=WorkerPolicy(lanes=2))
    for link_id in (1, 2):
        idle.send(LinkOpened(link_id))
    assert told(idle.send(call(1, 5.0, link_id=1))) == []


def test_a_refusal_tells_its_link_as_an_answer_does() -> None:
    pretended = with_links((1, 2, 3), (1, 1), (2, 1))
    pretended.now_s = 5.02
    assert told(pretended.send(call(3, 0.0, link_id=2))) == [1, 3]
    assert told(pretended.send(BatchEnded(1, 0.02))) == []


def test_a_worker_that_becomes_idle_tells_nobody() -> None:
    pretended = with_links((1, 2), (1, 1))
    pretended.now_s = 5.02
    assert told(pretended.send(BatchEnded(1, 0.02))) == []


def test_a_run_that_ends_and_nobody_waits_for_tells_every_link_that_it_is_over() -> None:
    pretended = with_links((1, 2), (1, 1))
    pretended.now_s = 5.01
    pretended.send(CallCancelled(1))
    pretended.now_s = 5.02
    assert told(pretended.send(BatchEnded(1, 0.02, failed=True, terminated=True))) == [9, 1, 2]
    assert load_of(pretended.machine, 2, now_s=5.02).residual_s == 0.0


def test_a_run_that_nobody_waits_for_tells_nobody_more_when_the_next_one_begins() -> None:
    pretended = with_links((1, 2), (1, 1), (2, 1))
    pretended.now_s = 5.001
    pretended.send(CallCancelled(1))
    pretended.now_s = 5.0 + 0.5 * TELL_S
    effects = pretended.send(BatchEnded(1, 0.02, failed=True, terminated=True))
    assert starts(effects)
    assert told(effects) == [], "they heard of the calls that gather"


def test_who_is_told_does_not_depend_on_who_asks() -> None:
    pretended = with_links((1, 2), (1, 1), (2, 1))
    pretended.now_s = 5.02
    load_of(pretended.machine, 2, now_s=5.02)
    report_of(pretended.machine, 2, now_s=5.02)
    assert told(pretended.send(BatchEnded(1, 0.02))) == [2]
