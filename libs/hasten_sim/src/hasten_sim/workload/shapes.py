"""From tables in a file's units to what the simulator takes."""

from dataclasses import replace
from math import inf
from random import Random

from hasten_sim.scenario import (
    BatchTimes,
    Fault,
    HostShape,
    MeshShape,
    ModelShape,
    Network,
    Noise,
    QueueShape,
    TaskFlow,
)
from hasten_sim.workload.checks import names_of
from hasten_sim.workload.draws import zipf
from hasten_sim.workload.fault_tables import FaultTable
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.length_tables import lengths_of
from hasten_sim.workload.mesh_tables import HostTable, MeshTable
from hasten_sim.workload.model_tables import ModelTable, NoiseTable
from hasten_sim.workload.task_tables import QueueTable


def mesh_shape(table: MeshTable, *, workers: int | None, routers: int | None) -> MeshShape:
    """Routers and workers, with other numbers of them where those are given."""
    network = table.network
    return MeshShape(
        routers=table.routers if routers is None else routers,
        workers=table.workers if workers is None else workers,
        lanes=table.lanes,
        speeds=table.speeds,
        weights_known=table.weights_known,
        weights=table.weights,
        memory_mb=table.memory_mb,
        network=Network(
            latency_s=network.latency_ms / 1e3,
            jitter_s=network.jitter_ms / 1e3,
            report_period_s=network.report_period_ms / 1e3,
            report_loss=network.report_loss,
        ),
        lag_s=table.lag_ms / 1e3,
        host=None if table.host is None else _host(table.host),
    )


def _host(table: HostTable) -> HostShape:
    dead_us = table.accept_us + table.refuse_us if table.dead_us is None else table.dead_us
    return HostShape(
        cores=table.cores,
        run_threads=table.run_threads or table.cores,
        accept_s=table.accept_us / 1e6,
        refuse_s=table.refuse_us / 1e6,
        answer_s=table.answer_us / 1e6,
        dead_s=dead_us / 1e6,
        worker_s=table.worker_us / 1e6,
        pending_max=table.pending_max,
        slice_s=table.slice_ms / 1e3,
        cut_s=table.cut_us / 1e6,
        task_s=table.task_us / 1e6,
        task_weight=table.task_weight,
    )


def model_shapes(table: FileTable) -> tuple[ModelShape, ...]:
    """All models, one by one."""
    return tuple(shape for entry in table.models for shape in _of_entry(entry))


def _of_entry(entry: ModelTable) -> list[ModelShape]:
    names = names_of(entry)
    share = len(names) if entry.share is None else entry.share
    model = ModelShape(
        name="",
        times=BatchTimes(
            alpha_s=(entry.alpha_ms or 0.0) / 1e3,
            beta_s=(entry.beta_ms or 0.0) / 1e3,
            points=tuple((rows, ms / 1e3) for rows, ms in entry.points or ()),
            element_s=entry.element_us / 1e6,
            square_s=entry.square_us / 1e6,
        ),
        batch_max=entry.batch_max,
        noise=_noise(entry.noise),
        profiled_factor=entry.profiled_factor,
        replicas=entry.replicas,
        memory_mb=entry.memory_mb,
        load_s=entry.load_s,
        profiled_at=entry.profiled_at,
        lengths=lengths_of(entry.lengths),
    )
    return [
        replace(model, name=name, share=share * part)
        for name, part in zip(names, zipf(len(names), entry.zipf), strict=True)
    ]


def _noise(table: NoiseTable) -> Noise:
    return Noise(
        cv=table.cv,
        tail_share=table.tail_share,
        tail_factor=table.tail_factor,
        drift_cv=table.drift_cv,
        drift_s=table.drift_s,
        stall_every_s=table.stall_every_s or 0.0,
        stall_s=table.stall_ms / 1e3,
    )


def fault_shapes(table: FileTable, mesh: MeshShape) -> tuple[Fault, ...]:
    """What goes wrong. A random worker is drawn by the workload's name: the same in each run."""
    rng = Random(f"{table.name}/faults")
    return tuple(_fault(entry, rng.randrange(mesh.workers)) for entry in table.faults)


def _fault(entry: FaultTable, drawn: int) -> Fault:
    return Fault(
        kind=entry.kind,
        at_s=entry.at_s,
        for_s=inf if entry.for_s is None else entry.for_s,
        worker=drawn if entry.worker == "random" else entry.worker,
        factor=1.0 if entry.factor is None else entry.factor,
        router=entry.router,
        share=1.0 if entry.share is None else entry.share,
        every_s=(entry.every_ms or 0.0) / 1e3,
        each_s=(entry.each_ms or 0.0) / 1e3,
        threads=entry.threads or 0.0,
        stall_s=(entry.ms or 0.0) / 1e3,
        scheduler=entry.scheduler,
    )


def tenants_of(table: FileTable) -> tuple[str, ...]:
    """Those of the requests, and those that only submit tasks."""
    names = [tenant.name for tenant in table.tenants] or [""]
    return tuple(dict.fromkeys([*names, *(entry.tenant for entry in table.tasks)]))


def task_flows(table: FileTable, models: tuple[ModelShape, ...]) -> tuple[TaskFlow, ...]:
    """What is submitted beside the requests."""
    places = {model.name: at for at, model in enumerate(models)}
    tenants = tenants_of(table)
    return tuple(
        TaskFlow(
            model=places[entry.model],
            tenant=tenants.index(entry.tenant),
            priority=entry.priority,
            slack_s=inf if entry.deadline_s is None else entry.deadline_s,
            per_s=entry.rate_per_s or 0.0,
            backlog=entry.backlog or 0,
            at_s=entry.at_s,
            for_s=inf if entry.for_s is None else entry.for_s,
            attempts_max=entry.attempts_max,
            period_s=(entry.period_ms or 0.0) / 1e3,
            phase_s=entry.phase_ms / 1e3,
            hard=entry.hard,
            catch_up=entry.catch_up,
            overlap=entry.overlap,
        )
        for entry in table.tasks
    )


def queue_shape(table: QueueTable) -> QueueShape:
    """Who runs them."""
    return QueueShape(table.schedulers, table.shards, table.store_ms / 1e3, table.lease_s)
