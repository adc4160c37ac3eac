"""What holds for each single decision, whatever the state."""

from random import Random

import hypothesis.strategies as st
from hypothesis import given

from hasten_policy.fleet.hasten import pick
from hasten_policy.ordering.hold_queue import HoldQueue
from hasten_policy.router.calls import CallRecord
from hasten_policy.router.events import Refuse
from tests.unit.policy_router.harness import Router, model

worker_states = st.lists(
    st.fixed_dictionaries(
        {
            "depth": st.integers(0, 9),
            "window": st.integers(0, 6),
            "backlog_s": st.floats(0.0, 0.5),
            "waiting": st.integers(0, 9),
        }
    ),
    min_size=1,
    max_size=6,
)
costs = st.sampled_from([0.001, 0.002, 0.004, 0.03])


def router_in(states: list[dict[str, float]], cost_s: list[float], sent: int) -> Router:
    """Workers in these states, after `sent` calls of long deadlines."""
    made = Router()
    for index in range(len(states)):
        made.join(f"w{index}", model(service_s=cost_s[index % len(cost_s)]))
    for call_id in range(sent):
        made.call(call_id, 50.0)
    for index, state in enumerate(states):
        profile = model(service_s=cost_s[index % len(cost_s)])
        made.report(f"w{index}", profile, **state)  # type: ignore[arg-type]  # drawn by field
    return made


@given(worker_states, st.lists(costs, min_size=1), st.integers(0, 12), st.integers(0, 99))
def test_the_chosen_worker_has_the_least_score_of_those_with_credits(
    states: list[dict[str, float]], cost_s: list[float], sent: int, seed: int
) -> None:
    entries = router_in(states, cost_s, sent).machine._state.fleet.registry.views["m"].open
    scores = {
        entry.worker.worker_id: (entry.worker.queue + 1) * entry.cost_s
        for entry in entries
        if len(entry.worker.calls) < entry.worker.window
    }
    chosen = pick(entries, Random(seed))
    backwards = pick(entries[::-1], Random(seed + 1))
    if chosen is None or backwards is None:
        assert not scores
        assert chosen is backwards
    else:
        assert scores[chosen.worker.worker_id] == min(scores.values())
        assert scores[backwards.worker.worker_id] == min(scores.values())


@given(
    worker_states,
    st.lists(costs, min_size=1),
    st.integers(0, 20),
    st.floats(0.001, 1.0),
    st.floats(0.0, 1.0),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_more_time_or_more_urgency_never_turns_an_admission_into_a_refusal(
    states: list[dict[str, float]],
    cost_s: list[float],
    sent: int,
    time_left_s: float,
    more_s: float,
    classes: tuple[int, int],
) -> None:
    def admitted(left_s: float, priority: int) -> bool:
        made = router_in(states, cost_s, sent)
        return not any(isinstance(e, Refuse) for e in made.call(99, left_s, priority=priority))

    urgent, lax = sorted(classes)
    # Calls that are held have far longer deadlines here: none comes between the two.
    if admitted(time_left_s, lax):
        assert admitted(time_left_s + more_s, lax)
        assert admitted(time_left_s, urgent)


@given(st.lists(st.tuples(st.floats(0, 9), st.floats(0, 1)), max_size=30), st.randoms())
def test_the_hold_queue_is_in_order_and_its_cost_is_the_sum(
    drawn: list[tuple[float, float]], rng: Random
) -> None:
    queue: HoldQueue[CallRecord] = HoldQueue()
    router = Router()
    router.join("w")
    view = router.machine._state.fleet.registry.views["m"]
    calls = []
    for call_id, (order_s, cost_s) in enumerate(drawn):
        router.call(call_id)
        call = CallRecord(router.log[-1][1], view, 0.0, order_s)  # type: ignore[arg-type]  # the arrival
        call.cost_s = cost_s
        calls.append(call)
        queue.push(call)
    while calls:
        wanted = sorted(calls, key=lambda call: (call.order_s, call.call_id))
        assert queue.calls() == wanted
        assert queue.first(2) == wanted[:2]
        assert abs(queue.cost_s - sum(call.cost_s for call in calls)) < 1e-9
        assert queue.ahead_s(-1.0) == 0.0
        queue.remove(calls.pop(rng.randrange(len(calls))))
    assert len(queue) == 0
    assert queue.cost_s == 0.0
