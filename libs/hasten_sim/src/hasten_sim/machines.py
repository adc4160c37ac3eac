"""Which processes have a CPU that may be short: of a shared machine, or stolen from."""

from random import Random

from hasten_sim.cpu import Cpu, Process
from hasten_sim.loop import Loop
from hasten_sim.scenario import Fault, HostShape, Scenario


class Machines:
    """The CPU of each process, where it matters. Elsewhere a process has all that it wants.

    Args:
        scenario: Mesh and faults.
        loop: Virtual time.
        seed: Of the waits for a core.

    Attributes:
        routers: Of each router; None where it does not matter.
        workers: Of each worker; None likewise.
    """

    def __init__(self, scenario: Scenario, loop: Loop, seed: int) -> None:
        mesh = scenario.mesh
        self._cpu: Cpu | None = None
        if mesh.host is not None:
            host = mesh.host
            self._cpu = Cpu(loop, host.cores, host.slice_s, Random(f"{seed}/cpu"))
        stolen = [fault for fault in scenario.faults if fault.kind == "steal"]
        # Stolen from the whole machine: from all that is on it, shared or not.
        whole = any(fault.worker is None and fault.router is None for fault in stolen)
        every = whole or self._cpu is not None
        self._all = Cpu(loop) if whole and self._cpu is None else self._cpu
        routers = {fault.router for fault in stolen}
        workers = {fault.worker for fault in stolen}
        self.routers = [
            Process(self._all or Cpu(loop)) if every or index in routers else None
            for index in range(mesh.routers)
        ]
        self.workers = [
            Process(self._all or Cpu(loop)) if every or index in workers else None
            for index in range(mesh.workers)
        ]

    def scheduler(self, host: HostShape | None) -> Process | None:
        """Of one more scheduler; None where tasks cost no CPU."""
        if self._cpu is None or host is None or not host.task_s:
            return None
        return Process(self._cpu, host.task_weight)

    def of(self, fault: Fault) -> Cpu | Process:
        """What a fault of kind "steal" takes from."""
        one: Cpu | Process | None = self._all
        if fault.worker is not None:
            one = self.workers[fault.worker]
        elif fault.router is not None:
            one = self.routers[fault.router]
        if one is None:
            raise RuntimeError("nothing was prepared for this fault")
        return one

    def shared(self) -> Cpu:
        """The machine that routers and workers share.

        Raises:
            ValueError: They do not share one.
        """
        if self._cpu is None:
            raise ValueError("a fault of kind crowd needs mesh.host")
        return self._cpu
