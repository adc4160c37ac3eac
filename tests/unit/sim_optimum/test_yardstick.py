"""What exact knowledge could do: PROMISE's figures, and promises that are all kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hasten_sim.lengths import Lengths, choices
from hasten_sim.scenario import Arrival, BatchTimes, MeshShape, ModelShape, Network, Scenario
from hasten_sim.yardstick import _Lane, best_rows, capacity_within, one_next_batch

SLACK_S = 0.05
SEVEN = choices(tuple((length, 1.0) for length in (8, 16, 24, 32, 64, 96, 128)))


@dataclass(frozen=True)
class Poisson:
    """Requests of one model, with its lengths."""

    rate_per_s: float
    duration_s: float
    lengths: Lengths
    slacks_s: tuple[float, ...] = (SLACK_S,)
    rows_most: int = 1

    def __call__(self, seed: int) -> Iterator[Arrival]:
        rng = Random(seed)
        known, shares = zip(*self.lengths.choices, strict=True)
        at_s = rng.expovariate(self.rate_per_s)
        while at_s < self.duration_s:
            (length,) = rng.choices(known, shares)
            slack_s = rng.choice(self.slacks_s)
            yield Arrival(at_s, 0, slack_s, 1, 0, rng.randint(1, self.rows_most), 0, length)
            at_s += rng.expovariate(self.rate_per_s)


def offered(
    times: BatchTimes, load: float, *, lag_s: float = 0.0015, lengths: Lengths | None = None
) -> Scenario:
    """A load of one worker, as a multiple of what its best batches do."""
    model = ModelShape("m", times, batch_max=32, lengths=lengths or choices(((1, 1.0),)))
    mesh = MeshShape(lag_s=lag_s, network=Network(latency_s=0.0002))
    empty = Scenario("none", 10.0, 0.0, mesh, (model,), lambda _: iter(()))
    rate_per_s = load * capacity_within(empty, SLACK_S)
    arrivals = Poisson(rate_per_s, 10.0, model.lengths)
    return Scenario("test", 10.0, 1.0, mesh, (model,), arrivals, offered_per_s=rate_per_s)


ENCODER_24 = BatchTimes(0.002, 0.0018)
MINILM_32 = BatchTimes(0.0025, 0.0021)
ENCODER_64 = BatchTimes(0.002, 0.0046)


@pytest.mark.parametrize(
    ("times", "lag_s", "rows"),
    [(ENCODER_24, 0.0015, 11), (MINILM_32, 0.0015, 9), (ENCODER_64, 0.001, 4)],
)
def test_two_of_the_best_batches_end_within_the_slack_and_no_larger_ones(
    times: BatchTimes, lag_s: float, rows: int
) -> None:
    slack_s = SLACK_S - 0.0004
    found = best_rows(ModelShape("m", times, batch_max=32), 1, slack_s, lag_s)
    assert found == rows
    assert 2 * times.seconds(rows) <= slack_s - 2 * lag_s < 2 * times.seconds(rows + 1)
    assert best_rows(ModelShape("m", times, batch_max=3), 1, SLACK_S, lag_s) == 3
    assert best_rows(ModelShape("m", times, batch_max=32), 1, 0.001, lag_s) == 1


@pytest.mark.parametrize(
    ("times", "lag_s"), [(ENCODER_24, 0.0015), (MINILM_32, 0.0015), (ENCODER_64, 0.001)]
)
def test_admission_by_one_next_batch_holds_its_peak_under_any_load(
    times: BatchTimes, lag_s: float
) -> None:
    share = {}
    for load in (0.5, 1.0, 1.5, 2.0, 4.0):
        scenario = offered(times, load, lag_s=lag_s)
        kept = one_next_batch(scenario, 1)
        share[load] = kept.goodput_per_s * load / scenario.offered_per_s
    assert share[0.5] == pytest.approx(0.49, abs=0.03)
    assert 0.87 <= share[1.0] <= 0.99
    assert all(0.98 <= share[load] <= 1.06 for load in (1.5, 2.0, 4.0))


def test_below_capacity_nearly_all_come_in_and_batches_grow_with_the_load() -> None:
    rows = [one_next_batch(offered(ENCODER_24, load), 1).batch_rows_mean for load in (0.2, 1, 2)]
    assert rows == sorted(rows)
    assert rows[0] < 2.0
    assert rows[-1] > 10.0


def test_lengths_in_one_stream_cost_batches() -> None:
    times = BatchTimes(0.002, 0.00012, element_s=0.00007)
    found = one_next_batch(offered(times, 2.0, lengths=SEVEN), 1)
    alike = one_next_batch(offered(times, 2.0, lengths=choices(((53, 1.0),))), 1)
    assert found.batch_rows_mean < alike.batch_rows_mean
    assert 0.5 * alike.goodput_per_s < found.goodput_per_s < alike.goodput_per_s


@given(
    st.floats(50.0, 2000.0),
    st.sampled_from([SEVEN, choices(((24, 1.0),))]),
    st.lists(st.sampled_from([0.005, 0.02, 0.05, 0.2, float("inf")]), min_size=1, max_size=3),
    st.integers(1, 4),
    st.integers(0, 1000),
)
def test_no_promise_is_broken_whatever_comes(
    rate_per_s: float, lengths: Lengths, slacks_s: list[float], rows_most: int, seed: int
) -> None:
    times = BatchTimes(0.002, 0.00012, element_s=0.00007)
    model = ModelShape("m", times, batch_max=8, lengths=lengths)
    arrivals = Poisson(rate_per_s, 0.5, lengths, tuple(slacks_s), rows_most)
    made = Scenario("test", 0.5, 0.0, MeshShape(lag_s=0.001), (model,), arrivals)
    lane = _Lane(made)
    for arrival in made.arrivals(seed):
        lane.take(arrival)
        assert lane._kept(lane._waiting, arrival.at_s)
        assert all(batch.rows <= model.batch_max for batch in lane._waiting)


def test_it_is_of_one_lane() -> None:
    two = Scenario("two", 1.0, 0.0, MeshShape(lanes=2), (), lambda _: iter(()))
    with pytest.raises(ValueError, match="one lane"):
        one_next_batch(two, 1)
