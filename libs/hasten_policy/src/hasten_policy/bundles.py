"""Whole sets of policies by name: Hasten as shipped, and what it is compared with."""

from dataclasses import dataclass, field, replace
from typing import Any, Final

from hasten_policy.batching.policy import BatchingPolicy
from hasten_policy.named import Named
from hasten_policy.router.policy import MAX_GOODPUT, RouterPolicy
from hasten_policy.worker.policy import WorkerPolicy


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
    return PolicySet(name, _BLIND_ROUTER.but(router), _BLIND_WORKER)


def _batching(rule: str) -> PolicySet:
    worker = WorkerPolicy(refuse_hopeless=False, batching=BatchingPolicy(rule=rule))
    return PolicySet(rule, _OPEN_ROUTER, worker)


BUNDLES: Final[Named[PolicySet]] = Named(
    "bundle",
    {
        "hasten": (PolicySet("hasten"), "as shipped"),
        "hybrid": (PolicySet("hybrid"), "as shipped, under the name of its batching rule"),
        "max_goodput": (
            PolicySet("max_goodput", RouterPolicy.of(mode=MAX_GOODPUT)),
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
            replace(
                _blind("edf_plain", order="edf"),
                worker=replace(_BLIND_WORKER, batching=BatchingPolicy(rule="eager")),
            ),
            "earliest deadline first without shedding or admission: it collapses",
        ),
    },
)
"""Bundles by name."""
