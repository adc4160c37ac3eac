"""Which worker gets a call."""

from collections import Counter
from itertools import permutations
from random import Random

from hasten_policy.fleet.events import WorkerJoined, WorkerLost, WorkerQuiesced
from hasten_policy.fleet.hasten import pick_blind
from tests.unit.policy_router.harness import Router, model, names, router, sends


def test_a_call_goes_where_depth_times_cost_is_least() -> None:
    made = Router()
    made.join("fast", model(service_s=0.001), depth=5)
    made.join("slow", model(service_s=0.004), depth=1)
    assert sends(made.call(1)) == [(1, "fast")]
    assert sends(made.call(2)) == [(2, "fast")]
    made.report("fast", model(service_s=0.001), depth=8)
    assert sends(made.call(3)) == [(3, "slow")]


def test_equal_workers_share_alike() -> None:
    made = router(*names(4))
    shares = Counter(sends(made.call(call_id))[0][1] for call_id in range(40))
    assert set(shares.values()) == {10}


def test_the_order_in_which_workers_join_does_not_matter() -> None:
    seen = set()
    for order in permutations(("a", "b", "c")):
        made = Router()
        for worker_id in order:
            made.join(worker_id, model(service_s=0.001 * (1 + ord(worker_id) % 3)))
        seen.add(tuple(sends(made.call(call_id))[0] for call_id in range(30)))
    assert len(seen) == 1


def test_a_weight_draws_its_share() -> None:
    made = router("b")
    made.tell(WorkerJoined("a", weight=3.0))
    made.report("a")
    shares = Counter(sends(made.call(call_id))[0][1] for call_id in range(40))
    assert 28 <= shares["a"] <= 32


def test_an_older_load_sample_is_ignored() -> None:
    made = router("a", "b")
    made.report("a", depth=9)
    made.report("a", seq=1, depth=0)
    assert [sends(made.call(call_id)) for call_id in (1, 2)] == [[(1, "b")], [(2, "b")]]


def test_a_worker_without_credits_gets_nothing() -> None:
    made = router("a", "b")
    made.report("a", window=1)
    made.report("b", window=2)
    sent = [send for call_id in range(5) for send in sends(made.call(call_id))]
    assert Counter(worker for _, worker in sent) == {"a": 1, "b": 2}
    assert made.machine.held == 2


def test_a_worker_that_leaves_its_draining_or_quiesced_gets_nothing() -> None:
    made = router("a", "b")
    made.tell(WorkerQuiesced("a"))
    assert made.standing("a") == "draining"
    assert {sends(made.call(call_id))[0][1] for call_id in range(9)} == {"b"}
    made.report("b", draining=True)
    assert sends(made.call(99)) == []


def test_calls_with_one_key_stay_on_one_worker_and_wait_for_it() -> None:
    made = router(*names(5))
    chosen = {sends(made.call(call_id, affinity="k"))[0][1] for call_id in range(9)}
    assert len(chosen) == 1
    keys = {sends(made.call(100 + n, affinity=f"key {n}"))[0][1] for n in range(50)}
    assert len(keys) == 5
    (home,) = chosen
    made.report(home, window=0)
    assert sends(made.call(200, affinity="k")) == []
    assert sends(made.report(home, window=99)) == [(200, home)]


def test_a_call_that_waits_for_its_own_worker_does_not_stand_in_the_way_of_others() -> None:
    made = router("a", "b")
    home = sends(made.call(1, affinity="k"))[0][1]
    other = "b" if home == "a" else "a"
    for worker_id in ("a", "b"):
        made.report(worker_id, window=0)
    made.call(2, 5.0, affinity="k")
    made.call(3, 6.0)
    assert sends(made.report(other, window=1)) == [(3, other)]
    assert made.machine.held == 1


def test_a_ramp_that_is_shorter_than_the_clock_can_tell_ends() -> None:
    made = router("old", "twin", slow_start_s=1e-12)
    made.now_s += 1e9
    made.report("old")
    made.join("new", window=999)
    made.pass_time(0.01)
    assert made.standing("new") == "ready"


def test_a_fresh_worker_ramps_up_where_others_carry_the_load() -> None:
    made = router("old", "twin", slow_start_s=10.0)
    assert made.standing("old") == "ready"
    assert made.standing("twin") == "ready"  # a pool that starts together has no newcomer
    made.tell(WorkerLost("twin"))
    for _ in range(25):
        made.pass_time(0.5)
        made.report("old", window=999)
    for _ in range(11):
        made.pass_time(1.0)
        made.report("old")
    made.join("new", window=999)
    made.report("old", window=999)
    assert made.standing("new") == "slow_start"
    early = Counter(sends(made.call(call_id))[0][1] for call_id in range(110))
    assert 5 <= early["new"] <= 15
    for _ in range(25):
        made.pass_time(0.5)
        made.report("new", window=999)
        made.report("old", window=999)
    assert made.standing("new") == "ready"
    late = Counter(sends(made.call(1000 + call_id))[0][1] for call_id in range(60))
    assert late["new"] == 30


def test_a_fresh_worker_begins_at_the_cost_of_its_peers() -> None:
    made = router("old")
    made.call(1)
    made.answer(1, "old", service_s=0.050)
    made.join("new", model(service_s=0.0001))
    costs = {view.worker_id: view.service_s for view in made.machine.views(now_s=made.now_s)}
    assert costs["new"] == costs["old"]


def test_more_than_64_workers_of_a_model_are_used_by_a_stable_subset() -> None:
    workers = names(100)
    made = router(*workers)
    used = {sends(made.call(call_id))[0][1] for call_id in range(400)}
    assert len(used) == 32
    again = Router()
    for worker_id in reversed(workers):
        again.join(worker_id)
    assert {sends(again.call(call_id))[0][1] for call_id in range(400)} == used
    other = router(*workers, router_id="another")
    assert {sends(other.call(call_id))[0][1] for call_id in range(400)} != used


def test_a_model_that_few_of_many_workers_have_is_served_by_all_of_these() -> None:
    made = router(*names(100))
    for number in range(3):
        made.join(f"rare{number}", model("rare"))
    used = {sends(made.call(call_id, model="rare"))[0][1] for call_id in range(30)}
    assert used == {"rare0", "rare1", "rare2"}


def test_blind_choice_keeps_to_credits_and_prefers_the_less_loaded() -> None:
    made = router("a", "b")
    entries = made.machine._state.fleet.registry.views["m"].open
    for call_id in range(6):
        made.call(call_id)
    made.report("a", window=3)
    made.report("b", window=64)
    rng = Random(1)
    assert {pick_blind(entries, rng).worker.worker_id for _ in range(50)} == {"b"}  # type: ignore[union-attr]  # b has credits
    made.report("b", window=3)
    assert pick_blind(entries, rng) is None
