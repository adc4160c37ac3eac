"""The router's memory of models on workers, and of what requests may name."""

from math import ceil
from typing import TYPE_CHECKING, Final

from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.fleet.subset import PARTITION, affinity_score
from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.prediction.evidence import Evidence
from hasten_policy.prediction.quantile_tracker import QuantileTracker

if TYPE_CHECKING:
    from hasten_policy.admission.calibration import Theta
    from hasten_policy.load import ModelLoad
    from hasten_policy.ordering.hold_queue import HoldQueue
    from hasten_policy.router.calls import CallRecord


EVIDENCE_S: Final = 1.0
"""For so long a round trip is evidence of what cannot be done in time."""
JOIN_S = 0.001
"""A call that comes so shortly before a batch is expected to begin is not counted on to join it: it
has a way to go, ..."""
JOIN_SHARE = 0.1
"""... and the beginning is known to a share of the time until then. Were such calls let in, theta
would fall and let in no others, as of all calls these are predicted to be done the soonest.
"""


MOVED: Final = 1.3
"""A model that takes so many times as long as before, or as little, is another one to theta."""
MIXED: Final = 0.5
"""A model whose calls differ in shape more often than this is planned call by call."""


class ModelEntry:
    """One ready model version on one worker.

    Attributes:
        worker: Where.
        alpha_s: A batch of b rows of the usual size takes alpha_s + beta_s * b seconds.
        beta_s: See alpha_s.
        gamma_s: Seconds that an element more than usual adds, for each row.
        size: Usual elements per row; 0 when not known.
        work_max: Elements beyond which nothing is known of the time; 0 for no limit.
        best_s: Typical seconds of the least call.
        batch_max: Most rows in a batch.
        target_rows: Rows of the largest batch that the worker forms of rows of usual size.
        target_s: Typical seconds of the largest batch that it forms; 0 for no limit.
        batch_rows: Rows of its batches of late, at least one.
        mixed: Its calls differ in shape, so that few share a batch.
        cost_s: Busy seconds per call, measured; the balancer's cost.
        home: Lanes of the worker that are the model's home; see `homes`.
        in_flight: Our unanswered calls of it there.
        starts_s: Seconds until the next batch of these begins, as reported; negative if unknown.
        waiting: Calls of it that wait there, from all routers, as reported.
        window_calls: Answers in the present observation window.
        evidence: Round trips of calls that met an idle worker.
    """

    __slots__ = (
        "_known",
        "alpha_s",
        "batch_max",
        "batch_rows",
        "best_s",
        "beta_s",
        "cost_s",
        "evidence",
        "full_cost_s",
        "gamma_s",
        "home",
        "in_flight",
        "measured",
        "mixed",
        "name",
        "rows_mean",
        "size",
        "starts_s",
        "target_rows",
        "target_s",
        "version",
        "waiting",
        "window_calls",
        "work_max",
        "worker",
    )

    def __init__(self, worker: WorkerRecord, load: "ModelLoad") -> None:
        self.worker = worker
        self.name = load.name
        self.version = load.version
        self.home = 0.0
        self.in_flight = 0
        self.waiting = 0
        self.starts_s = -1.0
        self.window_calls = 0
        self.measured = False
        self.cost_s = 0.0
        self.evidence = Evidence(EVIDENCE_S)
        self._known = (0.0, 0.0)
        self.refresh(load)

    def refresh(self, load: "ModelLoad") -> bool:
        """Takes the worker's newest figures over; the router's own measurement stays.

        Returns:
            The model takes another time there than it did: what was learned from calls that were
            admitted by the former one says little.
        """
        self.alpha_s = load.alpha_s
        self.beta_s = load.beta_s
        self.gamma_s = load.gamma_s
        self.size = load.size
        self.work_max = load.work_max
        self.best_s = load.best_s
        self.batch_max = load.batch_max if load.batch_max > 0 else 1
        self.target_rows = min(load.target_rows or self.batch_max, self.batch_max)
        self.target_s = load.target_s
        self.batch_rows = max(1, int(load.batch_rows))
        self.rows_mean = max(1.0, load.rows_mean)
        self.mixed = load.unlike > MIXED
        self.full_cost_s = self.alpha_s / self.target_rows + self.beta_s
        if not self.measured:
            self.cost_s = load.service_s if load.service_s > 0 else self.full_cost_s
        known_s, known_size = self._known
        now_s = self.batch_s(1, known_size)
        if known_s and 1.0 / MOVED < now_s / known_s < MOVED:
            return False
        self._known = (self.batch_s(1), self.size)
        return known_s > 0.0

    def batch_s(self, rows: int, size: float = 0.0) -> float:
        """Typical seconds of a batch of `rows`, at most batch_max of them.

        Args:
            rows: Rows.
            size: Elements per row; 0 for the usual size.
        """
        row_s = self.beta_s
        rows = min(self.batch_max, rows)
        if size and self.gamma_s and self.size:
            known = min(size, self.work_max / rows) if self.work_max else size
            row_s += self.gamma_s * (known - self.size)
        seconds = self.alpha_s + row_s * rows
        return max(self.best_s, seconds)

    def target_of(self, size: float) -> int:
        """Rows of the largest batch that the worker forms of rows of this size."""
        if not size or not self.gamma_s or not self.size or not self.target_s:
            return self.target_rows
        row_s = self.beta_s + self.gamma_s * (size - self.size)
        if row_s <= 0.0:
            return self.batch_max
        return max(1, min(self.batch_max, int((self.target_s - self.alpha_s) / row_s)))

    def rows_of(self, calls: int) -> int:
        """Rows that so many calls bring, as a rule."""
        return int(calls * self.rows_mean + 0.5) if self.rows_mean > 1.0 else calls

    def plan_s(self, rows: int) -> float:
        """Typical seconds of `rows` rows on one lane, in batches as full as they are formed."""
        target = self.target_rows
        full, rest = divmod(rows, target)
        plan_s = full * (self.alpha_s + self.beta_s * target)
        return plan_s + (self.alpha_s + self.beta_s * rest if rest else 0.0)

    def grown_s(self, rows: int) -> float:
        """As `plan_s` of waiting rows by the time they run: others join the last batch until it is
        as large as batches have been of late; and what comes after a full one is taken to be full.
        """
        target = self.target_rows
        full, rest = divmod(rows, target)
        plan_s = full * (self.alpha_s + self.beta_s * target)
        if rest:
            grown = target if full else min(target, max(rest, self.batch_rows))
            plan_s += self.alpha_s + self.beta_s * max(rest, grown)
        return plan_s

    def finish_in_s(self, now_s: float, rows: int = 1, size: float = 0.0) -> float:
        """Typical seconds until a call sent now would be done.

        The worker says how long its own plan takes (backlog_s, which runs down with time) and
        what waits there of each model. What we and others have sent since, and the call itself,
        join the batches of their models, which grow until they run.

        Args:
            now_s: Now.
            rows: Rows of the call.
            size: Its elements per row; 0 when not known.
        """
        worker = self.worker
        backlog_s = worker.backlog_s - (now_s - worker.load_at_s)
        if backlog_s <= 0.0 and not worker.unseen:
            return self.batch_s(rows, size)
        if self.mixed:
            return max(0.0, backlog_s) + worker.unseen_s / worker.lanes + self.batch_s(rows, size)
        started: ModelEntry | None = None
        if backlog_s <= 0.0:
            # It was idle or has become so: the first unseen call has begun alone.
            started = worker.unseen[0][0]
            backlog_s = worker.unseen[0][1]
        ahead = self.rows_of(self.waiting + worker.come(self, now_s) - (started is self))
        age_s = now_s - worker.load_at_s
        if self.waiting and self.starts_s >= 0.0 and worker.lanes == 1 and ahead < self.target_rows:
            return self._joins_in_s(backlog_s, age_s, ahead, now_s, rows, size)
        # Beyond what the usual size would take, its own rows are charged on top.
        beyond_s = max(0.0, self.batch_s(rows, size) - self.batch_s(rows))
        more_s = self.grown_s(ahead + rows) - self.plan_s(self.rows_of(self.waiting)) + beyond_s
        for entry in worker.busy_entries():
            if entry is not self:
                calls = entry.waiting + worker.come(entry, now_s) - (entry is started)
                if calls > 0:
                    more_s += entry.grown_s(entry.rows_of(calls))
                    more_s -= entry.plan_s(entry.rows_of(entry.waiting))
        if worker.lanes == 1:
            return backlog_s + more_s
        residual_s = worker.residual_s - age_s
        own_s = self.batch_s(max(ahead % self.target_rows + rows, self.batch_rows), size)
        least_s = (residual_s if residual_s > 0 else 0.0) + own_s
        shared_s = backlog_s + more_s / worker.lanes
        return max(least_s, shared_s)

    def _joins_in_s(
        self, backlog_s: float, age_s: float, ahead: int, now_s: float, rows: int, size: float
    ) -> float:
        """As `finish_in_s` of a call that joins the batch that waits there, or, when that may have
        begun since the worker reported, makes the next one with what has come.
        """
        if age_s <= self.starts_s - JOIN_S - JOIN_SHARE * self.starts_s:
            return self.starts_s - age_s + self.batch_s(max(ahead + rows, self.batch_rows), size)
        come = self.rows_of(self.worker.come(self, now_s))
        return backlog_s + self.batch_s(max(come + rows, self.batch_rows), size)


class ModelView:
    """What a request may name, "model" or "model/version", and who can serve it.

    Attributes:
        key: "model" or "model/version".
        entries: Every worker that has it ready, in the order of worker ids.
        open: Those that may get calls now.
        by_worker: The same by worker id.
        held: Calls that wait for a worker's credit.
        reporters: Workers that have it, ready or not.
        theta: The model's calibration.
        best_s: Least seconds that a call can take anywhere.
        lanes: Lanes of the open workers, at least 1.
        default_timeout_s: Deadline of calls without one; 0 for none.
        latency: 95th percentile of seconds from sending to the answer.
        arrivals: Calls since the last layout of `homes`.
        demand_per_s: Calls a second, smoothed.
        homes: Entries of the workers that it is at home on.
    """

    __slots__ = (
        "arrivals",
        "best_s",
        "by_worker",
        "default_timeout_s",
        "demand_per_s",
        "entries",
        "held",
        "homes",
        "key",
        "lanes",
        "latency",
        "open",
        "reporters",
        "theta",
    )

    def __init__(self, key: str, theta: "Theta", held: "HoldQueue[CallRecord]") -> None:
        self.key = key
        self.theta = theta
        self.entries: list[ModelEntry] = []
        self.open: list[ModelEntry] = []
        self.by_worker: dict[str, ModelEntry] = {}
        self.reporters: set[str] = set()
        self.held = held
        self.best_s = 0.0
        self.lanes = 1
        self.default_timeout_s = 0.0
        self.latency = QuantileTracker(0.0, 0.95)
        self.arrivals = 0
        self.demand_per_s = 0.0
        self.homes: list[ModelEntry] = []

    def idle(self) -> "ModelEntry | None":
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
