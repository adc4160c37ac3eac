"""The kinds of machines, and every type that their logs may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Final, get_args

from hasten_policy.content import Asked, Content
from hasten_policy.eventlog.asked import CheckpointRestored, LoadAsked, Raised, ReportAsked
from hasten_policy.load import LoadSample, ModelLoad, ModelSpec, WorkerReport
from hasten_policy.reasons import Refusal
from hasten_policy.router.events import RouterEffect, RouterEvent
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.worker.events import WorkerEffect, WorkerEvent
from hasten_policy.worker.policy import WorkerPolicy

_SHARED: Final = (LoadSample, ModelLoad, WorkerReport, Refusal, Raised)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of machine.

    Attributes:
        policy: Class of its parameters.
        types: Dataclasses by name: events, effects, and what they are made of.
    """

    policy: type[RouterPolicy] | type[WorkerPolicy]
    types: Mapping[str, type]

    def fields(self) -> dict[str, tuple[str, ...]]:
        """Names of each type's fields, in order: what a log needs to explain itself."""
        return {name: field_names(found) for name, found in self.types.items()}


def field_names(of: type) -> tuple[str, ...]:
    """Names of a dataclass's fields, in order."""
    return tuple(field.name for field in fields(of))


def _by_name(*types: type) -> dict[str, type]:
    return {found.__name__: found for found in (*types, *_SHARED)}


KINDS: Final[Mapping[str, Kind]] = {
    "router": Kind(
        RouterPolicy,
        _by_name(
            *get_args(RouterEvent), *get_args(RouterEffect), Asked, Content, CheckpointRestored
        ),
    ),
    "worker": Kind(
        WorkerPolicy,
        _by_name(
            *get_args(WorkerEvent), *get_args(WorkerEffect), ModelSpec, LoadAsked, ReportAsked
        ),
    ),
}
"""By name, as the header of a log says it."""
