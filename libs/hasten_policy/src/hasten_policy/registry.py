"""Sets of policies by name."""

from dataclasses import dataclass, field

from hasten_policy.machines.router_policy import RouterPolicy
from hasten_policy.machines.worker_policy import WorkerPolicy


@dataclass(frozen=True, slots=True)
class PolicySet:
    """The parameters of all machines of a mesh.

    Attributes:
        name: What reports call it.
        router: Of routers.
        worker: Of workers.
    """

    name: str = "hasten"
    router: RouterPolicy = field(default_factory=RouterPolicy)
    worker: WorkerPolicy = field(default_factory=WorkerPolicy)
