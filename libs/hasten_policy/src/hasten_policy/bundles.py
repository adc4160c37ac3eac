"""Whole sets of policies by name: Hasten as shipped, and what it is compared with."""

from dataclasses import replace
from typing import Any, Final, cast

from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.machines import MACHINES
from hasten_policy.named import Named
from hasten_policy.router.policy import MAX_GOODPUT, RouterPolicy
from hasten_policy.scheduler.policy import SchedulerPolicy
from hasten_policy.worker.policy import WorkerPolicy


class PolicySet:
    """The parameters of all machines of a mesh.

    Args:
        name: What reports call it.
        policies: By kind of machine; one that is not given is as shipped.
    """

    __slots__ = ("_policies", "name")

    def __init__(self, name: str = "hasten", **policies: object) -> None:
        self.name = name
        self._policies = policies

    def of(self, kind: str) -> Any:  # noqa: ANN401  (the policy class of the kind)
        """The parameters of one kind of machine.

        Raises:
            KeyError: There is no such kind.
        """
        return self._policies[kind] if kind in self._policies else MACHINES[kind].policy()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, PolicySet):
            return NotImplemented
        return self.name == other.name and all(self.of(k) == other.of(k) for k in MACHINES)

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def router(self) -> RouterPolicy:
        """Of routers."""
        return cast("RouterPolicy", self.of("router"))

    @property
    def scheduler(self) -> SchedulerPolicy:
        """Of schedulers."""
        return cast("SchedulerPolicy", self.of("scheduler"))

    @property
    def worker(self) -> WorkerPolicy:
        """Of workers."""
        return cast("WorkerPolicy", self.of("worker"))


_BLIND_ROUTER: Final = RouterPolicy.of(
    balancer="wlc_static", admission="open", order="fifo", keeps_deadlines=False
)
"""Knows no deadline, and has no fault but that: calls still wait for a credit here."""
_BLIND_WORKER: Final = WorkerPolicy(
    keeps_deadlines=False,
    refuse_hopeless=False,
    batching=BatchingPolicy(rule="eager", order="fifo"),
)
_OPEN_ROUTER: Final = RouterPolicy.of(admission="open")
"""As shipped, but all that is offered comes in: what the batching rule does is seen."""


def _blind(name: str, **router: Any) -> PolicySet:  # noqa: ANN401  (parameters of RouterPolicy)
    return PolicySet(name, router=_BLIND_ROUTER.but(router), worker=_BLIND_WORKER)


def _batching(rule: str) -> PolicySet:
    worker = WorkerPolicy(refuse_hopeless=False, batching=BatchingPolicy(rule=rule))
    return PolicySet(rule, router=_OPEN_ROUTER, worker=worker)


BUNDLES: Final[Named[PolicySet]] = Named(
    "bundle",
    {
        "hasten": (PolicySet("hasten"), "as shipped"),
        "hybrid": (PolicySet("hybrid"), "as shipped, under the name of its batching rule"),
        "max_goodput": (
            PolicySet("max_goodput", router=RouterPolicy.of(mode=MAX_GOODPUT)),
            "as shipped, but theta stays at 1: more answers, more broken promises",
        ),
        "static": (
            _blind("static", balancer="partition", late_binding=False),
            "each model on its own workers, eager batches, no deadlines",
        ),
        "dynamic": (
            _blind("dynamic", balancer="least_connections", late_binding=False),
            "least connections, eager batches, no deadlines: a proxy before Triton",
        ),
        "fifo": (_blind("fifo"), "one queue, first come, first served, no deadlines"),
        "fixed_limit": (
            _blind("fixed_limit", admission="fixed_limit"),
            "fifo with at most 1.5 full batches a lane in flight",
        ),
        "gradient2": (
            _blind("gradient2", admission="gradient2"),
            "fifo with Netflix's limit that follows latency",
        ),
        "codel": (_blind("codel", admission="codel"), "fifo with CoDel, 5 ms in 100 ms"),
        "codel_lifo": (
            _blind("codel_lifo", admission="codel", order="adaptive_lifo"),
            "CoDel with adaptive LIFO, as at Facebook",
        ),
        "dagor": (_blind("dagor", admission="dagor"), "fifo with WeChat's cut by class and user"),
        "shrink": (
            _batching("shrink"),
            "EDF, all come in, batches shrink until their head fits",
        ),
        "window": (
            _batching("window"),
            "EDF, all come in, heads that force small batches are always shed",
        ),
        "deferral": (
            _batching("deferral"),
            "EDF, all come in, batches wait as long as they can",
        ),
        "edf_plain": (
            PolicySet(
                "edf_plain",
                router=_BLIND_ROUTER.but({"order": "edf"}),
                worker=replace(_BLIND_WORKER, batching=BatchingPolicy(rule="eager")),
            ),
            "earliest deadline first without shedding or admission: it collapses",
        ),
    },
)
"""Bundles by name."""
