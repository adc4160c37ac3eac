"""A checked workload, and the scenarios that it makes."""

from dataclasses import dataclass, replace
from math import inf
from typing import Any, Final

from hasten_sim.scenario import ModelShape, Scenario, capacity_per_s, speed
from hasten_sim.workload import rates, shapes
from hasten_sim.workload.checks import mesh_faults, rows_shares, size_faults
from hasten_sim.workload.faults_found import WorkloadError
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.pool_tables import pool_of
from hasten_sim.workload.request_tables import Deadlines
from hasten_sim.workload.requests import Requests
from hasten_sim.workload.trace import Trace

REQUESTS_MAX: Final = 100_000_000
"""Of one run: hours of a core."""


@dataclass(frozen=True, slots=True)
class Workload:
    """What a workload file says; made by `load` and `parse`.

    Attributes:
        table: All of it, in the file's own units.
        trace: What it replays, if anything.
    """

    table: FileTable
    trace: Trace | None = None

    @property
    def name(self) -> str:
        """What reports call it."""
        return self.table.name

    @property
    def description(self) -> str:
        """What it shows."""
        return self.table.description

    @property
    def policies(self) -> tuple[str, ...]:
        """Policies worth comparing on it; may be empty."""
        return self.table.policies

    @property
    def rules(self) -> tuple[str, ...]:
        """Scaling rules worth comparing on it; may be empty."""
        return () if self.table.pool is None else self.table.pool.rules

    @property
    def sweep(self) -> dict[str, list[float]]:
        """Values worth running one after the other, by "load", "workers", "routers"."""
        said: dict[str, Any] = self.table.sweep.model_dump()
        return {key: list(values) for key, values in said.items() if values}

    def models(self) -> tuple[ModelShape, ...]:
        """Its models, one by one."""
        return shapes.model_shapes(self.table)

    def capacity_per_s(self, *, workers: int | None = None) -> float:
        """Requests a second that are the load 1.0: what the file says, or what the mesh does with
        full batches.

        A request counts as the mean of the rows that one brings.
        """
        mesh = shapes.mesh_shape(self.table.mesh, workers=workers, routers=None)
        said_per_s = self.table.capacity_per_s
        if said_per_s is not None:
            return said_per_s * speed(mesh) / speed(replace(mesh, workers=self.table.mesh.workers))
        counts = rows_shares(self.table.rows)
        rows_mean = sum(rows * share for rows, share in counts) / sum(share for _, share in counts)
        return capacity_per_s(mesh, self.models()) / rows_mean

    def scenario(
        self,
        *,
        load: float | None = None,
        workers: int | None = None,
        routers: int | None = None,
        duration_s: float | None = None,
    ) -> Scenario:
        """What the simulator runs; each argument replaces what the file says.

        Args:
            load: Offered rate as a multiple of `capacity_per_s`.
            workers: Number of workers.
            routers: Number of routers.
            duration_s: Length; the warm-up keeps its proportion, all else keeps its time.

        Raises:
            WorkloadError: An argument is not above 0, a fault befalls a worker that is not
                there, or the run would be larger than one may be.
        """
        table = self.table
        asked = {"load": load, "workers": workers, "routers": routers, "duration_s": duration_s}
        wrong = [
            f"{self.name}: {key}: found {value}, expected a number above 0"
            for key, value in asked.items()
            if value is not None and not 0 < value < inf
        ]
        if wrong:
            raise WorkloadError(wrong)
        mesh = shapes.mesh_shape(table.mesh, workers=workers, routers=routers)
        models = self.models()
        wrong = [*mesh_faults(table, mesh), *size_faults(mesh, len(models))]
        if wrong:
            raise WorkloadError([f"{self.name}: {fault}" for fault in wrong])
        length_s = table.duration_s if duration_s is None else duration_s
        capacity = self.capacity_per_s(workers=workers)
        rate = rates.offered(
            table, self.trace, load=load, capacity_per_s=capacity, duration_s=length_s
        )
        self._refuse_too_many(rate.mean_per_s, length_s)
        return Scenario(
            name=table.name,
            duration_s=length_s,
            warmup_s=table.warmup_s * length_s / table.duration_s,
            mesh=mesh,
            models=models,
            arrivals=Requests(table, models, self.trace, rate.per_s, rate.speed_up, length_s),
            tenants=shapes.tenants_of(table),
            faults=shapes.fault_shapes(table, mesh),
            tasks=shapes.task_flows(table, models),
            queue=shapes.queue_shape(table.queue),
            callers_leave=self._callers_leave(),
            offered_per_s=rate.mean_per_s,
            pool=pool_of(table.pool, length_s),
        )

    def _refuse_too_many(self, per_s: float, length_s: float) -> None:
        if per_s * length_s > REQUESTS_MAX:
            many = f"{per_s:,.0f} requests a second for {length_s:g} s"
            raise WorkloadError(
                [f"{self.name}: {many} are more than the {REQUESTS_MAX:,} of one run"]
            )

    def _callers_leave(self) -> bool:
        deadlines = self.table.deadlines
        return isinstance(deadlines, Deadlines) and deadlines.callers_leave
