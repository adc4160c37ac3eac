"""What the mesh says of its models and workers."""

from dataclasses import dataclass

from hasten.common.v1 import load_pb2 as load_pb
from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """Who answers: name, version and the protocol extensions it serves."""

    name: str
    version: str
    extensions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TensorMetadata:
    """One input or output: its name, datatype and shape, -1 for any size."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ModelMetadata:
    """What a model takes and gives.

    Attributes:
        name: Model name.
        versions: Versions that are served.
        platform: What runs it.
        inputs: Its inputs.
        outputs: Its outputs.
    """

    name: str
    versions: tuple[str, ...]
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True, slots=True)
class ModelState:
    """One line of the repository index.

    Attributes:
        name: Model name.
        version: Version; "" when none was ever loaded.
        state: READY, LOADING, UNLOADING, UNAVAILABLE, or "".
        reason: Why it is not ready; of one that is, how it is served otherwise than one might
            expect, as one call at a time.
    """

    name: str
    version: str
    state: str
    reason: str


@dataclass(frozen=True, slots=True)
class WorkerModel:
    """One model version on a worker.

    Attributes:
        name: Model name.
        version: Version.
        ready: It serves.
        batch_max: Most rows in one batch; 0 when the worker does not say.
        alpha_s: A batch of b rows of the usual size typically takes alpha_s + beta_s * b seconds.
        beta_s: See alpha_s.
        best_s: Typical seconds of one row of the least size.
    """

    name: str
    version: str
    ready: bool
    batch_max: int = 0
    alpha_s: float = 0.0
    beta_s: float = 0.0
    best_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker as the asked router sees it.

    Attributes:
        worker_id: Its name.
        address: Where it serves the inference protocol itself.
        pid: Its process.
        standing: ready, slow_start, suspect, ejected, draining or connecting.
        models: Model versions on it.
        in_flight: Calls sent by this router and unanswered.
        depth: Calls accepted from all routers and unanswered, by its own report.
        backlog_s: Seconds until those are done, by its own prediction.
        service_s: Measured seconds per call, as the balancer uses it.
        report_age_s: Seconds since its last report.
        answered: Calls it answered for this router.
        failed: Calls that failed there.
        cpu_cores: CPU it uses, in cores.
        memory_bytes: Its resident memory.
        lanes: Batches that it runs at once.
    """

    worker_id: str
    address: str
    pid: int
    standing: str
    models: tuple[WorkerModel, ...]
    in_flight: int
    depth: int
    backlog_s: float
    service_s: float
    report_age_s: float
    answered: int
    failed: int
    cpu_cores: float
    memory_bytes: int
    lanes: int = 1


def server_metadata(wire: pb.ServerMetadataResponse) -> ServerMetadata:
    """From the wire."""
    return ServerMetadata(wire.name, wire.version, tuple(wire.extensions))


def model_metadata(wire: pb.ModelMetadataResponse) -> ModelMetadata:
    """From the wire."""
    return ModelMetadata(
        name=wire.name,
        versions=tuple(wire.versions),
        platform=wire.platform,
        inputs=tuple(TensorMetadata(t.name, t.datatype, tuple(t.shape)) for t in wire.inputs),
        outputs=tuple(TensorMetadata(t.name, t.datatype, tuple(t.shape)) for t in wire.outputs),
    )


def model_states(wire: pb.RepositoryIndexResponse) -> list[ModelState]:
    """From the wire, by name and version."""
    states = [ModelState(m.name, m.version, m.state, m.reason) for m in wire.models]
    return sorted(states, key=lambda s: (s.name, len(s.version), s.version))


def workers(wire: router_pb.ListWorkersResponse) -> list[Worker]:
    """From the wire, by name."""
    return sorted((_worker(view) for view in wire.workers), key=lambda worker: worker.worker_id)


def _worker(view: router_pb.WorkerView) -> Worker:
    state = view.state
    return Worker(
        worker_id=state.worker_id,
        address=state.address,
        pid=state.pid,
        standing=view.standing,
        models=tuple(_worker_model(model) for model in state.models),
        in_flight=view.in_flight,
        depth=state.load.depth,
        backlog_s=state.load.backlog_s,
        service_s=view.service_s,
        report_age_s=view.report_age_s,
        answered=view.answered,
        failed=view.failed,
        cpu_cores=state.cpu_cores,
        memory_bytes=state.memory_bytes,
        lanes=max(1, state.lanes),
    )


def _worker_model(model: load_pb.ModelLoad) -> WorkerModel:
    return WorkerModel(
        name=model.name,
        version=model.version,
        ready=model.ready,
        batch_max=model.batch_max,
        alpha_s=model.alpha_s,
        beta_s=model.beta_s,
        best_s=model.best_s,
    )
