"""The router's memory of workers, of models on workers, and of models."""

from math import ceil
from typing import TYPE_CHECKING

from hasten_policy.prediction.quantile_tracker import QuantileTracker
from hasten_policy.routing.subset import PARTITION, affinity_score

if TYPE_CHECKING:
    from hasten_policy.admission.calibration import Theta
    from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
    from hasten_policy.machines.router_policy import RouterPolicy
    from hasten_policy.ordering.hold_queue import HoldQueue
    from hasten_policy.routing.calls import CallRecord


class WorkerRecord:
    """One worker as this router knows it.

    Attributes:
        worker_id: Its name.
        weight: Operator's weight.
        rank: Its place in the order in which this router draws subsets.
        report: Its newest full report; None before the first.
        seq: Of the newest load sample.
        load_at_s: When that came.
        heard_s: When anything came last.
        backlog_s: As reported at load_at_s.
        residual_s: As reported at load_at_s.
        waiting: Calls waiting there, as reported.
        depth: Calls there, as reported.
        received: Calls it had received over our link when it reported.
        window: Calls it grants us.
        lanes: Batches it runs at once.
        sent: Calls sent over our link, by this incarnation of it.
        calls: Our unanswered calls there, by call id.
        queue: depth plus own sends since, the balancer's v + a.
        inverse_share: 1 / (weight * slow start), the balancer's divisor.
        answered: Calls it answered for us.
        failed: Calls that failed there.
    """

    __slots__ = (
        "answered",
        "backlog_s",
        "calls",
        "depth",
        "ejected_until_s",
        "ejections",
        "entries",
        "failed",
        "failures_in_a_row",
        "heard_s",
        "inverse_share",
        "lanes",
        "load_at_s",
        "queue",
        "quiesced",
        "ramping",
        "rank",
        "ready_since_s",
        "received",
        "report",
        "residual_s",
        "sent",
        "seq",
        "slow_windows",
        "suspect",
        "waiting",
        "weight",
        "window",
        "window_failed",
        "window_ok",
        "worker_id",
    )

    def __init__(self, worker_id: str, weight: float, now_s: float, rank: int = 0) -> None:
        self.worker_id = worker_id
        self.rank = rank
        self.weight = weight
        self.report: WorkerReport | None = None
        self.entries: list[ModelEntry] = []
        self.calls: dict[int, CallRecord] = {}
        self.heard_s = now_s
        self.load_at_s = now_s
        self.ready_since_s = -1.0
        self.seq = -1
        self.backlog_s = 0.0
        self.residual_s = 0.0
        self.waiting = 0
        self.depth = 0
        self.received = 0
        self.window = 0
        self.lanes = 1
        self.sent = 0
        self.queue = 0
        self.inverse_share = 1.0 / weight
        self.answered = 0
        self.failed = 0
        self.failures_in_a_row = 0
        self.window_ok = 0
        self.window_failed = 0
        self.slow_windows = 0
        self.ejections = 0
        self.ejected_until_s = 0.0
        self.suspect = False
        self.quiesced = False
        self.ramping = False

    def take_load(self, load: "LoadSample", now_s: float) -> None:
        """Takes a load sample over unless a newer one is known."""
        self.heard_s = now_s
        if load.seq <= self.seq:
            return
        self.seq = load.seq
        self.load_at_s = now_s
        self.backlog_s = load.backlog_s
        self.residual_s = load.residual_s
        self.waiting = load.waiting
        self.depth = load.depth
        self.received = load.received
        self.window = load.window
        unseen = self.sent - load.received
        self.queue = load.depth + (max(0, unseen))

    def forget_incarnation(self) -> None:
        """The worker's process is a new one: its counters begin again."""
        self.seq = -1
        self.sent = 0
        self.received = 0
        self.queue = 0
        self.backlog_s = 0.0
        self.residual_s = 0.0
        self.waiting = 0
        self.failures_in_a_row = 0
        self.slow_windows = 0

    @property
    def draining(self) -> bool:
        """It said, or an operator said, that it gets no new calls."""
        return self.quiesced or (self.report is not None and self.report.draining)

    @property
    def standing(self) -> str:
        """One word for operators; see StandingChanged."""
        if self.report is None:
            return "connecting"
        if self.draining:
            return "draining"
        if self.suspect:
            return "suspect"
        if self.ejected_until_s > 0:
            return "ejected"
        return "slow_start" if self.inverse_share * self.weight > 1.0 else "ready"

    @property
    def open(self) -> bool:
        """It may get new calls."""
        return (
            self.report is not None
            and not self.suspect
            and not self.draining
            and self.ejected_until_s == 0
        )


class PlainWorkerRecord(WorkerRecord):
    """A worker of a router without late binding: its credits say nothing, a hard bound holds."""

    __slots__ = ("_calls_max",)

    def __init__(
        self, worker_id: str, weight: float, now_s: float, rank: int, calls_max: int
    ) -> None:
        super().__init__(worker_id, weight, now_s, rank)
        self._calls_max = calls_max

    def take_load(self, load: "LoadSample", now_s: float) -> None:
        """As `WorkerRecord.take_load`."""
        super().take_load(load, now_s)
        self.window = self._calls_max


class ModelEntry:
    """One ready model version on one worker.

    Attributes:
        worker: Where.
        alpha_s: A batch of b rows takes alpha_s + beta_s * b seconds.
        beta_s: See alpha_s.
        best_s: Median of a batch of one.
        batch_max: Most rows in a batch.
        cost_s: Busy seconds per call, measured; the balancer's cost.
        in_flight: Our unanswered calls of it there.
        window_calls: Answers in the present observation window.
    """

    __slots__ = (
        "alpha_s",
        "batch_max",
        "best_s",
        "beta_s",
        "cost_s",
        "in_flight",
        "measured",
        "name",
        "version",
        "window_calls",
        "worker",
    )

    def __init__(self, worker: WorkerRecord, load: "ModelLoad") -> None:
        self.worker = worker
        self.name = load.name
        self.version = load.version
        self.in_flight = 0
        self.window_calls = 0
        self.measured = False
        self.cost_s = 0.0
        self.refresh(load)

    def refresh(self, load: "ModelLoad") -> None:
        """Takes the worker's newest profile over; the router's own measurement stays."""
        self.alpha_s = load.alpha_s
        self.beta_s = load.beta_s
        self.best_s = load.best_s
        self.batch_max = load.batch_max if load.batch_max > 0 else 1
        if not self.measured:
            full_s = self.alpha_s + self.beta_s * self.batch_max
            self.cost_s = load.service_s if load.service_s > 0 else full_s / self.batch_max

    def batch_s(self, rows: int) -> float:
        """Predicted seconds of a batch of `rows`, at most batch_max of them."""
        return self.alpha_s + self.beta_s * (min(self.batch_max, rows))

    def plan_s(self, calls: int) -> float:
        """Predicted seconds of `calls` calls on one lane, in batches as full as can be."""
        full, rest = divmod(calls, self.batch_max)
        plan_s = full * (self.alpha_s + self.beta_s * self.batch_max)
        return plan_s + (self.alpha_s + self.beta_s * rest if rest else 0.0)

    def finish_in_s(self, now_s: float) -> float:
        """Predicted seconds until a call sent now would be done.

        The worker says how long its own plan takes (backlog_s, which runs down with time);
        what we sent since, and the call itself, lengthen that plan: by a row's share if they
        join a batch that is waiting, by a batch if not.
        """
        worker = self.worker
        backlog_s = worker.backlog_s - (now_s - worker.load_at_s)
        unseen = worker.sent - worker.received
        unseen = max(unseen, 0)
        if backlog_s <= 0.0:
            # It was idle or has become so: the first unseen call has begun alone.
            backlog_s = self.alpha_s + self.beta_s if unseen else 0.0
            unseen = unseen - 1 if unseen else 0
            waiting = 0
        else:
            waiting = worker.waiting
            if len(worker.entries) > 1 and worker.calls:
                waiting = waiting * self.in_flight // len(worker.calls)
        own_s = self.batch_s((waiting + unseen) % self.batch_max + 1)
        more_s = self.plan_s(waiting + unseen + 1) - self.plan_s(waiting)
        if worker.lanes == 1:
            return backlog_s + more_s
        residual_s = worker.residual_s - (now_s - worker.load_at_s)
        least_s = (residual_s if residual_s > 0 else 0.0) + own_s
        shared_s = backlog_s + more_s / worker.lanes
        return max(least_s, shared_s)


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
    """

    __slots__ = (
        "best_s",
        "by_worker",
        "default_timeout_s",
        "entries",
        "held",
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

    def refresh_open(self, policy: "RouterPolicy") -> None:
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
