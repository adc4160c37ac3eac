"""The kinds of jobs that a scheduler knows, and their services: the one list of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from hasten.scheduler.v1.dag_service_pb2_grpc import add_DagServiceServicer_to_server
from hasten_runtime.fanout.inference import InferenceFanout
from hasten_runtime.grpc_front import OwnService
from hasten_runtime.protocol_names import DAG_SERVICE
from hasten_runtime.tasks.jobs import JobStore
from hasten_scheduler.accepting import AcceptLimits
from hasten_scheduler.dag.accepting import DagAcceptor
from hasten_scheduler.dag.kind import DagKind
from hasten_scheduler.dag.servicer import DagServicer
from hasten_scheduler.job_wiring import Batches, Callbacks
from hasten_scheduler.jobs.desk import JobDesk
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.knowing import Knowledge
from hasten_scheduler.operating import Operator
from hasten_scheduler.stored import Payloads


@dataclass(frozen=True, slots=True)
class JobParts:
    """What kinds and services of jobs are made of.

    Attributes:
        desk: For wishes about jobs.
        stores: The shards' jobs, by number.
        accept_limits: As of tasks.
        tasks: Of all jobs.
        payloads: Of tasks and jobs.
        knowledge: Of models.
        batches: Put together.
        callbacks: Put together.
    """

    desk: JobDesk
    stores: Sequence[JobStore]
    accept_limits: AcceptLimits
    tasks: JobTasks
    payloads: Payloads
    knowledge: Knowledge
    batches: Batches
    callbacks: Callbacks


def job_kinds(parts: JobParts) -> dict[str, JobKind]:
    """All kinds, by name."""
    kinds: list[JobKind] = [
        DagKind(parts.tasks, parts.payloads),
        parts.callbacks.kind,
        *parts.batches.kinds,
    ]
    return {kind.name: kind for kind in kinds}


def job_services(parts: JobParts, fanout: InferenceFanout, operator: Operator) -> list[OwnService]:
    """The services of all kinds."""
    acceptor = DagAcceptor(
        parts.desk, parts.payloads, parts.accept_limits, fanout.model_metadata, parts.knowledge
    )
    dags = DagServicer(acceptor, parts.desk, parts.tasks, parts.payloads, operator)
    return [
        OwnService(DAG_SERVICE, partial(add_DagServiceServicer_to_server, dags)),
        parts.batches.service,
        parts.callbacks.service,
    ]
