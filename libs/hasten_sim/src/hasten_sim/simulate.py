"""One run: the machines of the services, joined by a pretended network, in virtual time."""

from dataclasses import replace
from random import Random
from typing import Final

from hasten_policy.registry import PolicySet, scaling
from hasten_sim import faults
from hasten_sim.figures import Figures
from hasten_sim.link import Air, Discovery, Link
from hasten_sim.loop import Loop
from hasten_sim.machines import Machines
from hasten_sim.placing import placed
from hasten_sim.queue import SimQueue
from hasten_sim.router import SimRouter
from hasten_sim.scaling.coarse import simulate_coarse
from hasten_sim.scaling.outcome import Outcome
from hasten_sim.scaling.shell import SimAutoscaler
from hasten_sim.scaling.whole import MeteredTally, WholeMesh, grown
from hasten_sim.scenario import Scenario
from hasten_sim.scheduler import SimScheduler
from hasten_sim.tally import Tally
from hasten_sim.worker import SimWorker

MEET_S: Final = 1.0
"""The mesh is up this long before the first arrival: routers have heard of all workers."""
SETTLE_S: Final = 60
"""After the last arrival a run goes on for at most this long, so that every request can end."""


def simulate(scenario: Scenario, policies: PolicySet, seed: int, *, load: float = 0.0) -> Figures:
    """Runs a scenario under a set of policies.

    The same arguments give the same figures, on any machine and in any process.

    Args:
        scenario: Mesh, models, arrivals, faults.
        policies: Parameters of the machines.
        seed: Of everything that is drawn: arrivals, noise, tie-breaks.
        load: What the figures say of the offered load; changes nothing.

    Raises:
        ValueError: The models do not fit the workers.
    """
    tally = Tally(scenario)
    mesh = _Mesh(scenario, policies, seed, tally)
    mesh.start(scenario.mesh.workers, seed)
    mesh.run(seed)
    return tally.figures(
        policy=policies.name, load=load, seed=seed, events=mesh.events, tasks=mesh.queue.figures()
    )


def simulate_scaled(
    scenario: Scenario,
    policies: PolicySet,
    seed: int,
    rule: str,
    *,
    coarse: bool = False,
    load: float = 0.0,
) -> Figures:
    """Runs a scenario whose workers come and go as an autoscaler decides.

    Args:
        scenario: As `simulate`; its mesh has as many workers as there are at the start.
        policies: Parameters of routers and workers.
        seed: Of everything that is drawn.
        rule: As `hasten_policy.registry.scaling` reads it.
        coarse: The demand level instead of calls (`hasten_sim.scaling.coarse`).
        load: As `simulate`.

    Raises:
        ValueError: The scenario says nothing of a pool, or the rule does not exist.
    """
    whole, pool = grown(scenario)
    policy = scaling(rule)
    if coarse:
        return simulate_coarse(scenario, pool, policy, seed, rule=rule, load=load)
    if pool.planned:
        raise ValueError(f"{scenario.name}: planned batches need the demand level (coarse)")
    tally = MeteredTally(whole)
    mesh = _Mesh(whole, policies, seed, tally)
    mesh.start(scenario.mesh.workers, seed)
    outcome = Outcome(scenario.warmup_s, scenario.duration_s)
    port = WholeMesh(whole, tally, mesh.workers, mesh.loop)
    shell = SimAutoscaler(whole, pool, policy, port, mesh.loop, outcome, seed)
    shell.begin(scenario.mesh.workers)
    mesh.run(seed)
    made = outcome.figures(rule, pool.bounds.price_per_h)
    figures = tally.figures(
        policy=policies.name, load=load, seed=seed, events=mesh.events, tasks=mesh.queue.figures()
    )
    lane_s = made.replica_s * scenario.mesh.lanes
    return replace(figures, lane_s=lane_s, scaling=made, events=figures.events + shell.events)


class _Mesh:
    """Routers, schedulers and workers, joined by links."""

    def __init__(self, scenario: Scenario, policies: PolicySet, seed: int, tally: Tally) -> None:
        self._scenario = scenario
        self.loop = loop = Loop(-MEET_S)
        self._machines = machines = Machines(scenario, loop, seed)
        self.routers = [
            SimRouter(index, scenario, policies.router, loop, tally, seed, process)
            for index, process in enumerate(machines.routers)
        ]
        self.workers = [
            SimWorker(index, scenario, policies.worker, loop, tally, process)
            for index, process in enumerate(machines.workers)
        ]
        self.queue, self.schedulers = _schedulers(scenario, policies, machines, loop, seed)
        self._discovery = Discovery()
        air = Air(loop, scenario.mesh.network, self._discovery)
        for worker in self.workers:
            ends: list[SimRouter | SimScheduler] = [*self.routers, *self.schedulers]
            for end in ends:
                rng = Random(f"{seed}/link/{end.index}/{worker.index}")
                link = Link(air, rng, end, worker)
                worker.links.append(link)
                end.links[worker.worker_id] = link

    @property
    def events(self) -> int:
        """Events that the machines handled."""
        handled = sum(router.events for router in self.routers)
        handled += sum(scheduler.events for scheduler in self.schedulers)
        return handled + sum(worker.events for worker in self.workers)

    def start(self, count: int, seed: int) -> None:
        """Loads all workers; those of the first `count` that are there from the start serve at
        once, warm.
        """
        later = faults.absent_at_first(self._scenario.faults)
        for worker, models in zip(self.workers, placed(self._scenario), strict=True):
            worker.give(models, seed)
            if worker.index < count and worker.index not in later:
                worker.start()

    def run(self, seed: int) -> None:
        """Everything that happens."""
        if self.schedulers:
            self.queue.start()
        befallen = faults.Mesh(
            self.loop, self.workers, self._machines, self._discovery, self.schedulers
        )
        faults.schedule(self._scenario.faults, befallen)
        _offer(self._scenario, self.loop, self.routers, seed)
        _settle(self._scenario, self.loop, self.routers, self.queue)


def _schedulers(
    scenario: Scenario, policies: PolicySet, machines: Machines, loop: Loop, seed: int
) -> tuple[SimQueue, list[SimScheduler]]:
    """The queue of tasks and who runs it: nobody where there are no tasks."""
    policy = policies.scheduler
    queue = SimQueue(scenario, policy, loop, seed)
    count = scenario.queue.schedulers if scenario.tasks else 0
    schedulers = [
        SimScheduler(
            number, scenario, policy, loop, queue, seed, machines.scheduler(scenario.mesh.host)
        )
        for number in range(count)
    ]
    queue.schedulers.extend(schedulers)
    return queue, schedulers


def _offer(scenario: Scenario, loop: Loop, routers: list[SimRouter], seed: int) -> None:
    """Lets the arrivals come, one by one, so that they are never all in memory."""
    count = len(routers)
    for number, arrival in enumerate(scenario.arrivals(seed)):
        loop.run_before(arrival.at_s)
        routers[number % count].ask(arrival)
    loop.run_before(scenario.duration_s)


def _settle(scenario: Scenario, loop: Loop, routers: list[SimRouter], queue: SimQueue) -> None:
    """Lets what is under way end."""
    for second in range(1, SETTLE_S + 1):
        if not (any(router.asking for router in routers) or queue.unfinished):
            return
        loop.run_before(scenario.duration_s + second)
    for router in routers:
        router.give_up()
