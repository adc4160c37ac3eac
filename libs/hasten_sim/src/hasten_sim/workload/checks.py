"""What must hold between the tables of a workload file."""

from collections import Counter
from collections.abc import Iterator
from typing import Final

from hasten_sim.scenario import MeshShape
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.model_tables import ModelTable
from hasten_sim.workload.request_tables import FixedRows, MixedRows, RowsTable
from hasten_sim.workload.trace import Trace

WORKERS_MAX: Final = 20_000
"""Of one run. Meeting them takes a router time that grows with their square: here, minutes."""
PARTS_MAX: Final = 10_000_000
"""Links and models of all workers of one run: gigabytes."""


def faults(table: FileTable, trace: Trace | None) -> Iterator[str]:
    """Sentences about what does not fit together."""
    if table.warmup_s >= table.duration_s:
        yield (
            f"warmup_s: found {table.warmup_s:g}, expected less than "
            f"duration_s = {table.duration_s:g}"
        )
    names = [name for model in table.models for name in names_of(model)]
    for name, count in Counter(names).items():
        if count > 1:
            yield f"models: found {count} of the name {name!r}, expected different names"
    yield from _rows(table)
    yield from worker_faults(table, table.mesh.workers)
    yield from pool_faults(table, table.mesh.workers)
    yield from _host_faults(table)
    yield from _task_faults(table, set(names))
    yield from _trace(trace, set(names))


def names_of(model: ModelTable) -> list[str]:
    """The models of one entry."""
    if model.count is None:
        return [model.name]
    digits = len(str(model.count - 1))
    return [f"{model.name}{number:0{digits}d}" for number in range(model.count)]


def rows_shares(rows: RowsTable) -> list[tuple[int, float]]:
    """(rows, relative share) of the requests."""
    if isinstance(rows, FixedRows):
        return [(rows.rows, 1.0)]
    if isinstance(rows, MixedRows):
        return [(choice.rows, choice.share) for choice in rows.choices]
    return [(count, 1.0) for count in range(rows.least, rows.most + 1)]


def worker_faults(table: FileTable, workers: int) -> Iterator[str]:
    """Workers that something befalls and that are not there."""
    for index, fault in enumerate(table.faults):
        if isinstance(fault.worker, int) and fault.worker >= workers:
            yield (
                f"faults[{index}].worker: found {fault.worker}, expected less than "
                f"the number of workers, {workers}"
            )


def router_faults(table: FileTable, routers: int) -> Iterator[str]:
    """Routers that something befalls and that are not there."""
    for index, fault in enumerate(table.faults):
        if fault.router is not None and fault.router >= routers:
            yield (
                f"faults[{index}].router: found {fault.router}, expected less than "
                f"the number of routers, {routers}"
            )


def mesh_faults(table: FileTable, mesh: MeshShape) -> Iterator[str]:
    """What does not fit a mesh of so many routers and workers."""
    yield from worker_faults(table, mesh.workers)
    yield from router_faults(table, mesh.routers)
    yield from pool_faults(table, mesh.workers)


def pool_faults(table: FileTable, workers: int) -> Iterator[str]:
    """A pool that does not hold the workers there are at the start."""
    pool = table.pool
    if pool is not None and not pool.workers_min <= workers <= pool.workers_max:
        yield (
            f"mesh.workers: found {workers}, expected {pool.workers_min} to {pool.workers_max} as "
            "the table pool says"
        )


def size_faults(mesh: MeshShape, models: int) -> Iterator[str]:
    """More than one run can hold."""
    if mesh.workers > WORKERS_MAX:
        yield f"workers: found {mesh.workers:,}, expected at most {WORKERS_MAX:,}"
    elif mesh.workers * (mesh.routers + models) > PARTS_MAX:
        yield (
            f"workers: found {mesh.workers:,}, and each has {mesh.routers + models:,} routers and "
            f"models; expected a product of at most {PARTS_MAX:,}"
        )


def _rows(table: FileTable) -> Iterator[str]:
    most = max(rows for rows, _ in rows_shares(table.rows))
    for index, model in enumerate(table.models):
        if model.batch_max < most:
            yield (
                f"models[{index}].batch_max: found {model.batch_max}, expected at least the "
                f"rows of a request, {most}"
            )


def _host_faults(table: FileTable) -> Iterator[str]:
    yield from router_faults(table, table.mesh.routers)
    for index, fault in enumerate(table.faults):
        if fault.kind == "crowd" and table.mesh.host is None:
            yield f"faults[{index}]: found a crowd, expected a machine for it: [mesh.host]"


def _task_faults(table: FileTable, names: set[str]) -> Iterator[str]:
    for index, entry in enumerate(table.tasks):
        if entry.model not in names:
            yield (
                f"tasks[{index}].model: found {entry.model!r}, "
                f"expected one of models: {', '.join(sorted(names)[:8])}"
            )
    there = table.queue.schedulers if table.tasks else 0
    for index, fault in enumerate(table.faults):
        if fault.scheduler is not None and fault.scheduler >= there:
            yield (
                f"faults[{index}].scheduler: found {fault.scheduler}, expected less than the "
                f"number of schedulers, {there} (without [[tasks]] there are none)"
            )


def _trace(trace: Trace | None, names: set[str]) -> Iterator[str]:
    if trace is None:
        return
    for name, line in zip(trace.names, trace.lines, strict=True):
        if name not in names:
            yield (
                f"arrivals.file: {trace.source} line {line}: found the model {name!r}, "
                f"expected one of models: {', '.join(sorted(names)[:8])}"
            )
