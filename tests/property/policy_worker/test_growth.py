"""Batches grow to what the deadlines allow, whatever the profile said."""

from itertools import islice
from random import Random

import hypothesis.strategies as st
from hypothesis import given

from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import PretendedWorker, call, model, profile, worker

BATCH_MAX = 32
BATCHES = 20
CALLS = 400


class Measured:
    """Follows the batches of a worker and the largest that ran.

    Args:
        pretended: Of one model, "m/1".
    """

    def __init__(self, pretended: PretendedWorker) -> None:
        self.pretended = pretended
        self.largest = 0
        self.since = 0
        """Batches since twice the largest would have been tried, if calls enough waited."""

    def begin(self, rows: int, waiting: int) -> None:
        """A batch began while so many calls waited, its own with them."""
        machine = self.pretended.machine
        state = machine._book.models["m/1"]
        twice = min(2 * self.largest, BATCH_MAX)
        fits = state.predictor.predict_s(twice, 1.0, 0.75) <= state.target_s()
        if rows >= twice or waiting < twice or not fits:
            self.since = 0
        else:
            self.since += 1


def overloaded(
    pretended: PretendedWorker, run_s: tuple[float, float], slack_s: float, rng: Random
) -> Measured:
    """Calls of one slack at twice what full batches could serve."""
    alpha_s, beta_s = run_s
    measured = Measured(pretended)
    full = max(1, min(BATCH_MAX, int((0.4 * slack_s - alpha_s) / beta_s)))
    gap_s = (alpha_s + full * beta_s) / full / 2.0
    at_s, call_id, seen, answered = 0.0, 0, 0, 0
    while call_id < CALLS:
        at_s += rng.expovariate(1.0 / gap_s)
        call_id += 1
        pretended.at(at_s, call(call_id, slack_s))
        pretended.run(until_s=at_s)
        for _, batch in pretended.batches[seen:]:
            if seen:
                measured.begin(batch.rows, pretended.machine.waiting + batch.rows)
            measured.largest = max(measured.largest, batch.rows)
            seen += 1
        ended = list(islice(reversed(pretended.ended.items()), len(pretended.ended) - answered))
        answered = len(pretended.ended)
        if any(end.reason is None and end.at_s > pretended.deadline_s[each] for each, end in ended):
            measured.since = 0
        assert measured.since <= BATCHES
    return measured


@given(
    alpha_s=st.floats(0.0005, 0.01),
    beta_s=st.floats(0.0002, 0.003),
    lie=st.sampled_from([0.001, 0.3, 1.0, 3.0, 1000.0]),
    measured=st.sampled_from([(), (1,), (1, 4, 16)]),
    times=st.floats(5.0, 60.0),
    rng=st.integers(0, 10**6).map(Random),
)
def test_while_calls_wait_twice_the_largest_batch_is_tried_within_twenty(
    alpha_s: float,
    beta_s: float,
    lie: float,
    measured: tuple[int, ...],
    times: float,
    rng: Random,
) -> None:
    slack_s = times * (alpha_s + beta_s)
    told = tuple((rows, rows, lie * (alpha_s + beta_s * rows)) for rows in measured)
    pretended = worker(
        model(batch_max=BATCH_MAX, profile=told),
        policy=WorkerPolicy(finish_margin_s=0.0),
        run_s=lambda _key, rows: alpha_s + beta_s * rows,
    )
    overloaded(pretended, (alpha_s, beta_s), slack_s, rng)


def test_a_fresh_worker_under_overload_comes_to_the_batches_that_the_slack_allows() -> None:
    """MiniLM: 2.5 ms and 2.1 ms a row, told three times too long; of 50 ms half is for a batch."""
    told = profile(lambda rows: 3.0 * (0.0025 + 0.0021 * rows), 4)
    pretended = worker(
        model(batch_max=BATCH_MAX, profile=told),
        run_s=lambda _key, rows: 0.0025 + 0.0021 * rows,
    )
    overloaded(pretended, (0.0025, 0.0021), 0.050, Random(1))
    rows = sorted(batch.rows for _, batch in pretended.batches[-30:])
    assert rows[len(rows) // 2] >= 7
    on_time = len(pretended.on_time())
    answered = [end for end in pretended.ended.values() if end.reason is None]
    assert on_time >= 0.95 * len(answered)
