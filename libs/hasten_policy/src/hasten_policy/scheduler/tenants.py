"""Fairness between tenants: each is served in proportion to its weight while others wait.

The virtual token counter of Sheng et al. (OSDI 2024), in predicted service seconds: whoever has had
the least of its share is served first, and one that comes back from doing nothing begins at the
level of the others. Within a horizon the order of the tasks decides instead, so that a deadline
counts for more than a few milliseconds of service.
"""

from bisect import bisect_left, insort
from typing import TYPE_CHECKING, Final

from hasten_policy.scheduler.policy import TenantPolicy

if TYPE_CHECKING:
    from hasten_policy.scheduler.lanes import LaneWindow

REMEMBERED: Final = 1024
"""Tenants that are remembered although they have no tasks."""


class Tenant:
    """Who pays.

    Attributes:
        name: Its name; "" is the default tenant.
        number: Breaks ties.
        weight: Its share while others wait too.
        served_s: Service seconds that it has had, divided by its weight.
        running: Its attempts, claimed ones included.
        running_max: Most of those.
        known: Its lanes that have tasks.
        ready: Those of them that may be picked.
    """

    __slots__ = (
        "_all",
        "known",
        "name",
        "number",
        "ready",
        "running",
        "running_max",
        "served_s",
        "weight",
    )

    def __init__(self, all_of_them: "Tenants", name: str, number: int) -> None:
        self._all = all_of_them
        self.name = name
        self.number = number
        self.weight = all_of_them.weights.get(name, 1.0)
        self.served_s = 0.0
        self.running = 0
        self.running_max = all_of_them.running_max(name)
        self.known = 0
        self.ready: dict[LaneWindow, None] = {}

    @property
    def may_run(self) -> bool:
        """One more of its tasks may run."""
        return self.running < self.running_max

    @property
    def eligible(self) -> bool:
        """One of its tasks may run, and some worker may have room for it."""
        return self.running < self.running_max and any(lane.desk.room for lane in self.ready)

    def joins(self, lane: "LaneWindow") -> None:
        """The lane may be picked."""
        if not self.ready:
            self._all.list(self)
        self.ready[lane] = None

    def leaves(self, lane: "LaneWindow") -> None:
        """It may no more."""
        del self.ready[lane]
        if not self.ready:
            self._all.unlist(self)

    def charge(self, seconds: float) -> None:
        """It gets so many service seconds; negative: it did not get them after all."""
        if self.ready:
            self._all.unlist(self)
        self.served_s += seconds / self.weight
        if self.ready:
            self._all.list(self)


class Tenants:
    """All tenants that have tasks, and some that had.

    Args:
        policy: Parameters.
        strict: No horizon.

    Attributes:
        by_name: Those that are known.
        weights: Those that differ from 1.
        served_s: What whoever was served the least had when one was last picked; never falls.
    """

    __slots__ = (
        "_count",
        "_horizon_s",
        "_line",
        "_policy",
        "_running",
        "by_name",
        "served_s",
        "weights",
    )

    def __init__(self, policy: TenantPolicy, *, strict: bool) -> None:
        self._policy = policy
        self._horizon_s = 0.0 if strict else policy.tenant_horizon_s
        self._running = dict(policy.tenant_running)
        self._line: list[tuple[float, int, Tenant]] = []
        self._count = 0
        self.weights = dict(policy.tenant_weights)
        self.by_name: dict[str, Tenant] = {}
        self.served_s = 0.0

    def running_max(self, name: str) -> float:
        """Tasks of the tenant that may run at once."""
        return self._running.get(name, self._policy.tenant_running_max) or float("inf")

    def enter(self, name: str) -> Tenant:
        """The tenant, which has one lane more from now on."""
        tenant = self.by_name.get(name)
        if tenant is None:
            self._forget_some()
            self._count += 1
            tenant = self.by_name[name] = Tenant(self, name, self._count)
        if not tenant.known and not tenant.running:
            tenant.served_s = max(tenant.served_s, self.served_s)
        tenant.known += 1
        return tenant

    def limit_s(self) -> float | None:
        """Tenants that were served no more than this may be picked; None when none may."""
        for _, _, tenant in self._line:
            if tenant.eligible:
                lagging_s = self._lagging_s
                if tenant.served_s < lagging_s:
                    # It could not be served, and does not get all that time back at once.
                    tenant.charge((lagging_s - tenant.served_s) * tenant.weight)
                self.served_s = max(self.served_s, tenant.served_s)
                return tenant.served_s + self._horizon_s
        return None

    def ahead_s(self, tenant: Tenant) -> float:
        """Seconds by which the tenant was served too much to be picked; 0 when it may be."""
        least_s = next((served_s for served_s, _, each in self._line if each.eligible), None)
        if least_s is None:
            return 0.0
        return max(0.0, tenant.served_s - max(least_s, self._lagging_s) - self._horizon_s)

    @property
    def _lagging_s(self) -> float:
        return self.served_s - self._policy.tenant_lag_s

    # --- for Tenant -------------------------------------------------------------------

    def list(self, tenant: Tenant) -> None:
        """It may be picked."""
        insort(self._line, (tenant.served_s, tenant.number, tenant))

    def unlist(self, tenant: Tenant) -> None:
        """It may be picked no more."""
        del self._line[bisect_left(self._line, (tenant.served_s, tenant.number, tenant))]

    def _forget_some(self) -> None:
        if len(self.by_name) <= REMEMBERED + 2 * len(self._line):
            return
        self.by_name = {
            name: tenant
            for name, tenant in self.by_name.items()
            if tenant.known or tenant.running or tenant.served_s > self.served_s
        }
