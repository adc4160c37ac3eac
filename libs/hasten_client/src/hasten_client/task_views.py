"""What a scheduler says of its tasks."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from hasten.common.v1.failure_pb2 import Failure
from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import scheduler_service_pb2 as pb
from hasten_client.errors import HastenError, from_reason
from hasten_client.result import Result, result

_PREFIX: Final = "TASK_STATE_"
ENDED: Final = frozenset({"done", "failed", "dead", "cancelled"})
"""States that a task leaves by no attempt of its own."""


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the scheduler had it when it was asked.

    Attributes:
        request_id: Its id among its tenant's tasks.
        tenant: Who pays; "" for the default tenant.
        state: waiting, later, running, done, failed, dead or cancelled.
        model: Model name, or "name/version".
        priority: Class 0 (most urgent) to 3.
        age_s: Seconds since it was accepted.
        time_left_s: Seconds until its deadline, negative when it has passed; None for none.
        start_in_s: Seconds until it may start, where it waits for a time.
        ended_s: Seconds since it ended; None before.
        attempts: Attempts that counted.
        attempts_max: Most attempts that count.
        runs: Times that it was given to a worker.
        labels: As submitted.
        concurrency_key: As submitted.
        result: Its answer, once it is done; None in lists.
        error: Why there is none, once it failed or is dead; None in lists.
        deaths: Worker processes that died while they ran it.
        job_id: The job that made it, as "dag:tenant/name"; "" for none.
    """

    request_id: str
    tenant: str
    state: str
    model: str
    priority: int
    age_s: float
    time_left_s: float | None
    start_in_s: float
    ended_s: float | None
    attempts: int
    attempts_max: int
    runs: int
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    concurrency_key: str = ""
    result: Result | None = None
    error: HastenError | None = None
    deaths: tuple[str, ...] = ()
    job_id: str = ""

    @property
    def ended(self) -> bool:
        """No attempt will follow by itself."""
        return self.state in ENDED


@dataclass(frozen=True, slots=True)
class Submitted:
    """What became of a task that was submitted.

    Attributes:
        request_id: Its id.
        tenant: Its tenant.
        repeated: It had been accepted before, with the same content.
        error: Why it was not accepted; None when it is stored.
    """

    request_id: str
    tenant: str
    repeated: bool = False
    error: HastenError | None = None


@dataclass(frozen=True, slots=True)
class TaskChange:
    """A task came to another state.

    Attributes:
        request_id: Its id.
        tenant: Its tenant.
        state: As in Task.
        model: As in Task.
        priority: As in Task.
        position: Where to go on watching after this change.
    """

    request_id: str
    tenant: str
    state: str
    model: str
    priority: int
    position: str


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Some tasks, and the token of the next page; "" when this is the last."""

    tasks: tuple[Task, ...]
    next_page_token: str


@dataclass(frozen=True, slots=True)
class Paused:
    """Tasks that are kept and not started: of a tenant (None: of any) and a model ("": of any)."""

    tenant: str | None
    model: str


@dataclass(frozen=True, slots=True)
class LaneCount:
    """Tasks that wait in one lane."""

    tenant: str
    model: str
    priority: int
    waiting: int


@dataclass(frozen=True, slots=True)
class ShardOwner:
    """Which scheduler moves a shard's tasks on; "" when none does."""

    shard: int
    owner: str
    epoch: int


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Counts.

    Attributes:
        states: Tasks by state.
        lanes: Waiting tasks by lane, most first.
        tenants: (tasks, bytes) that have not ended, by tenant.
        bytes_held: Of inputs of tasks that have not ended.
        oldest_s: Age of the task that has waited longest.
        paused: What is paused.
        owners: Of the shards.
    """

    states: Mapping[str, int]
    lanes: tuple[LaneCount, ...]
    tenants: Mapping[str, tuple[int, int]]
    bytes_held: int
    oldest_s: float
    paused: tuple[Paused, ...]
    owners: tuple[ShardOwner, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a task is where it is.

    Attributes:
        task: The task.
        reasons: What keeps it, one sentence each, the first thing first.
        lane_waiting: Tasks that wait in its lane, itself included.
        owner: Who moves it on.
    """

    task: Task
    reasons: tuple[str, ...]
    lane_waiting: int
    owner: ShardOwner


@dataclass(frozen=True, slots=True)
class Sorted:
    """Ids of dead tasks with which it was done, and ids that name none."""

    done: tuple[str, ...]
    not_dead: tuple[str, ...]


def state_name(state: "pb.TaskState.ValueType") -> str:
    """For TASK_STATE_WAITING "waiting"."""
    return pb.TaskState.Name(state).removeprefix(_PREFIX).lower()


def task(wire: pb.Task) -> Task:
    """From the wire."""
    return Task(
        request_id=wire.name.request_id,
        tenant=wire.name.tenant,
        state=state_name(wire.state),
        model=wire.model,
        priority=wire.priority,
        age_s=wire.age_us / 1e6,
        time_left_s=wire.time_left_us / 1e6 if wire.HasField("time_left_us") else None,
        start_in_s=wire.start_in_us / 1e6,
        ended_s=wire.ended_us / 1e6 if wire.HasField("ended_us") else None,
        attempts=wire.attempts,
        attempts_max=wire.attempts_max,
        runs=wire.runs,
        labels=MappingProxyType(dict(wire.labels)),
        concurrency_key=wire.name.concurrency_key,
        result=_result(wire.response) if wire.response else None,
        error=error(wire.failure) if wire.HasField("failure") else None,
        deaths=tuple(wire.deaths),
        job_id=wire.job_id,
    )


def _result(response: bytes) -> Result:
    return result(infer_pb.ModelInferResponse.FromString(response))


def error(wire: Failure) -> HastenError:
    """From the wire."""
    return from_reason(
        wire.reason,
        wire.status,
        wire.message,
        retry_after_s=wire.retry_after_s if wire.HasField("retry_after_s") else None,
        metadata=dict(wire.metadata),
    )


def submitted(wire: pb.SubmitTaskResponse) -> Submitted:
    """From the wire."""
    return Submitted(wire.name.request_id, wire.name.tenant, wire.repeated)


def outcome(wire: pb.SubmitOutcome) -> Submitted:
    """From the wire."""
    failed = error(wire.failure) if wire.HasField("failure") else None
    return Submitted(wire.name.request_id, wire.name.tenant, wire.repeated, failed)


def changes(wire: pb.WatchTasksResponse) -> list[TaskChange]:
    """From the wire."""
    return [
        TaskChange(
            request_id=one.request_id,
            tenant=one.tenant,
            state=state_name(one.state),
            model=one.model,
            priority=one.priority,
            position=wire.position,
        )
        for one in wire.changes
    ]


def stats(wire: pb.StatsResponse) -> QueueStats:
    """From the wire."""
    return QueueStats(
        states={state_name(one.state): one.tasks for one in wire.states},
        lanes=tuple(
            LaneCount(lane.tenant, lane.model, lane.priority, lane.waiting) for lane in wire.lanes
        ),
        tenants={one.tenant: (one.tasks, one.bytes) for one in wire.tenants},
        bytes_held=wire.bytes_held,
        oldest_s=wire.oldest_us / 1e6,
        paused=tuple(
            Paused(scope.tenant if scope.HasField("tenant") else None, scope.model)
            for scope in wire.paused
        ),
        owners=tuple(owner(one) for one in wire.owners),
    )


def owner(wire: pb.ShardOwner) -> ShardOwner:
    """From the wire."""
    return ShardOwner(wire.shard, wire.owner, wire.epoch)


def explanation(wire: pb.ExplainResponse) -> Explanation:
    """From the wire."""
    return Explanation(task(wire.task), tuple(wire.reasons), wire.lane_waiting, owner(wire.owner))
