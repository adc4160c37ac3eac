"""What a response-time test accepts is in time, and it accepts more than the simpler bounds."""

from math import lcm

from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scheduler.jobs.periods.feasibility import (
    Need,
    hyperbolic,
    late,
    liu_layland,
    response,
)
from tests.property.policy_scheduler.periodic import worst_responses

PERIODS = (4, 5, 6, 8, 10, 12, 15, 20, 24, 30)


@st.composite
def sets(draw: st.DrawFn, *, implicit: bool = False) -> list[Need]:
    needs: list[Need] = []
    for number in range(draw(st.integers(1, 5))):
        period = draw(st.sampled_from(PERIODS))
        run = draw(st.integers(1, max(1, period // 2)))
        deadline = period if implicit else draw(st.integers(run, period))
        needs.append(Need(f"n{number}", run, period, deadline))
    return needs


blocks = st.integers(0, 6)


@given(sets(), blocks, st.data())
def test_an_accepted_set_simulates_without_a_miss(
    needs: list[Need], block: int, data: st.DataObject
) -> None:
    if late(needs, block) is not None:
        return
    offsets = {
        need.name: data.draw(st.integers(0, need.period - 1), label=need.name) for need in needs
    }
    until = 2 * lcm(*(need.period for need in needs)) + max(PERIODS)
    for starts in (offsets, dict.fromkeys(offsets, 0)):
        worst = worst_responses(needs, starts, block, until)
        for need in needs:
            bound = response(needs, need.name, block)
            assert bound is not None
            assert worst[need.name] <= bound <= need.deadline


@given(sets(), blocks)
def test_the_response_is_reached_or_nearly(needs: list[Need], block: int) -> None:
    # The most urgent one waits for the longest run of all others and for nothing else.
    first = min(needs, key=lambda need: (need.deadline, need.period, need.name))
    others = [need.run for need in needs if need is not first]
    if late(needs, block) is None:
        assert response(needs, first.name, block) == max([block, *others]) + first.run


@given(sets(implicit=True), blocks)
def test_response_times_accept_what_the_hyperbolic_bound_does_and_that_what_liu_layland_does(
    needs: list[Need], block: int
) -> None:
    if liu_layland(needs, block):
        assert hyperbolic(needs, block)
    if hyperbolic(needs, block):
        assert late(needs, block) is None


def test_each_test_accepts_a_set_that_the_simpler_one_refuses() -> None:
    half = [Need("a", 1, 2, 2), Need("b", 1, 3, 3)]
    assert not liu_layland(half, 0)
    assert hyperbolic(half, 0)
    steady = [Need(name, 30, 100, 100) for name in "abc"]
    assert late(steady, 0) is None
    assert not hyperbolic(steady, 0)


@given(st.integers(1, 50), st.integers(1, 50), blocks)
def test_a_task_that_needs_more_than_all_time_is_refused(
    period: int, more: int, block: int
) -> None:
    greedy = [Need("greedy", period + more, period, period)]
    assert late(greedy, block) == (greedy[0], None)


def test_a_turn_after_the_first_can_be_the_worst() -> None:
    # The published example of a bus on which the second turn is later than the first
    # (Davis and others, 2007, with periods 2.5, 3.5, 3.5 and runs of 1).
    needs = [Need("a", 10, 25, 25), Need("b", 10, 35, 35), Need("c", 10, 35, 35)]
    worst = worst_responses(needs, dict.fromkeys("abc", 0), 0, 80)
    assert worst_responses(needs, dict.fromkeys("abc", 0), 0, 1)["c"] == 30
    assert response(needs, "c", 0) == worst["c"] == 35


@given(sets(), blocks)
def test_jitter_and_blocking_only_make_it_later(needs: list[Need], block: int) -> None:
    shaky = [
        Need(need.name, need.run, need.period, need.deadline, jitter=need.period // 4)
        for need in needs
    ]
    for need in needs:
        plain, shaken = response(needs, need.name, block), response(shaky, need.name, block + 1)
        if shaken is not None:
            assert plain is not None
            assert plain <= shaken
