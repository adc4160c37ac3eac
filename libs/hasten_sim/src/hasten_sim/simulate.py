"""One run: the machines of the services, joined by a pretended network, in virtual time."""

from random import Random
from typing import Final

from hasten_policy.registry import PolicySet
from hasten_sim import faults
from hasten_sim.figures import Figures
from hasten_sim.link import Air, Discovery, Link
from hasten_sim.loop import Loop
from hasten_sim.machines import Machines
from hasten_sim.placing import placed
from hasten_sim.queue import SimQueue
from hasten_sim.router import SimRouter
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
    loop = Loop(-MEET_S)
    tally = Tally(scenario)
    machines = Machines(scenario, loop, seed)
    routers = [
        SimRouter(index, scenario, policies.router, loop, tally, seed, process)
        for index, process in enumerate(machines.routers)
    ]
    workers = [
        SimWorker(index, scenario, policies.worker, loop, tally, process)
        for index, process in enumerate(machines.workers)
    ]
    queue, schedulers = _schedulers(scenario, policies, loop, seed)
    discovery = Discovery()
    air = Air(loop, scenario.mesh.network, discovery)
    for worker in workers:
        ends: list[SimRouter | SimScheduler] = [*routers, *schedulers]
        for end in ends:
            rng = Random(f"{seed}/link/{end.index}/{worker.index}")
            link = Link(air, rng, end, worker)
            worker.links.append(link)
            end.links[worker.worker_id] = link
    _start(scenario, workers, seed)
    if schedulers:
        queue.start()
    faults.schedule(scenario.faults, faults.Mesh(loop, workers, machines, discovery, schedulers))
    _offer(scenario, loop, routers, seed)
    _settle(scenario, loop, routers, queue)
    handled = sum(router.events for router in routers) + sum(worker.events for worker in workers)
    handled += sum(scheduler.events for scheduler in schedulers)
    return tally.figures(
        policy=policies.name, load=load, seed=seed, events=handled, tasks=queue.figures()
    )


def _schedulers(
    scenario: Scenario, policies: PolicySet, loop: Loop, seed: int
) -> tuple[SimQueue, list[SimScheduler]]:
    """The queue of tasks and who runs it: nobody where there are no tasks."""
    policy = policies.scheduler
    queue = SimQueue(scenario, policy, loop, seed)
    count = scenario.queue.schedulers if scenario.tasks else 0
    schedulers = [
        SimScheduler(number, scenario, policy, loop, queue, seed) for number in range(count)
    ]
    queue.schedulers.extend(schedulers)
    return queue, schedulers


def _start(scenario: Scenario, workers: list[SimWorker], seed: int) -> None:
    """Loads all workers; those that are there from the start serve at once, warm."""
    later = faults.absent_at_first(scenario.faults)
    for worker, models in zip(workers, placed(scenario), strict=True):
        worker.load(models, seed)
        if worker.index not in later:
            worker.start()


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
