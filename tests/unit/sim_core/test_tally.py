"""Counts that people will read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.histogram import Histogram
from hasten_sim.tally import jain


@given(st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=200))
def test_quantiles_are_within_a_per_cent_of_the_exact_ones(seconds: list[float]) -> None:
    histogram = Histogram()
    for value in seconds:
        histogram.add(value)
    found = histogram.summary()
    ordered = sorted(seconds)
    for name, q in (("p50", 0.5), ("p99", 0.99)):
        rank = max(0, -(-int(q * 1e9) * len(ordered) // int(1e9)) - 1)
        near = ordered[max(0, rank - 1) : rank + 2]
        assert min(near) * 0.99 <= found[name] / 1e3 <= max(near) * 1.01
    assert found["mean"] == pytest.approx(sum(seconds) / len(seconds) * 1e3)


def test_of_nothing_all_is_zero() -> None:
    assert set(Histogram().summary().values()) == {0.0}


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=9))
def test_jain_lies_between_one_share_and_one(values: list[float]) -> None:
    assert 1.0 / len(values) - 1e-9 <= jain(values) <= 1.0 + 1e-9


def test_jain_is_one_for_equals_and_a_share_for_one_who_has_all() -> None:
    assert jain([0.5, 0.5, 0.5]) == pytest.approx(1.0)
    assert jain([1.0, 0.0, 0.0, 0.0]) == pytest.approx(0.25)
    assert jain([0.0, 0.0]) == 1.0
