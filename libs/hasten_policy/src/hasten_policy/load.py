"""What a worker says of itself, as the policies see it (wire form: hasten.common.v1), and what it
must know of a model.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class LoadSample:
    """A worker's load at one instant; rides on every reply.

    Attributes:
        seq: Grows with each report of one incarnation; an older sample is ignored.
        depth: Calls accepted and unanswered, from all routers.
        backlog_s: Predicted seconds until all accepted calls are done.
        residual_s: Predicted seconds until a lane is free; 0 when one is free.
        received: Calls received so far over the link that carries this sample.
        window: Calls that the receiver may have unanswered at this worker at once.
        service_s: Measured busy seconds per call of the model last answered; 0 if unknown.
        waiting: Calls accepted and not yet begun, from all routers.
        waiting_of: The same by model: (place in the models of the newest full report, calls),
            those with most of at most 32 models.
        arrived: Calls received so far from all routers.
        starts_s: Predicted seconds until the next batch of each model of waiting_of begins, in the
            same order; empty when not known.
        waiting_batch: Those of `waiting` that are of the lowest class, to which tasks belong.
        arrived_batch: Those of `arrived` that are.
        backlog_guests_s: What of backlog_s waits in the lowest class without a deadline: whatever
            has a deadline goes before it.
        refused: Calls of its models that routers refused for want of time so far, as far as they
            told this worker: each tells one worker of each.
    """

    seq: int
    depth: int
    backlog_s: float
    residual_s: float
    received: int
    window: int
    service_s: float
    waiting: int = 0
    waiting_of: tuple[tuple[int, int], ...] = ()
    arrived: int = 0
    starts_s: tuple[float, ...] = ()
    waiting_batch: int = 0
    arrived_batch: int = 0
    backlog_guests_s: float = 0.0
    refused: int = 0


@dataclass(frozen=True, slots=True)
class ModelLoad:
    """One model version on a worker.

    Attributes:
        name: Model name.
        version: Integer in text.
        serves_unversioned: Answers requests that name no version.
        alpha_s: A batch of b rows of `size` elements each typically takes alpha_s + beta_s * b
            seconds; the line is right for one row and for `target_rows`.
        beta_s: See alpha_s.
        best_s: Typical seconds of one row of the least size: the least a request can take.
        batch_max: Most rows in one batch.
        service_s: Measured busy seconds per call; 0 before the first.
        depth: Calls of this model waiting in the worker.
        default_timeout_s: Deadline of requests that bring none; 0 for none.
        ready: Loaded and serving.
        batch_rows: Rows of its batches of late; 0 before the first.
        gamma_s: Seconds that an element more than `size` adds, for each row.
        size: Elements per row of its calls of late; 0 when not known.
        target_rows: Largest batch that it forms of rows of `size`; 0 when not known.
        target_s: Typical seconds of the largest batch that it forms; 0 when not known.
        unlike: Share of its calls that cannot share a batch with the one before.
        work_max: Elements beyond which nothing is known of the time: twice the most that ever ran;
            0 for no limit.
        rows_mean: Rows per call of late; 0 before the first.
    """

    name: str
    version: str
    serves_unversioned: bool
    alpha_s: float
    beta_s: float
    best_s: float
    batch_max: int
    service_s: float
    depth: int
    default_timeout_s: float
    ready: bool
    batch_rows: float = 0.0
    gamma_s: float = 0.0
    size: float = 0.0
    target_rows: int = 0
    target_s: float = 0.0
    unlike: float = 0.0
    rows_mean: float = 0.0
    work_max: float = 0.0


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """All that a router needs to know of a worker.

    Attributes:
        incarnation: Differs after each start of the worker's process.
        draining: Takes no new calls.
        lanes: Batches it can run at once.
        load: Load now.
        models: Its model versions.
    """

    incarnation: str
    draining: bool
    lanes: int
    load: LoadSample
    models: tuple[ModelLoad, ...]


@dataclass(frozen=True, slots=True)
class HostLag:
    """What the host takes from the process of a machine: an event of both machines.

    Attributes:
        lag_s: Seconds by which the event loop was late with what was due, a high quantile of the
            last second.
        stolen: Share of the CPU that the hypervisor or a CPU limit took in the last second, 0
            to 1. What neighbours on the same cores take shows in the lag alone.
        stall_s: The loop stood still for so long and has just gone on; 0 when it did not.
    """

    lag_s: float
    stolen: float
    stall_s: float = 0.0


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """One loaded model version.

    Attributes:
        key: "name/version".
        name: Model name.
        version: Integer in text.
        serves_unversioned: Answers requests that name no version.
        batch_max: Most rows in one batch, >= 1.
        batch_sizes: Row counts that a batch is padded up to, ascending, last == batch_max;
            empty when any count runs as it is.
        preferred_sizes: Sizes worth waiting for, ascending; empty for none.
        queue_delay_max_s: Longest wait for a preferred size.
        instances: Batches of this model that may run at once, >= 1.
        queue_max: Most calls waiting.
        default_timeout_s: Deadline of calls that bring none; 0 for none.
        run_s_max: A run is terminated when it has taken this long.
        profile: Measured (rows, elements, seconds) of the load-time profile; elements are those of
            all inputs of that run together.
    """

    key: str
    name: str
    version: str
    serves_unversioned: bool
    batch_max: int
    batch_sizes: tuple[int, ...]
    preferred_sizes: tuple[int, ...]
    queue_delay_max_s: float
    instances: int
    queue_max: int
    default_timeout_s: float
    run_s_max: float
    profile: tuple[tuple[int, int, float], ...]
