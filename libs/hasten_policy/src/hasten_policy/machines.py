"""Every kind of machine there is. A new one is one row here.

Whoever must know all machines asks this table: the event log and its replay, the settings and the
bundles of policies, the metrics, and what `hasten up` starts. By convention a machine "x" runs in
the service `hasten_x`, whose settings begin with HASTEN_X_.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar, get_args

from hasten_policy.admission.gates import GATES
from hasten_policy.autoscaler.events import AutoscalerEffect, AutoscalerEvent, ModelDemand
from hasten_policy.autoscaler.machine import AutoscalerMachine
from hasten_policy.autoscaler.policy import AutoscalerPolicy
from hasten_policy.batching.rules import RULES
from hasten_policy.chance import Chance
from hasten_policy.content import Asked, Content
from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.load import LoadSample, ModelLoad, ModelSpec, WorkerReport
from hasten_policy.ordering.orders import BATCH_ORDERS, ORDERS
from hasten_policy.reasons import Refusal
from hasten_policy.router.events import RouterEffect, RouterEvent
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.scaling.backlog import QueuedWork
from hasten_policy.scaling.limits import Bounds, LimitPolicy
from hasten_policy.scaling.offers import Offer
from hasten_policy.scaling.profiles import Profile
from hasten_policy.scaling.queueing import BatchCurve
from hasten_policy.scaling.rules.table import SCALING_RULES
from hasten_policy.scaling.sight import Because
from hasten_policy.scheduler.events import SchedulerEffect, SchedulerEvent
from hasten_policy.scheduler.jobs.periods.reserving import Reservation
from hasten_policy.scheduler.machine import SchedulerMachine
from hasten_policy.scheduler.orders import TASK_ORDERS
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.scheduler.tasks import Lane, LaneHeads, Pick, TaskHead
from hasten_policy.worker.events import WorkerEffect, WorkerEvent
from hasten_policy.worker.machine import WorkerMachine
from hasten_policy.worker.policy import WorkerPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hasten_policy.named import Named

Event_contra = TypeVar("Event_contra", contravariant=True)
Effect = TypeVar("Effect")


class Machine(Protocol[Event_contra, Effect]):
    """Decides: events in, effects out. Nothing else changes a machine."""

    def on(self, event: Event_contra, *, now_s: float) -> "list[Effect]":
        """Handles one event; `now_s` never goes back.

        Returns:
            What is to be done, in order.
        """
        ...


@dataclass(frozen=True, slots=True)
class MachineKind:
    """One kind of machine.

    Attributes:
        name: What settings, event logs, metrics and processes call it.
        policy: Class of its parameters; each has a default.
        events: All that it is told.
        effects: All that it asks for.
        parts: Further dataclasses that events and effects hold.
        make: A new machine, from its parameters and its source of random numbers.
        choices: Parameters that hold a name, "group.parameter" in a named group, and what may
            stand there.
    """

    name: str
    policy: type[Any]
    events: tuple[type, ...]
    effects: tuple[type, ...]
    parts: tuple[type, ...]
    make: "Callable[[Any, Chance], Machine[Any, Any]]"
    choices: "Mapping[str, Named[Any]]" = field(default_factory=dict[str, "Named[Any]"])


def _worker(policy: WorkerPolicy, rng: Chance) -> WorkerMachine:
    del rng  # It leaves nothing to chance.
    return WorkerMachine(policy)


def _autoscaler(policy: AutoscalerPolicy, rng: Chance) -> AutoscalerMachine:
    del rng  # It leaves nothing to chance; its bounds are told.
    return AutoscalerMachine(policy)


_RULE_POLICIES: Final = tuple(
    dict.fromkeys(SCALING_RULES.get(name).policy for name in SCALING_RULES.names)
)
_LOAD: Final = (LoadSample, ModelLoad, WorkerReport, Refusal)
_KINDS: Final = (
    # It leaves before the workers do: nobody is to replace them.
    MachineKind(
        name="autoscaler",
        policy=AutoscalerPolicy,
        events=get_args(AutoscalerEvent),
        effects=get_args(AutoscalerEffect),
        parts=(
            *(AutoscalerPolicy, LimitPolicy, Bounds, Profile, BatchCurve, ModelDemand),
            *(QueuedWork, Because, Offer, *_RULE_POLICIES),
        ),
        make=_autoscaler,
        choices={"rule": SCALING_RULES},
    ),
    MachineKind(
        name="router",
        policy=RouterPolicy,
        events=get_args(RouterEvent),
        effects=get_args(RouterEffect),
        parts=(Asked, Content, *_LOAD),
        make=lambda policy, rng: RouterMachine(policy, rng=rng),
        choices={"balancer": BALANCERS, "admission": GATES, "order": ORDERS},
    ),
    MachineKind(
        name="scheduler",
        policy=SchedulerPolicy,
        events=get_args(SchedulerEvent),
        effects=get_args(SchedulerEffect),
        parts=(Asked, Content, Lane, LaneHeads, Pick, Reservation, TaskHead, *_LOAD),
        make=lambda policy, rng: SchedulerMachine(policy, rng=rng),
        choices={"balancer": BALANCERS, "order": TASK_ORDERS},
    ),
    MachineKind(
        name="worker",
        policy=WorkerPolicy,
        events=get_args(WorkerEvent),
        effects=get_args(WorkerEffect),
        parts=(ModelSpec, *_LOAD),
        make=_worker,
        choices={"batching.rule": RULES, "batching.order": BATCH_ORDERS},
    ),
)
MACHINES: Final[dict[str, MachineKind]] = {kind.name: kind for kind in _KINDS}
"""By name. When a mesh is stopped, its services leave in this order."""


def choices() -> "dict[str, Named[Any]]":
    """The parameters of all machines that hold a name, "kind.parameter", and what may stand
    there.
    """
    return {
        f"{kind.name}.{path}": table
        for kind in MACHINES.values()
        for path, table in kind.choices.items()
    }


def kind_of(policy: object) -> MachineKind:
    """The kind of machine that a policy is of.

    Raises:
        TypeError: It is of none.
    """
    for kind in MACHINES.values():
        if kind.policy is type(policy):
            return kind
    raise TypeError(f"{type(policy).__name__} is the policy of no machine")
