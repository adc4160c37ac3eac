"""What the scheduler promises of tasks, simulated: beside calls, among tenants, in faults."""

from collections.abc import Iterator
from dataclasses import replace
from math import inf
from random import Random

import pytest

from hasten_policy.registry import resolve
from hasten_sim.figures import Figures
from hasten_sim.scenario import (
    Arrival,
    BatchTimes,
    Fault,
    HostShape,
    MeshShape,
    ModelShape,
    Noise,
    QueueShape,
    Scenario,
    TaskFlow,
)
from hasten_sim.simulate import simulate

CALLED = ModelShape("called", BatchTimes(0.005), noise=Noise(cv=0.1))
BULK = ModelShape("bulk", BatchTimes(0.001), noise=Noise(cv=0.1))
OTHER = ModelShape("other", BatchTimes(0.001), noise=Noise(cv=0.1))


def calls_of(rate_per_s: float, duration_s: float, slack_s: float = 0.05) -> object:
    """Calls of the first model, Poisson."""

    def arrivals(seed: int) -> Iterator[Arrival]:
        rng = Random(f"{seed}/arrivals")
        at_s = rng.expovariate(rate_per_s)
        while at_s < duration_s:
            yield Arrival(at_s, 0, slack_s, 1, 0, 1, 100)
            at_s += rng.expovariate(rate_per_s)

    return arrivals


def scenario(
    *tasks: TaskFlow,
    workers: int = 2,
    rate_per_s: float = 1e-9,
    duration_s: float = 6.0,
    warmup_s: float = 1.0,
    models: tuple[ModelShape, ...] = (CALLED, BULK, OTHER),
    faults: tuple[Fault, ...] = (),
    queue: QueueShape | None = None,
) -> Scenario:
    return Scenario(
        "tasks",
        duration_s,
        warmup_s,
        MeshShape(1, workers),
        models,
        calls_of(rate_per_s, duration_s),  # type: ignore[arg-type]  # a function of the seed
        tenants=("a", "b", "c"),
        faults=faults,
        tasks=tasks,
        queue=queue or QueueShape(),
    )


def run(said: Scenario, policy: str = "hasten", seed: int = 1) -> Figures:
    return simulate(said, resolve(policy), seed)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_guest_has_manners(seed: int) -> None:
    rate_per_s = 0.6 * 4 / 0.005
    said = scenario(TaskFlow(1, backlog=200), workers=4, rate_per_s=rate_per_s)
    alone = run(replace(said, tasks=()), seed=seed)
    beside = run(said, seed=seed)
    idle_s = alone.lane_s - alone.busy_s
    assert beside.attainment >= alone.attainment - 0.01
    assert beside.latency_ms["p99"] <= 1.15 * alone.latency_ms["p99"]
    assert beside.tasks[0].service_s >= 0.8 * idle_s
    assert beside.tasks[0].runs <= 1.05 * beside.tasks[0].done


def test_a_guest_has_manners_on_two_cores_that_all_share() -> None:
    host = HostShape(
        cores=2,
        run_threads=2,
        accept_s=120e-6,
        refuse_s=80e-6,
        answer_s=110e-6,
        dead_s=200e-6,
        worker_s=100e-6,
        slice_s=0.003,
        task_s=400e-6,
    )
    models = (
        ModelShape("called", BatchTimes(0.001, 0.003), batch_max=16, noise=Noise(cv=0.2)),
        ModelShape("bulk", BatchTimes(0.0001, 0.00025), batch_max=16, noise=Noise(cv=0.2)),
    )
    shared = scenario(TaskFlow(1, backlog=300), models=models, rate_per_s=210, duration_s=4.0)
    said = replace(shared, mesh=MeshShape(1, 1, host=host))
    alone, beside = run(replace(said, tasks=())), run(said)
    assert beside.attainment >= alone.attainment - 0.01
    assert beside.tasks[0].service_s >= 0.1 * (alone.lane_s - alone.busy_s)


def test_tenants_get_what_their_weights_say() -> None:
    flows = [TaskFlow(1, tenant=tenant, backlog=300) for tenant in (0, 1)]
    said = scenario(*flows, duration_s=11.0)
    policy = resolve("hasten")
    weighted = policy.scheduler.but({"tenant_weights": (("a", 3.0),)})
    found = simulate(said, type(policy)("weighted", scheduler=weighted), 1)
    ours, theirs = (flow.service_s for flow in found.tasks)
    assert ours / theirs == pytest.approx(3.0, rel=0.05)


def test_a_small_tenant_does_not_notice_a_noisy_one() -> None:
    small = TaskFlow(1, tenant=0, per_s=100, slack_s=0.5)
    noisy = TaskFlow(1, tenant=1, backlog=1000, slack_s=0.5)
    alone, beside = run(scenario(small)), run(scenario(small, noisy))
    (before,), (after, _) = alone.tasks, beside.tasks
    assert before.in_time > 400
    assert after.in_time / after.submitted >= before.in_time / before.submitted - 0.01


def test_overload_does_not_collapse_where_the_store_is_slow() -> None:
    # Four times what can be done. The earliest deadlines are nearly over, whoever is picked.
    model = ModelShape("m", BatchTimes(0.0, 0.005), batch_max=8, noise=Noise(cv=0.02))
    small = TaskFlow(0, tenant=0, per_s=30, slack_s=1.0)
    noisy = TaskFlow(0, tenant=1, per_s=600, slack_s=1.0)
    said = scenario(small, noisy, models=(model,), workers=1, duration_s=3.0)
    quick = run(said).tasks
    slow = run(replace(said, queue=QueueShape(store_s=0.01))).tasks
    assert slow[0].in_time == slow[0].submitted
    assert sum(flow.in_time for flow in slow) >= 0.9 * sum(flow.in_time for flow in quick)


def test_nobody_starves_under_priority() -> None:
    urgent = TaskFlow(1, priority=0, per_s=2400)  # More than can be done.
    least = TaskFlow(1, priority=3, per_s=20, for_s=2.0)
    found = run(
        scenario(urgent, least, duration_s=8.0, warmup_s=0.0),
        "hasten,scheduler.order=priority,scheduler.ageing_s=1.0",
    )
    assert found.tasks[1].done > 20
    assert found.tasks[1].done == found.tasks[1].submitted
    # Three classes make up for three seconds, and what came before those is worked off first.
    assert found.tasks[1].age_ms["p50"] > 2000


def test_a_drowned_model_does_not_slow_another() -> None:
    slow = ModelShape("slow", BatchTimes(0.2), replicas=1)
    fast = ModelShape("fast", BatchTimes(0.001), replicas=1)
    models = (CALLED, slow, fast)
    steady = TaskFlow(2, per_s=200)
    alone = run(scenario(steady, models=models, workers=3))
    beside = run(scenario(steady, TaskFlow(1, backlog=5000), models=models, workers=3))
    assert beside.tasks[0].done == pytest.approx(alone.tasks[0].done, rel=0.01)
    assert beside.tasks[0].age_ms["p99"] <= 1.5 * alone.tasks[0].age_ms["p99"] + 1.0


def test_deaths_of_workers_and_owners_lose_nothing() -> None:
    flows = (
        TaskFlow(1, tenant=0, per_s=300, for_s=5.0),
        TaskFlow(2, tenant=1, per_s=200, for_s=5.0, slack_s=30.0),
    )
    faults = (
        Fault("crash", 1.0, 0.5, worker=0),
        Fault("scheduler_crash", 1.5, 1.0, scheduler=0),
        Fault("hang", 2.0, 1.5, worker=1),
        Fault("crash", 3.0, 0.5, worker=2),
        Fault("partition", 3.5, 3.0, worker=0),
        Fault("scheduler_crash", 4.0, inf, scheduler=1),
    )
    queue = QueueShape(schedulers=2, shards=4, lease_s=1.0)
    said = scenario(*flows, workers=3, faults=faults, queue=queue, warmup_s=0.0, duration_s=20.0)
    found = run(said)
    for flow in found.tasks:
        assert flow.submitted > 900
        assert flow.done == flow.submitted
        assert not flow.failed
        assert not flow.unfinished
        assert flow.runs <= 1.05 * flow.done


def test_several_owners_do_as_well_as_one_queue() -> None:
    shapes = tuple(
        ModelShape(f"m{n}", BatchTimes(0.002, 0.0005), batch_max=8, replicas=4, noise=Noise(cv=0.1))
        for n in range(4)
    )
    # A fifth more than can be done in full batches of one model.
    per_s = 1.2 * 6 * 8 / 0.006 / 8
    flows = tuple(
        TaskFlow(model, tenant=tenant, per_s=per_s, slack_s=0.3)
        for model in range(4)
        for tenant in range(2)
    )
    said = scenario(*flows, models=shapes, workers=6, duration_s=1.0, warmup_s=0.2)
    one = run(replace(said, queue=QueueShape(1, 1)))
    many = run(replace(said, queue=QueueShape(3, 9)))
    good = [sum(flow.in_time for flow in found.tasks) for found in (one, many)]
    assert good[0] > 1000
    assert good[1] >= 0.95 * good[0]


def test_the_same_run_gives_the_same_figures() -> None:
    said = scenario(TaskFlow(1, backlog=50), rate_per_s=100.0, duration_s=0.5, warmup_s=0.0)
    assert run(said) == run(said)
    assert run(said) != run(said, seed=2)
