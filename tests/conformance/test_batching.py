"""What every rule of batching promises, in every order, with deadlines kept and not."""

from collections import Counter

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.ordering.orders import BATCH_ORDERS
from hasten_policy.registry import names
from hasten_policy.worker.policy import WorkerPolicy
from tests.unit.policy_worker.harness import PretendedWorker, call, model, worker

BATCH_MAX = 6
Drawn = list[tuple[float, float, str, int, int]]
drawn_calls: st.SearchStrategy[Drawn] = st.lists(
    st.tuples(
        st.floats(0.0, 0.2),
        st.sampled_from([0.015, 0.03, 0.08, 0.4, float("inf")]),
        st.sampled_from("ab"),
        st.integers(1, BATCH_MAX),
        st.integers(0, 1),
    ),
    min_size=1,
    max_size=40,
)

every_rule = pytest.mark.parametrize("rule", names("batching"))
every_order = pytest.mark.parametrize("order", BATCH_ORDERS.names)
both = pytest.mark.parametrize("keeps_deadlines", [True, False])


def served(policy: WorkerPolicy, drawn: Drawn) -> PretendedWorker:
    """A worker that has done all that it will."""
    specs = [model(name, batch_max=BATCH_MAX) for name in "ab"]
    made = worker(*specs, policy=policy)
    for number, (at_s, left_s, name, rows, shape) in enumerate(sorted(drawn), start=1):
        arrival = call(number, left_s, model_key=f"{name}/1", rows=rows, shape_key=shape)
        made.at(at_s, arrival)
    made.run()
    return made


@every_rule
@every_order
@both
@settings(deadline=None, max_examples=30)
@given(drawn=drawn_calls)
def test_each_call_runs_once_or_is_refused(
    rule: str, order: str, keeps_deadlines: bool, drawn: Drawn
) -> None:
    policy = WorkerPolicy(
        keeps_deadlines=keeps_deadlines, batching=BatchingPolicy(rule=rule, order=order)
    )
    made = served(policy, drawn)
    assert set(made.ended) == set(range(1, len(drawn) + 1))
    ran = Counter(call_id for _, batch in made.batches for call_id in batch.call_ids)
    assert all(count == 1 for count in ran.values())
    answered = {call_id for call_id, end in made.ended.items() if end.reason is None}
    assert answered <= set(ran)
    if not keeps_deadlines:
        assert answered == set(made.ended)
    of = dict(enumerate(sorted(drawn), start=1))
    for at_s, batch in made.batches:
        members = [of[call_id] for call_id in batch.call_ids]
        assert sum(rows for _, _, _, rows, _ in members) == batch.rows <= BATCH_MAX
        assert len({(name, shape) for _, _, name, _, shape in members}) == 1
        if keeps_deadlines:
            deadlines_s = [made.deadline_s[call_id] for call_id in batch.call_ids]
            assert at_s < min(deadlines_s), "nothing starts after its deadline"


@every_rule
@every_order
def test_the_same_events_give_the_same_batches(rule: str, order: str) -> None:
    policy = WorkerPolicy(batching=BatchingPolicy(rule=rule, order=order))
    drawn = [(0.003 * n, 0.05 + 0.01 * (n % 7), "ab"[n % 2], 1 + n % 3, 0) for n in range(60)]
    first, again = served(policy, drawn), served(policy, drawn)
    assert first.batches == again.batches
    assert first.batches


@every_rule
def test_a_lone_call_without_a_deadline_starts_at_once(rule: str) -> None:
    made = worker(policy=WorkerPolicy(batching=BatchingPolicy(rule=rule)))
    made.send(call(1))
    assert [batch.call_ids for _, batch in made.batches] == [(1,)]
