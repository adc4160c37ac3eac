"""The retry budget and the decision after a failure."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_client import HastenError, InvalidArgument, Overloaded, RetryPolicy, Unavailable
from hasten_client.retry import Attempts, RetryBudget

POLICY = RetryPolicy()


def attempts(*, deadline_s: float | None = None, budget: RetryBudget | None = None) -> Attempts:
    return Attempts(
        POLICY, budget or RetryBudget(POLICY), Random(1), deadline_s=deadline_s, now_s=100.0
    )


def test_unavailable_is_retried_twice_and_no_more() -> None:
    call = attempts()
    assert call.retry_delay_s(Unavailable("gone"), now_s=100.0) is not None
    assert call.retry_delay_s(Unavailable("gone"), now_s=100.0) is not None
    assert call.retry_delay_s(Unavailable("gone"), now_s=100.0) is None


@pytest.mark.parametrize(
    "error",
    [
        HastenError("?"),
        InvalidArgument("bad"),
        Overloaded("no hint"),
        Unavailable("do not", retry_forbidden=True),
        Overloaded("do not", retry_after_s=0.0, retry_forbidden=True),
        Unavailable("in an hour", retry_after_s=3600.0),
    ],
)
def test_these_are_never_retried(error: HastenError) -> None:
    assert attempts().retry_delay_s(error, now_s=100.0) is None


def test_the_server_s_hint_is_waited_for_exactly() -> None:
    assert attempts().retry_delay_s(Overloaded("x", retry_after_s=0.3), now_s=100.0) == 0.3
    assert attempts().retry_delay_s(Unavailable("x", retry_after_s=0.2), now_s=100.0) == 0.2


@given(
    deadline_s=st.floats(1e-3, 10),
    passed_s=st.floats(0, 12),
    hint_s=st.none() | st.floats(0, 12),
)
def test_no_retry_begins_at_or_after_the_deadline(
    deadline_s: float, passed_s: float, hint_s: float | None
) -> None:
    delay_s = attempts(deadline_s=deadline_s).retry_delay_s(
        Unavailable("x", retry_after_s=hint_s), now_s=100.0 + passed_s
    )
    assert delay_s is None or 100.0 + passed_s + delay_s < 100.0 + deadline_s


def test_retries_stop_while_half_of_the_budget_or_less_is_left() -> None:
    budget = RetryBudget(POLICY)
    allowed = [
        attempts(budget=budget).retry_delay_s(Unavailable("x"), now_s=100.0) is not None
        for _ in range(8)
    ]
    assert allowed == [True] * 4 + [False] * 4


def test_a_refusal_to_be_retried_costs_a_token_too() -> None:
    budget = RetryBudget(POLICY)
    attempts(budget=budget).retry_delay_s(Overloaded("x", retry_forbidden=True), now_s=100.0)
    assert budget.tokens == 9.0


def test_other_failures_cost_nothing() -> None:
    budget = RetryBudget(POLICY)
    attempts(budget=budget).retry_delay_s(InvalidArgument("x"), now_s=100.0)
    assert budget.tokens == 10.0


@given(st.lists(st.booleans(), max_size=300))
def test_the_budget_stays_within_its_bounds_and_follows_the_ratio(outcomes: list[bool]) -> None:
    budget = RetryBudget(POLICY)
    for answered in outcomes:
        before = budget.tokens
        if answered:
            budget.succeeded()
            assert budget.tokens == min(10.0, before + 0.1)
        else:
            allowed = budget.failed()
            assert budget.tokens == max(0.0, before - 1.0)
            assert allowed == (budget.tokens > 5.0)
    # In the long run at most one retry for every ten answers, beside the first five.
    assert 0.0 <= budget.tokens <= 10.0


@given(st.integers(0, 2**32))
def test_waits_without_a_hint_are_random_and_bounded(seed: int) -> None:
    call = Attempts(POLICY, RetryBudget(POLICY), Random(seed), deadline_s=None, now_s=0.0)
    first_s = call.retry_delay_s(Unavailable("x"), now_s=0.0)
    second_s = call.retry_delay_s(Unavailable("x"), now_s=0.0)
    assert first_s is not None
    assert second_s is not None
    assert 0.0 <= first_s <= 0.05
    assert 0.0 <= second_s <= 0.1
