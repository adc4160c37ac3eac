"""What goes wrong in a run, and when."""

from collections.abc import Callable
from math import inf

from hasten_sim.link import Discovery, Link
from hasten_sim.loop import Loop
from hasten_sim.scenario import Fault
from hasten_sim.worker import SimWorker


def absent_at_first(faults: tuple[Fault, ...]) -> frozenset[int]:
    """Workers that join only later."""
    return frozenset(
        fault.worker for fault in faults if fault.kind == "join" and fault.worker is not None
    )


def schedule(
    faults: tuple[Fault, ...], loop: Loop, workers: list[SimWorker], discovery: Discovery
) -> None:
    """Lets each fault begin and end at its time."""
    for fault in faults:
        begin, end = _moves(fault, workers, discovery)
        loop.at(fault.at_s, _call, begin)
        if end is not None and fault.for_s != inf:
            loop.at(fault.at_s + fault.for_s, _call, end)


def _moves(
    fault: Fault, workers: list[SimWorker], discovery: Discovery
) -> tuple[Callable[[], None], Callable[[], None] | None]:
    """What begins the fault, and what ends it."""
    if fault.kind == "store_loss":
        return discovery.lose, discovery.come_back
    worker = workers[fault.worker or 0]
    if fault.kind == "crash":
        return worker.crash, worker.restart
    if fault.kind == "hang":
        return worker.hang, worker.resume
    if fault.kind == "slow":
        return (lambda: worker.slow(fault.factor)), (lambda: worker.slow(1.0))
    if fault.kind == "join":
        return worker.restart, None
    return (lambda: _each(worker.links, Link.cut)), (lambda: _each(worker.links, Link.heal))


def _each(links: list[Link], move: Callable[[Link], None]) -> None:
    for link in links:
        move(link)


def _call(move: Callable[[], None]) -> None:
    move()
