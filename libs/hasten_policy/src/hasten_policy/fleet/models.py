"""What requests may name, and which workers have it."""

from dataclasses import dataclass, field
from math import ceil

from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.subset import PARTITION, affinity_score
from hasten_policy.fleet.workers import ModelEntry


@dataclass(slots=True, eq=False, repr=False)
class ModelView:
    """What a request may name, "model" or "model/version", and who can serve it.

    Attributes:
        key: "model" or "model/version".
        entries: Every worker that has it ready, in the order of worker ids.
        open: Those that may get calls now.
        by_worker: The same by worker id.
        reporters: Workers that have it, ready or not.
        best_s: Least seconds that a call can take anywhere.
        lanes: Lanes of the open workers, at least 1.
        default_timeout_s: Deadline of calls without one; 0 for none.
        arrivals: Calls since the last layout of `homes`.
        demand_per_s: Calls a second, smoothed.
        homes: Entries of the workers that it is at home on.
    """

    key: str
    entries: list[ModelEntry] = field(init=False, default_factory=list[ModelEntry])
    open: list[ModelEntry] = field(init=False, default_factory=list[ModelEntry])
    by_worker: dict[str, ModelEntry] = field(init=False, default_factory=dict[str, ModelEntry])
    reporters: set[str] = field(init=False, default_factory=set[str])
    best_s: float = field(init=False, default=0.0)
    lanes: int = field(init=False, default=1)
    default_timeout_s: float = field(init=False, default=0.0)
    arrivals: int = field(init=False, default=0)
    demand_per_s: float = field(init=False, default=0.0)
    homes: list[ModelEntry] = field(init=False, default_factory=list[ModelEntry])

    @property
    def wanted(self) -> bool:
        """Somebody needs it although no worker may have it any more."""
        return False

    def idle(self) -> ModelEntry | None:
        """An open worker that has nothing to do and a free credit; None when there is none."""
        for entry in self.open:
            worker = entry.worker
            if not worker.queue and len(worker.calls) < worker.window:
                return entry
        return None

    def refresh_open(self, policy: FleetPolicy) -> None:
        """Recomputes who may get calls, after a standing or the set of entries changed.

        Of very many workers a subset is used: that of the highest ranks. Balancer "partition"
        keeps each model to its own share of them.
        """
        self.open = [entry for entry in self.entries if entry.worker.open]
        if policy.balancer == PARTITION:
            self._keep_part(policy.partition_share)
        if len(self.open) > policy.subset_above:
            ranks = sorted((entry.worker.rank for entry in self.open), reverse=True)
            least = ranks[policy.subset_size - 1] if policy.subset_size < len(ranks) else 0
            chosen = [entry for entry in self.open if entry.worker.rank >= least]
            self.open = chosen[: policy.subset_size]
        self.by_worker = {entry.worker.worker_id: entry for entry in self.open}
        self.homes = [entry for entry in self.homes if entry.worker.worker_id in self.by_worker]
        among = self.open or self.entries
        self.best_s = min((entry.best_s for entry in among), default=0.0)
        self.lanes = max(1, sum(entry.worker.lanes for entry in self.open))

    def _keep_part(self, share: float) -> None:
        """The same workers for the model whichever router asks, others only when they are shut."""
        count = max(1, ceil(share * len(self.entries)))
        ranked = sorted(
            self.open, key=lambda entry: affinity_score(entry.name, entry.worker.worker_id)
        )
        chosen = {entry.worker.worker_id for entry in ranked[-count:]}
        self.open = [entry for entry in self.open if entry.worker.worker_id in chosen]
