"""What the requests of a workload are like, and the mesh and models of its scenario."""

import pickle
from collections import Counter
from math import inf, isinf, nan
from statistics import mean, stdev

import pytest

from hasten_sim.scenario import Arrival, Fault, HostShape, Noise
from hasten_sim.workload import Workload, WorkloadError
from tests.unit.sim_workload.texts import MODEL, POISSON, workload

BUSY = POISSON.replace("100", "2000")


def arrivals(*tables: str, models: str = MODEL) -> list[Arrival]:
    return list(workload(*tables, arrivals=BUSY, models=models).scenario().arrivals(1))


def shares(values: list[int]) -> dict[int, float]:
    return {value: count / len(values) for value, count in Counter(values).items()}


def test_the_plainest_workload_asks_for_one_row_without_a_deadline() -> None:
    first, *_ = arrivals()
    assert first == Arrival(first.at_s, 0, inf, 1, 0, 1, 1024)
    assert isinstance(first, Arrival)


def test_models_share_the_requests_by_zipf_within_their_set() -> None:
    models = MODEL + "count = 3\nzipf = 1\nshare = 11\n" + MODEL.replace('"model"', '"other"')
    scenario = workload(models=models).scenario()
    assert [model.name for model in scenario.models] == ["model0", "model1", "model2", "other"]
    assert [model.share for model in scenario.models] == pytest.approx([6, 3, 2, 1])
    found = shares([arrival.model for arrival in arrivals(models=models)])
    expected = {0: 6 / 12, 1: 3 / 12, 2: 2 / 12, 3: 1 / 12}
    assert found == pytest.approx(expected, abs=0.012)


def test_names_of_a_set_sort_as_they_count() -> None:
    scenario = workload(models=MODEL + "count = 11\n").scenario()
    names = [model.name for model in scenario.models]
    assert names == sorted(names)
    assert names[0] == "model00"
    assert [model.share for model in scenario.models] == pytest.approx([1.0] * 11)


def test_deadlines_are_fixed_scaled_or_mixed() -> None:
    assert {a.slack_s for a in arrivals("[deadlines]\nkind = 'fixed'\nms = 50")} == {0.05}
    slow = MODEL.replace('"model"', '"slow"').replace("10", "100")
    scaled = arrivals("[deadlines]\nkind = 'scaled'\nfactor = 3", models=MODEL + slow)
    assert {(a.model, round(a.slack_s, 6)) for a in scaled} == {(0, 0.033), (1, 0.303)}
    choices = "choices = [{ms = 50, share = 3}, {share = 1}]"
    mixed = arrivals(f"[deadlines]\nkind = 'mixed'\n{choices}")
    endless = sum(isinf(arrival.slack_s) for arrival in mixed) / len(mixed)
    assert endless == pytest.approx(0.25, abs=0.01)


def test_priorities_come_by_share_and_a_share_of_nothing_never() -> None:
    found = arrivals("[priorities]\nshares = [1, 0, 3, 0]")
    assert shares([a.priority for a in found]) == pytest.approx({0: 0.25, 2: 0.75}, abs=0.01)


def test_a_tenant_may_ask_for_more_than_its_share_and_have_its_own_classes() -> None:
    tenants = """
tenants = [
    { name = "calm" },
    { name = "flood", rate_factor = 9, priorities = [0, 0, 1] },
]
"""
    calm = len(arrivals())
    found = arrivals(tenants)
    by_tenant = Counter(arrival.tenant for arrival in found)
    # Both have half of the rate; the flood comes nine times over, and the calm is as before.
    assert by_tenant[0] == pytest.approx(calm / 2, rel=0.03)
    assert by_tenant[1] == pytest.approx(calm / 2 * 9, rel=0.03)
    assert {(arrival.tenant, arrival.priority) for arrival in found} == {(0, 1), (1, 2)}
    scenario = workload(tenants, arrivals=BUSY).scenario()
    assert scenario.tenants == ("calm", "flood")
    assert scenario.offered_per_s == pytest.approx(2000 * 5)


def test_payloads_are_log_normal_with_their_mean_and_cv() -> None:
    found = [
        a.payload_bytes for a in arrivals("payload = {kind='lognormal', mean_bytes=1e4, cv=1}")
    ]
    assert mean(found) == pytest.approx(1e4, rel=0.04)
    assert stdev(found) / mean(found) == pytest.approx(1.0, rel=0.1)
    assert all(isinstance(size, int) and size >= 1 for size in found)


def test_rows_are_drawn_and_count_as_load() -> None:
    mixed = "[rows]\nkind = 'mixed'\nchoices = [{rows = 1, share = 3}, {rows = 5, share = 1}]"
    found = shares([arrival.rows for arrival in arrivals(mixed)])
    assert found == pytest.approx({1: 0.75, 5: 0.25}, abs=0.01)
    assert workload(mixed).capacity_per_s() == pytest.approx(workload().capacity_per_s() / 2)
    uniform = "[rows]\nkind = 'uniform'\nleast = 2\nmost = 4"
    assert set(shares([arrival.rows for arrival in arrivals(uniform)])) == {2, 3, 4}


LENGTHS = "lengths = { kind = 'mixed', choices = [[8, 1], [32, 3]] }\nelement_us = 100\n"


def test_lengths_are_drawn_by_model_and_count_as_load() -> None:
    models = MODEL + LENGTHS + MODEL.replace('"model"', '"other"')
    found = arrivals(models=models)
    own = [arrival.length for arrival in found if arrival.model == 0]
    assert shares(own) == pytest.approx({8: 0.25, 32: 0.75}, abs=0.015)
    assert {arrival.length for arrival in found if arrival.model == 1} == {1}
    (model,) = workload(models=MODEL + LENGTHS).scenario().models
    full_s = 0.042 + 32 * 26 * 0.0001
    assert model.mean_s(32) == pytest.approx(full_s)
    assert workload(models=MODEL + LENGTHS).capacity_per_s() == pytest.approx(32 / full_s)
    assert {a.length for a in arrivals(models=MODEL + "lengths = {kind='fixed', length=24}")} == {
        24
    }


def test_scaled_deadlines_go_with_the_length_of_each_request() -> None:
    found = arrivals("[deadlines]\nkind = 'scaled'\nfactor = 2", models=MODEL + LENGTHS)
    assert {(a.length, round(a.slack_s, 6)) for a in found} == {(8, 0.0236), (32, 0.0284)}


def test_a_capacity_that_is_said_is_the_load_1_and_grows_with_the_workers() -> None:
    found = workload("capacity_per_s = 100", "[mesh]\nworkers = 2\nspeeds = [1, 3]")
    assert found.capacity_per_s() == 100
    assert found.capacity_per_s(workers=3) == pytest.approx(125)
    assert found.scenario(load=2.0).offered_per_s == pytest.approx(200)


def test_what_is_drawn_for_one_thing_does_not_move_when_another_is_added() -> None:
    plain = [a.at_s for a in arrivals()]
    for other in (
        arrivals("[priorities]\nshares = [1, 1]"),
        arrivals(models=MODEL + LENGTHS),
        arrivals("[mesh]\nlag_ms = 1\n[mesh.host]\ncores = 2"),
    ):
        assert [a.at_s for a in other] == plain


def full_workload() -> Workload:
    return workload(
        "warmup_s = 2",
        """
[mesh]
routers = 2
workers = 3
lanes = 4
speeds = [1, 2]
weights_known = true
weights = [3]
memory_mb = 100
network = { latency_ms = 1, jitter_ms = 2, report_period_ms = 100, report_loss = 0.5 }

[[faults]]
kind = "slow"
at_s = 1
for_s = 2
worker = "random"
factor = 4

[[faults]]
kind = "store_loss"
at_s = 3
""",
        models=MODEL
        + "noise = {cv = 1, tail_share = 0.1, tail_factor = 9}\nprofiled_factor = 0.5\n"
        + "replicas = 2\nmemory_mb = 10\nload_s = 3\n"
        + "[[models]]\nname = 'measured'\npoints = [[1, 5], [8, 20]]\nbatch_max = 8\n",
    )


def test_all_that_is_said_reaches_the_scenario_in_seconds() -> None:
    scenario = full_workload().scenario()
    mesh, (model, measured) = scenario.mesh, scenario.models
    assert (mesh.routers, mesh.workers, mesh.lanes, mesh.memory_mb) == (2, 3, 4, 100)
    assert (mesh.speeds, mesh.weights_known, mesh.weights) == ((1, 2), True, (3,))
    network = mesh.network
    assert (network.latency_s, network.jitter_s) == (0.001, 0.002)
    assert (network.report_period_s, network.report_loss) == (0.1, 0.5)
    assert (model.times.seconds(2), measured.times.points) == (0.012, ((1, 0.005), (8, 0.02)))
    noise = model.noise
    assert (noise.cv, noise.tail_share, noise.tail_factor) == (1, 0.1, 9)
    assert (model.profiled_factor, model.replicas, model.memory_mb, model.load_s) == (0.5, 2, 10, 3)
    slow, lost = scenario.faults
    assert slow == Fault("slow", 1, 2, slow.worker, 4)
    assert slow.worker in range(3)
    assert lost == Fault("store_loss", 3, inf, None)
    assert (scenario.duration_s, scenario.warmup_s) == (10, 2)


def test_what_models_machines_and_thefts_are_like_reaches_the_scenario_in_seconds() -> None:
    steal = "[[faults]]\nkind = 'steal'\nat_s = 1\nrouter = 0\nevery_ms = 100\neach_ms = 30\n"
    scenario = workload(
        "[mesh]\nlag_ms = 2\n[mesh.host]\ncores = 2\naccept_us = 100\nrefuse_us = 50\n"
        "answer_us = 80\nworker_us = 60\npending_max = 7\ncut_us = 15\nslice_ms = 3\n",
        steal,
        "[[faults]]\nkind = 'steal'\nat_s = 1\nshare = 0.5\n",
        "[[faults]]\nkind = 'crowd'\nat_s = 1\nfor_s = 2\nthreads = 4\n",
        "[[faults]]\nkind = 'hiccup'\nat_s = 1\nworker = 0\nms = 40\n",
        models=MODEL
        + "element_us = 3\nsquare_us = 2\nprofiled_at = 'never'\n"
        + "noise = { drift_cv = 0.2, drift_s = 3, stall_every_s = 5, stall_ms = 20 }\n",
    ).scenario()
    assert scenario.mesh.lag_s == 0.002
    assert scenario.mesh.host == HostShape(
        2, 2, 1e-4, 5e-5, 8e-5, 1.5e-4, 6e-5, 7, slice_s=0.003, cut_s=1.5e-5
    )
    (model,) = scenario.models
    assert (model.times.element_s, model.times.square_s) == (3e-6, 2e-6)
    assert model.noise == Noise(drift_cv=0.2, drift_s=3, stall_every_s=5, stall_s=0.02)
    assert model.profiled_at == "never"
    assert scenario.faults == (
        Fault("steal", 1, router=0, every_s=0.1, each_s=0.03),
        Fault("steal", 1, share=0.5),
        Fault("crowd", 1, 2, threads=4),
        Fault("hiccup", 1, worker=0, stall_s=0.04),
    )


def test_a_scenario_goes_through_a_process_pool_unchanged() -> None:
    scenario = full_workload().scenario()
    copy = pickle.loads(pickle.dumps(scenario))  # noqa: S301  (made here)
    assert copy == scenario
    assert list(copy.arrivals(7)) == list(scenario.arrivals(7))


def test_what_a_scenario_is_asked_for_replaces_what_the_file_says() -> None:
    found = full_workload()
    scenario = found.scenario(load=2, workers=6, routers=5, duration_s=5)
    assert (scenario.mesh.workers, scenario.mesh.routers) == (6, 5)
    assert scenario.offered_per_s == pytest.approx(2 * found.capacity_per_s(workers=6))
    assert found.capacity_per_s(workers=6) > found.capacity_per_s()
    assert (scenario.duration_s, scenario.warmup_s) == (5, 1)
    assert found.scenario().offered_per_s == 100


def test_a_fault_of_a_worker_that_was_taken_away_is_refused() -> None:
    found = workload("[mesh]\nworkers = 3\n[[faults]]\nkind='hang'\nat_s=1\nworker=2")
    with pytest.raises(WorkloadError, match=r"test: faults\[0\].worker: found 2, expected less"):
        found.scenario(workers=2)


@pytest.mark.parametrize("key", ["load", "workers", "routers", "duration_s"])
@pytest.mark.parametrize("value", [0, -1, nan, inf])
def test_what_a_scenario_is_asked_for_must_be_above_0(key: str, value: float) -> None:
    with pytest.raises(WorkloadError, match=f"test: {key}: found {value}, expected a number above"):
        workload().scenario(**{key: value})  # type: ignore[arg-type]  # wrong on purpose


def test_sweeps_and_policies_are_handed_on() -> None:
    found = workload("policies = ['hasten']\ndescription = 'x'\n[sweep]\nload = [0.5, 1]")
    assert (found.sweep, found.policies, found.description) == (
        {"load": [0.5, 1.0]},
        ("hasten",),
        "x",
    )
