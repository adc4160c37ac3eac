"""What a scheduler says of its DAGs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten_client.errors import HastenError
from hasten_client.task_views import error

if TYPE_CHECKING:
    from hasten_client.datatypes import Array

DAG_ENDED: Final = frozenset({"done", "failed", "cancelled"})
"""States that a DAG never leaves."""


@dataclass(frozen=True, slots=True)
class DagSubmitted:
    """A DAG is stored.

    Attributes:
        name: Its name.
        tenant: Its tenant.
        repeated: It had been accepted before, with the same content.
    """

    name: str
    tenant: str
    repeated: bool


@dataclass(frozen=True, slots=True)
class DagPart:
    """A part of a step.

    Attributes:
        state: As of a step.
        task_id: Id of its task, which `TaskClient` knows.
        error: Why it failed.
    """

    state: str
    task_id: str
    error: HastenError | None


@dataclass(frozen=True, slots=True)
class DagStepStatus:
    """A step. Times are seconds since the DAG was accepted.

    Attributes:
        name: Its name.
        state: pending, running, joining, done, skipped, failed or cancelled.
        model: Model name, or "name/version".
        parts: In order; a step that is not split has one.
        begun_s: When its tasks were submitted; None before.
        ended_s: When it ended; None before.
        due_s: Within which it has to end, for all that waits for it.
        priority: Class of its tasks, 0 (most urgent) to 3.
        error: Why it failed.
        reasons: What keeps it, one sentence each.
    """

    name: str
    state: str
    model: str
    parts: tuple[DagPart, ...]
    begun_s: float | None
    ended_s: float | None
    due_s: float
    priority: int
    error: HastenError | None
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DagStatus:
    """A DAG as the scheduler had it when it was asked.

    Attributes:
        name: Its name among its tenant's DAGs.
        tenant: Who pays.
        state: active, cancelling, done, failed or cancelled.
        age_s: Seconds since it was accepted.
        ended_s: Seconds from then until it ended; None before.
        time_left_s: Seconds until its deadline, negative when it has passed.
        error: Why it failed.
        failed_step: The step that failed; "" for none.
        steps: In an order in which they can run; none in lists.
        steps_ended: Steps that have ended.
        steps_count: Of so many.
        labels: As submitted; none in lists.
        outputs: By name, once it is done; none in lists.
    """

    name: str
    tenant: str
    state: str
    age_s: float
    ended_s: float | None
    time_left_s: float
    error: HastenError | None
    failed_step: str
    steps: tuple[DagStepStatus, ...]
    steps_ended: int
    steps_count: int
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    outputs: "Mapping[str, Array]" = field(default_factory=lambda: MappingProxyType({}))

    @property
    def ended(self) -> bool:
        """Nothing of it will change."""
        return self.state in DAG_ENDED


@dataclass(frozen=True, slots=True)
class DagPage:
    """Some DAGs, and the token of the next page; "" when this is the last."""

    dags: tuple[DagStatus, ...]
    next_page_token: str


def submitted(wire: pb.SubmitDagResponse) -> DagSubmitted:
    """From the wire."""
    return DagSubmitted(wire.name.name, wire.name.tenant, wire.repeated)


def dag_state(state: "pb.DagState.ValueType") -> str:
    """For DAG_STATE_DONE "done"."""
    return pb.DagState.Name(state).removeprefix("DAG_STATE_").lower()


def status(wire: pb.DagStatus) -> DagStatus:
    """From the wire. Raises InvalidResponse for outputs that cannot be read."""
    return DagStatus(
        name=wire.name.name,
        tenant=wire.name.tenant,
        state=dag_state(wire.state),
        age_s=wire.age_us / 1e6,
        ended_s=wire.ended_us / 1e6 if wire.HasField("ended_us") else None,
        time_left_s=wire.time_left_us / 1e6,
        error=error(wire.failure) if wire.HasField("failure") else None,
        failed_step=wire.failed_step,
        steps=tuple(_step(step) for step in wire.steps),
        steps_ended=wire.steps_ended,
        steps_count=wire.steps_count,
        labels=MappingProxyType(dict(wire.labels)),
        outputs=MappingProxyType(_outputs(wire)),
    )


def _step(wire: pb.DagStepStatus) -> DagStepStatus:
    return DagStepStatus(
        name=wire.name,
        state=_step_state(wire.state),
        model=wire.model,
        parts=tuple(
            DagPart(
                _step_state(part.state),
                part.task.request_id,
                error(part.failure) if part.HasField("failure") else None,
            )
            for part in wire.parts
        ),
        begun_s=wire.begun_us / 1e6 if wire.HasField("begun_us") else None,
        ended_s=wire.ended_us / 1e6 if wire.HasField("ended_us") else None,
        due_s=wire.due_us / 1e6,
        priority=wire.priority,
        error=error(wire.failure) if wire.HasField("failure") else None,
        reasons=tuple(wire.reasons),
    )


def _step_state(state: "pb.DagStepState.ValueType") -> str:
    return pb.DagStepState.Name(state).removeprefix("DAG_STEP_STATE_").lower()


def _outputs(wire: pb.DagStatus) -> "dict[str, Array]":
    if not wire.outputs:
        return {}
    # numpy takes a quarter of a second to load, and most calls of operators need none of it.
    from hasten_client.codec import Tensor, decode

    return {
        name: decode(name, Tensor(each.datatype, tuple(each.shape), each.content))
        for name, each in sorted(wire.outputs.items())
    }


def page(wire: pb.ListDagsResponse) -> DagPage:
    """From the wire."""
    return DagPage(tuple(status(one) for one in wire.dags), wire.next_page_token)
