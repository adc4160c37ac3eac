"""Where the next workers come from, and what the budget does not pay for."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_policy.scaling.offers import Granted, Offer, grant, too_dear

OWN = Offer("own", workers_max=3, price_per_h=1.0)
CLOUD = Offer("cloud", workers_max=10, price_per_h=3.0)
SPOT = Offer("spot", workers_max=10, price_per_h=0.5, preemptible=True)


def test_the_cheapest_with_room_comes_first_and_the_dear_one_takes_the_rest() -> None:
    assert grant(5, [CLOUD, OWN], {}) == Granted({"own": 3, "cloud": 2})
    assert grant(2, [CLOUD, OWN], {"own": 2}) == Granted({"own": 1, "cloud": 1})


def test_a_pool_below_its_floor_comes_before_a_cheaper_one() -> None:
    assert grant(2, [OWN, Offer("far", 1, 4, 9.0)], {}).by_pool == {"far": 1, "own": 1}


def test_workers_that_may_be_taken_back_are_half_at_most_while_there_are_others() -> None:
    assert grant(4, [SPOT, OWN], {}).by_pool == {"own": 2, "spot": 2}
    assert grant(4, [SPOT, OWN], {}, shut=["own"]).by_pool == {"spot": 4}


def test_a_pool_that_is_shut_gives_nobody_and_others_do() -> None:
    assert grant(2, [OWN, CLOUD], {"own": 1}, shut=["own"]).by_pool == {"cloud": 2}


@pytest.mark.parametrize(
    ("budget", "shut", "why", "missing"),
    [
        (0.0, (), "pools_full", 8),
        (5.0, (), "budget", 18),
        (0.0, ("own", "cloud"), "pools_shut", 21),
    ],
)
def test_what_is_not_granted_is_named(
    budget: float, shut: tuple[str, ...], why: str, missing: int
) -> None:
    found = grant(21, [OWN, CLOUD], {}, shut=shut, budget_per_h=budget)
    assert (found.why, found.missing) == (why, missing)


def test_the_dearest_go_until_the_budget_pays_for_the_others() -> None:
    assert too_dear([OWN, CLOUD], {"own": 2, "cloud": 2}, 5.0) == 1
    assert too_dear([OWN, CLOUD], {"own": 2, "cloud": 2}, 0.0) == 0
    assert too_dear([OWN, CLOUD], {"own": 2, "cloud": 2}, 0.5) == 4


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(ValueError, match="workers_min 3 is above workers_max 2"):
        Offer("a", 3, 2)
    with pytest.raises(ValueError, match="price_per_h must not be negative"):
        Offer("a", price_per_h=-1.0)


offers = st.lists(
    st.builds(
        Offer,
        st.sampled_from("abcd"),
        st.integers(0, 3),
        st.integers(3, 8),
        st.sampled_from([0.0, 0.1, 0.3, 1.0, 2.5]),
        st.booleans(),
    ),
    min_size=1,
    unique_by=lambda offer: offer.name,
)


@given(
    offers,
    st.integers(0, 40),
    st.dictionaries(st.sampled_from("abcd"), st.integers(0, 3)),
    st.sampled_from([0.0, 0.3, 2.0, 9.0]),
    st.sets(st.sampled_from("abcd")),
)
def test_no_pool_is_overfull_nor_the_budget_passed_by_what_is_started(
    offered: list[Offer], count: int, present: dict[str, int], budget: float, shut: set[str]
) -> None:
    found = grant(count, offered, present, shut=shut, budget_per_h=budget)
    after = Counter(found.by_pool)
    assert sum(after.values()) + found.missing == count
    assert not after.keys() & shut
    assert bool(found.missing) == bool(found.why)
    for offer in offered:
        after[offer.name] += present.get(offer.name, 0)
        assert after[offer.name] <= max(offer.workers_max, present.get(offer.name, 0))
    if budget and any(offer.price_per_h and found.by_pool.get(offer.name) for offer in offered):
        cost = sum(after[offer.name] * offer.price_per_h for offer in offered)
        assert cost <= budget + 1e-6
