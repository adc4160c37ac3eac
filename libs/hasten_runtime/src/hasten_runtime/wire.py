"""Policy values to and from the messages of `hasten.common.v1`.

Nothing that is not a number gets past this module: what comes in is checked, and what goes out
is kept within what the other side accepts.
"""

from typing import Final, TypedDict, Unpack

from hasten.common.v1 import failure_pb2, load_pb2
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.reasons import Reason, Refusal

SECONDS_MAX: Final = 1e9
"""Longest time on the wire; a longer or infinite one is sent as this."""
_INCOMING_MAX_S: Final = SECONDS_MAX * 1.001
"""float32 rounds the largest time up a little."""


class Vitals(TypedDict, total=False):
    """What a worker reports besides its load; all optional."""

    cpu_cores: float
    memory_bytes: int
    gpu_memory_bytes: int
    pid: int
    gaps: list[load_pb2.ModelGap]
    gaps_more: int
    unannounced: bool
    node: load_pb2.NodeState
    cold_start: load_pb2.ColdStart | None
    memory: list[load_pb2.ModelMemory]


# One load travels with every message of replies, so these two are written for the load on which
# no model waits: nothing is built for what is not there.


def load_to_wire(load: LoadSample) -> load_pb2.Load:
    """Raises ValueError for NaN or a count that the field cannot hold."""
    message = load_pb2.Load(
        seq=load.seq,
        depth=load.depth,
        backlog_s=_outgoing(load.backlog_s, "backlog_s"),
        residual_s=_outgoing(load.residual_s, "residual_s"),
        received=load.received,
        window=load.window,
        service_s=_outgoing(load.service_s, "service_s"),
        waiting=load.waiting,
        arrived=load.arrived,
        waiting_batch=load.waiting_batch,
        arrived_batch=load.arrived_batch,
        backlog_guests_s=_outgoing(load.backlog_guests_s, "backlog_guests_s"),
        refused=load.refused,
    )
    if load.waiting_of:
        message.waiting_places.extend([place for place, _ in load.waiting_of])
        message.waiting_calls.extend([calls for _, calls in load.waiting_of])
        message.waiting_starts_s.extend(
            [_outgoing(start_s, "starts_s") for start_s in load.starts_s]
        )
    return message


def load_from_wire(message: load_pb2.Load) -> LoadSample:
    """Raises ValueError naming the field for a negative or non-finite time."""
    load = LoadSample(
        message.seq,
        message.depth,
        _incoming(message.backlog_s, "load.backlog_s"),
        _incoming(message.residual_s, "load.residual_s"),
        message.received,
        message.window,
        _incoming(message.service_s, "load.service_s"),
        message.waiting,
        (),
        message.arrived,
        (),
        message.waiting_batch,
        message.arrived_batch,
        _incoming(message.backlog_guests_s, "load.backlog_guests_s"),
        message.refused,
    )
    places = message.waiting_places
    if places:
        load.waiting_of = tuple(zip(places, message.waiting_calls, strict=False))
        load.starts_s = tuple(
            [_incoming(start_s, "load.waiting_starts_s") for start_s in message.waiting_starts_s]
        )
    return load


def model_to_wire(model: ModelLoad) -> load_pb2.ModelLoad:
    """Raises ValueError for NaN or a count that the field cannot hold."""
    return load_pb2.ModelLoad(
        name=model.name,
        version=model.version,
        serves_unversioned=model.serves_unversioned,
        alpha_s=_outgoing(model.alpha_s, "alpha_s"),
        beta_s=_outgoing(model.beta_s, "beta_s"),
        best_s=_outgoing(model.best_s, "best_s"),
        batch_max=model.batch_max,
        service_s=_outgoing(model.service_s, "service_s"),
        depth=model.depth,
        default_timeout_s=_outgoing(model.default_timeout_s, "default_timeout_s"),
        ready=model.ready,
        batch_rows=_outgoing(model.batch_rows, "batch_rows"),
        gamma_s=_outgoing(model.gamma_s, "gamma_s"),
        size=_outgoing(model.size, "size"),
        target_rows=model.target_rows,
        target_s=_outgoing(model.target_s, "target_s"),
        unlike=_outgoing(model.unlike, "unlike"),
        rows_mean=_outgoing(model.rows_mean, "rows_mean"),
        work_max=_outgoing(model.work_max, "work_max"),
    )


def model_from_wire(message: load_pb2.ModelLoad) -> ModelLoad:
    """Raises ValueError naming the field for a negative or non-finite time or no name."""
    if not message.name:
        raise ValueError("models.name must not be empty")
    return ModelLoad(
        name=message.name,
        version=message.version,
        serves_unversioned=message.serves_unversioned,
        alpha_s=_incoming(message.alpha_s, "models.alpha_s"),
        beta_s=_incoming(message.beta_s, "models.beta_s"),
        best_s=_incoming(message.best_s, "models.best_s"),
        batch_max=max(1, message.batch_max),
        service_s=_incoming(message.service_s, "models.service_s"),
        depth=message.depth,
        default_timeout_s=_incoming(message.default_timeout_s, "models.default_timeout_s"),
        ready=message.ready,
        batch_rows=_incoming(message.batch_rows, "models.batch_rows"),
        gamma_s=_incoming(message.gamma_s, "models.gamma_s"),
        size=_incoming(message.size, "models.size"),
        target_rows=message.target_rows,
        target_s=_incoming(message.target_s, "models.target_s"),
        unlike=_incoming(message.unlike, "models.unlike"),
        rows_mean=_incoming(message.rows_mean, "models.rows_mean"),
        work_max=_incoming(message.work_max, "models.work_max"),
    )


def report_to_wire(
    worker_id: str, address: str, report: WorkerReport, **vitals: Unpack[Vitals]
) -> load_pb2.WorkerState:
    """A worker's state as it travels and as it lies in the store."""
    return load_pb2.WorkerState(
        worker_id=worker_id,
        incarnation=report.incarnation,
        draining=report.draining,
        lanes=report.lanes,
        load=load_to_wire(report.load),
        models=[model_to_wire(model) for model in report.models],
        address=address,
        **vitals,
    )


def report_from_wire(message: load_pb2.WorkerState) -> WorkerReport:
    """Raises ValueError naming the field for a value that no worker can mean.

    A worker has at least one lane; a message that leaves the field out means one.
    """
    return WorkerReport(
        incarnation=message.incarnation,
        draining=message.draining,
        lanes=max(1, message.lanes),
        load=load_from_wire(message.load),
        models=tuple(model_from_wire(model) for model in message.models),
    )


def failure_to_wire(refusal: Refusal) -> failure_pb2.Failure:
    """Leaves the retry hint out when it is no finite number of seconds."""
    message = failure_pb2.Failure(
        reason=refusal.reason.name,
        message=refusal.message,
        metadata=dict(refusal.metadata),
        started=refusal.started,
    )
    hint_s = refusal.retry_after_s
    if hint_s is not None and 0.0 <= hint_s <= SECONDS_MAX:
        message.retry_after_s = hint_s
    return message


def failure_from_wire(message: failure_pb2.Failure) -> Refusal:
    """Never raises: a reason that this version does not know becomes INTERNAL, its name kept
    among the facts; a retry hint that is no finite number of seconds is dropped.
    """
    known = Reason.__members__.get(message.reason)
    pairs = sorted(message.metadata.items())
    if known is None:
        pairs.append(("reason", message.reason))
    hint_s = message.retry_after_s if message.HasField("retry_after_s") else None
    if hint_s is not None and not 0.0 <= hint_s <= SECONDS_MAX:
        hint_s = None
    return Refusal(
        reason=known or Reason.INTERNAL,
        message=message.message,
        retry_after_s=hint_s,
        metadata=tuple(pairs),
        started=message.started,
    )


def _outgoing(seconds: float, field: str) -> float:
    if 0.0 <= seconds <= SECONDS_MAX:
        return seconds
    if seconds != seconds:  # noqa: PLR0124  (NaN is the one value unequal to itself)
        raise ValueError(f"{field} must be a number of seconds, not NaN")
    return 0.0 if seconds < 0.0 else SECONDS_MAX


def _incoming(seconds: float, field: str) -> float:
    if 0.0 <= seconds <= _INCOMING_MAX_S:
        return seconds
    raise ValueError(f"{field} must be between 0 and {SECONDS_MAX:g} seconds, not {seconds!r}")
