"""What goes wrong in a run, and when."""

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from hasten_sim.link import Discovery, Link
from hasten_sim.loop import Loop
from hasten_sim.machines import Machines
from hasten_sim.scenario import Fault
from hasten_sim.scheduler import SimScheduler
from hasten_sim.worker import SimWorker

Move = Callable[[], None]


@dataclass(frozen=True, slots=True)
class Mesh:
    """What faults befall."""

    loop: Loop
    workers: list[SimWorker]
    machines: Machines
    discovery: Discovery
    schedulers: list[SimScheduler]


def absent_at_first(faults: tuple[Fault, ...]) -> frozenset[int]:
    """Workers that join only later."""
    return frozenset(
        fault.worker for fault in faults if fault.kind == "join" and fault.worker is not None
    )


def schedule(faults: tuple[Fault, ...], mesh: Mesh) -> None:
    """Lets each fault begin and end at its time."""
    for fault in faults:
        begin, end = _moves(fault, mesh)
        if fault.every_s and end is not None:
            _Again(fault, mesh.loop, begin, end).go_on(fault.at_s)
            continue
        mesh.loop.at(fault.at_s, _call, begin)
        if end is not None and fault.for_s != inf:
            mesh.loop.at(fault.at_s + fault.for_s, _call, end)


def _moves(fault: Fault, mesh: Mesh) -> tuple[Move, Move | None]:
    """What begins the fault, and what ends it."""
    if fault.kind == "store_loss":
        return mesh.discovery.lose, mesh.discovery.come_back
    if fault.kind == "steal":
        taken = mesh.machines.of(fault)
        return (lambda: taken.steal(fault.share)), (lambda: taken.give_back(fault.share))
    if fault.kind == "crowd":
        cpu = mesh.machines.shared()
        return (lambda: cpu.crowd(fault.threads)), (lambda: cpu.crowd(-fault.threads))
    if fault.kind == "scheduler_crash":
        scheduler = mesh.schedulers[fault.scheduler or 0]
        return scheduler.crash, scheduler.restart
    return _of_worker(fault, mesh.workers[fault.worker or 0])


def _of_worker(fault: Fault, worker: SimWorker) -> tuple[Move, Move | None]:
    match fault.kind:
        case "crash":
            return worker.crash, worker.restart
        case "hang":
            return worker.hang, worker.resume
        case "slow":
            return (lambda: worker.lanes.slow(fault.factor)), (lambda: worker.lanes.slow(1.0))
        case "hiccup":
            return (lambda: worker.lanes.hiccup(fault.stall_s)), None
        case "join":
            return worker.restart, None
        case _:
            links = worker.links
            return (lambda: _each(links, Link.cut)), (lambda: _each(links, Link.heal))


class _Again:
    """A fault that comes back, each time for a while, until it is over."""

    def __init__(self, fault: Fault, loop: Loop, begin: Move, end: Move) -> None:
        self._fault = fault
        self._loop = loop
        self._begin = begin
        self._end = end

    def go_on(self, at_s: float) -> None:
        """It comes at that time, if it is not over by then."""
        until_s = self._fault.at_s + self._fault.for_s
        if at_s < until_s:
            self._loop.at(at_s, self._come, at_s)
            self._loop.at(min(until_s, at_s + self._fault.each_s), _call, self._end)

    def _come(self, at_s: float) -> None:
        self._begin()
        self.go_on(at_s + self._fault.every_s)


def _each(links: list[Link], move: Callable[[Link], None]) -> None:
    for link in links:
        move(link)


def _call(move: Move) -> None:
    move()
