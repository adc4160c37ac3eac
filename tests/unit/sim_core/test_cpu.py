"""Cores that are wanted by several, and threads that do one thing after the other."""

from collections.abc import Callable
from math import inf
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.cpu import Cpu, Process
from hasten_sim.loop import Loop
from hasten_sim.thread import LEAST_S, Thread


class Log:
    """What was done, and when."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.ends_s: dict[str, float] = {}

    def done(self, name: str) -> None:
        self.ends_s[name] = self.loop.now_s

    def at(self, at_s: float, move: Callable[[], object]) -> None:
        self.loop.at(at_s, lambda _: move())


def test_with_cores_enough_everything_takes_as_long_as_alone() -> None:
    log = Log()
    cpu = Cpu(log.loop, 3)
    Process(cpu).start(1.0, 2, log.done, "run")
    Process(cpu).start(0.25, 1, log.done, "call")
    log.loop.run_before(9.0)
    assert log.ends_s == {"call": 0.25, "run": 1.0}


def test_too_few_cores_slow_all_threads_alike_and_only_while_they_are_wanted() -> None:
    log = Log()
    cpu = Cpu(log.loop, 2)
    run, front = Process(cpu), Process(cpu)
    run.start(1.0, 2, log.done, "run")
    # Three threads on two cores: each has two thirds of one.
    front.start(0.2, 1, log.done, "call")
    log.loop.run_before(9.0)
    assert log.ends_s == {"call": pytest.approx(0.3), "run": pytest.approx(0.3 + 0.8)}


def test_who_weighs_less_gets_less_where_cores_are_short() -> None:
    log = Log()
    cpu = Cpu(log.loop, 1)
    Process(cpu).start(0.75, 1, log.done, "call")
    Process(cpu, 1 / 3).start(0.5, 1, log.done, "guest")
    log.loop.run_before(9.0)
    # In that second the guest has had a quarter of the core; then it has all of it.
    assert log.ends_s == {"call": pytest.approx(1.0), "guest": pytest.approx(1.25)}


def test_what_a_thread_cannot_use_is_for_those_that_weigh_less() -> None:
    log = Log()
    cpu = Cpu(log.loop, 2)
    Process(cpu).start(1.0, 1, log.done, "call")
    guests = Process(cpu, 0.1)
    guests.start(0.5, 2, log.done, "guests")
    log.loop.run_before(9.0)
    assert log.ends_s == {"call": pytest.approx(1.0), "guests": pytest.approx(1.0)}


def test_neighbours_take_their_share_while_they_are_there() -> None:
    log = Log()
    cpu = Cpu(log.loop, 2)
    Process(cpu).start(1.0, 2, log.done, "run")
    log.at(0.5, lambda: cpu.crowd(2))
    log.at(0.7, lambda: cpu.crowd(-2))
    log.loop.run_before(9.0)
    assert log.ends_s == {"run": pytest.approx(1.1)}


def test_what_is_stolen_from_one_process_the_others_keep() -> None:
    log = Log()
    cpu = Cpu(log.loop)
    one, other = Process(cpu), Process(cpu)
    one.start(1.0, 1, log.done, "one")
    other.start(1.0, 1, log.done, "other")
    log.at(0.25, lambda: one.steal(1.0))
    log.at(0.75, lambda: one.give_back(1.0))
    log.loop.run_before(9.0)
    assert log.ends_s == {"other": 1.0, "one": pytest.approx(1.5)}


@pytest.mark.parametrize("cores", [1.0, inf])
def test_what_is_stolen_from_the_machine_all_lack_and_thefts_add_up(cores: float) -> None:
    log = Log()
    cpu = Cpu(log.loop, cores)
    process = Process(cpu)
    process.start(1.0, 1, log.done, "run")
    cpu.steal(0.5)
    process.steal(0.5)
    log.at(2.0, lambda: process.give_back(0.5))
    log.at(2.5, lambda: cpu.steal(1.0))
    log.at(3.0, lambda: cpu.give_back(1.0))
    log.loop.run_before(9.0)
    # A quarter for two seconds, a half for half of one, nothing for half of one, then a half.
    assert log.ends_s["run"] == pytest.approx(3.5)


def test_what_is_stopped_never_ends_and_makes_room() -> None:
    log = Log()
    cpu = Cpu(log.loop, 1)
    process = Process(cpu)
    given_up = process.start(5.0, 1, log.done, "given up")
    process.start(1.0, 1, log.done, "kept")
    log.at(0.5, lambda: process.stop(given_up))
    log.loop.run_before(99.0)
    assert log.ends_s == {"kept": pytest.approx(1.25)}
    process.stop(given_up)


def test_on_a_crowded_machine_whoever_wakes_up_may_wait_for_a_slice_to_end() -> None:
    log = Log()
    cpu = Cpu(log.loop, 1, slice_s=0.004, rng=Random(1))
    process = Process(cpu)
    for number in range(1000):
        log.at(number * 1.0, lambda n=number: process.start(1e-6, 1, log.done, str(n)))
        if number == 499:
            log.at(number + 0.5, lambda: cpu.crowd(3))
    given_up = process.start(9.0, 1, log.done, "given up")
    process.stop(given_up)
    log.loop.run_before(2000.0)
    waits_s = [log.ends_s[str(number)] - number for number in range(1000)]
    assert max(waits_s[:500]) < 1e-5
    late = [wait_s for wait_s in waits_s[500:] if wait_s > 1e-5]
    assert len(late) == pytest.approx(500 * 3 / 4, rel=0.1)
    assert max(late) < 0.0041
    assert sum(late) / len(late) == pytest.approx(0.002, rel=0.1)
    assert "given up" not in log.ends_s


works = st.lists(
    st.tuples(st.floats(0.0, 2.0), st.floats(0.001, 2.0), st.integers(1, 4)), min_size=1, max_size=8
)


@given(works, st.integers(1, 4), st.integers(0, 4))
def test_no_core_does_more_than_a_second_a_second_and_no_work_is_lost(
    wanted: list[tuple[float, float, int]], cores: int, others: int
) -> None:
    log = Log()
    cpu = Cpu(log.loop, cores)
    cpu.crowd(others)
    process = Process(cpu)

    def begin(number: int) -> None:
        _, seconds, threads = wanted[number]
        process.start(seconds, threads, log.done, str(number))

    for number, (at_s, _, _) in enumerate(wanted):
        log.loop.at(at_s, begin, number)
    log.loop.run_before(1000.0)
    assert len(log.ends_s) == len(wanted)
    for number, (at_s, seconds, _) in enumerate(wanted):
        assert log.ends_s[str(number)] >= at_s + seconds - 1e-6
    busy_s = max(log.ends_s.values()) - min(at_s for at_s, _, _ in wanted)
    assert sum(seconds * threads for _, seconds, threads in wanted) <= busy_s * cores + 1e-6


def test_what_is_at_hand_goes_before_what_waits_at_the_door() -> None:
    log = Log()
    thread = Thread(Process(Cpu(log.loop)))
    order: list[str] = []
    for name in ("first", "second"):
        assert thread.let_in(lambda name: thread.do_next(1.0, order.append, name), name)
    thread.do(1.0, order.append, "a reply")
    thread.do(1.0, order.append, "another")
    log.loop.run_before(9.0)
    assert order == ["first", "a reply", "another", "second"]


def test_a_full_door_lets_nobody_wait() -> None:
    log = Log()
    thread = Thread(Process(Cpu(log.loop)), door_max=2)
    # The first is looked at already.
    assert [thread.let_in(log.done, str(number)) for number in range(4)] == [True] * 3 + [False]
    log.loop.run_before(1.0)
    assert log.ends_s["2"] == pytest.approx(3 * LEAST_S)


def test_a_thread_whose_process_died_does_nothing_more_and_then_begins_anew() -> None:
    log = Log()
    thread = Thread(Process(Cpu(log.loop)))
    thread.do(1.0, log.done, "lost")
    thread.let_in(log.done, "lost too")
    thread.clear()
    thread.do(1.0, log.done, "new")
    log.loop.run_before(9.0)
    assert log.ends_s == {"new": 1.0}


def test_a_process_that_gets_no_time_does_not_even_the_least() -> None:
    log = Log()
    process = Process(Cpu(log.loop, inf))
    thread = Thread(process)
    process.steal(1.0)
    thread.do(0.0, log.done, "look")
    log.at(2.0, lambda: process.give_back(1.0))
    log.loop.run_before(9.0)
    assert log.ends_s["look"] == pytest.approx(2.0, abs=1e-5)
