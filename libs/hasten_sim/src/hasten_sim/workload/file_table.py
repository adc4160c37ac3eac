"""A whole workload file."""

from typing import Annotated

from pydantic import Field, field_validator

from hasten_sim.workload.arrival_tables import ArrivalTable
from hasten_sim.workload.base import Count, NotNegative, Positive, Table
from hasten_sim.workload.fault_tables import FaultTable
from hasten_sim.workload.mesh_tables import MeshTable
from hasten_sim.workload.model_tables import ModelTable
from hasten_sim.workload.pool_tables import PoolTable
from hasten_sim.workload.request_tables import (
    DeadlineTable,
    FixedPayload,
    FixedRows,
    NoDeadlines,
    PayloadTable,
    PriorityTable,
    RowsTable,
    TenantTable,
)
from hasten_sim.workload.task_tables import QueueTable, TaskTable


class SweepTable(Table):
    """Values to run one after the other, in place of the file's own."""

    load: tuple[Positive, ...] = Field(default=(), description="Multiples of the capacity.")
    workers: tuple[Count, ...] = Field(default=(), description="Numbers of workers.")
    routers: tuple[Count, ...] = Field(default=(), description="Numbers of routers.")


class FileTable(Table):
    """The top level."""

    name: Annotated[str, Field(min_length=1)] = Field(description="What reports call it.")
    description: str = Field(default="", description="What it shows.")
    duration_s: Positive = Field(description="Requests come for so long.")
    warmup_s: NotNegative = Field(
        default=0.0, description="Requests before this do not count; less than duration_s."
    )
    capacity_per_s: Positive | None = Field(
        default=None,
        description="What counts as the load 1; unless said, what the mesh does with full batches.",
    )
    policies: tuple[str, ...] = Field(
        default=(), description="Policies worth comparing on it, as `hasten simulate` takes them."
    )
    sweep: SweepTable = SweepTable()
    mesh: MeshTable = MeshTable()
    pool: PoolTable | None = Field(
        default=None, description="Where an autoscaler takes workers from."
    )
    arrivals: ArrivalTable
    models: tuple[ModelTable, ...] = Field(min_length=1, description="What requests are for.")
    deadlines: DeadlineTable = NoDeadlines(kind="none")
    priorities: PriorityTable = PriorityTable(shares=(0.0, 1.0))
    tenants: tuple[TenantTable, ...] = Field(
        default=(), description="Left out, all requests come from one."
    )
    payload: PayloadTable = FixedPayload(kind="fixed", bytes=1024)
    rows: RowsTable = FixedRows(kind="fixed", rows=1)
    faults: tuple[FaultTable, ...] = Field(default=(), description="What goes wrong.")
    tasks: tuple[TaskTable, ...] = Field(
        default=(), description="What is submitted to the scheduler; left out, there is none."
    )
    queue: QueueTable = QueueTable()

    @field_validator("models")
    @classmethod
    def _some_share(cls, models: tuple[ModelTable, ...]) -> tuple[ModelTable, ...]:
        if all(model.share == 0 for model in models):
            raise ValueError("at least one model with a share above 0")
        return models

    @field_validator("tenants")
    @classmethod
    def _tenants_differ(cls, tenants: tuple[TenantTable, ...]) -> tuple[TenantTable, ...]:
        if len({tenant.name for tenant in tenants}) < len(tenants):
            raise ValueError("tenants with different names")
        if tenants and not any(tenant.rate_factor for tenant in tenants):
            raise ValueError("at least one tenant with a rate_factor above 0")
        return tenants
