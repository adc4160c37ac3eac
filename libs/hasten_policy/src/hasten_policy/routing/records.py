"""The router's memory of workers, of models on workers, and of models."""

from collections import deque
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


OTHERS_S = 0.5
"""Time constant of `WorkerRecord.others_per_s`."""


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
        homes: Entries, with their views, that are at home there; see `homes`.
        home_lanes: Their lanes in all.
        places: Entries by their place in the report's models; None for one that is not ready.
        told: Entries that waited there when it reported.
        unseen: Entries of calls we have sent and it had not received when it reported, in order.
        unseen_of: Their number by entry.
        others_per_s: Calls a second that it gets from other routers, smoothed.
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
        "home_lanes",
        "homes",
        "inverse_share",
        "lanes",
        "load_at_s",
        "others",
        "others_at_s",
        "others_per_s",
        "places",
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
        "told",
        "unseen",
        "unseen_of",
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
        self.homes: list[tuple[ModelEntry, ModelView]] = []
        self.home_lanes = 0.0
        self.places: list[ModelEntry | None] = []
        self.told: list[ModelEntry] = []
        self.unseen: deque[ModelEntry] = deque()
        self.unseen_of: dict[ModelEntry, int] = {}
        self.others = 0
        self.others_at_s = now_s
        self.others_per_s = 0.0

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
        unseen = max(0, self.sent - load.received)
        pending = self.unseen
        counts = self.unseen_of
        while len(pending) > unseen:
            entry = pending.popleft()
            if counts[entry] > 1:
                counts[entry] -= 1
            else:
                del counts[entry]
        for entry in self.told:
            entry.waiting = 0
        self.told = []
        for place, count in load.waiting_of:
            there = self.places[place] if place < len(self.places) else None
            if there is not None:
                there.waiting = count
                self.told.append(there)
        self.queue = load.depth + unseen
        others = load.arrived - load.received
        passed_s = now_s - self.others_at_s
        if others < self.others:
            self.others_per_s = 0.0
        elif passed_s > 0.0:
            weight = passed_s / (passed_s + OTHERS_S)
            self.others_per_s += weight * ((others - self.others) / passed_s - self.others_per_s)
        self.others = others
        self.others_at_s = now_s

    def sends(self, entry: "ModelEntry") -> None:
        """A call of this entry goes there."""
        self.sent += 1
        self.queue += 1
        self.unseen.append(entry)
        self.unseen_of[entry] = self.unseen_of.get(entry, 0) + 1

    def come(self, entry: "ModelEntry", now_s: float) -> int:
        """Calls of the entry that have come since the worker reported: those that we sent, and
        what the other routers send in that time, presumably of the models at home there.
        """
        sent = self.unseen_of.get(entry, 0)
        if self.others_per_s and entry.home:
            age_s = now_s - self.load_at_s
            sent += int(self.others_per_s * age_s * entry.home / self.home_lanes + 0.5)
        return sent

    def busy_entries(self) -> "list[ModelEntry]":
        """Entries of which calls wait there, or may."""
        if len(self.entries) == 1:
            return self.entries
        found = dict.fromkeys(self.told)
        found.update(dict.fromkeys(self.unseen_of))
        if self.others_per_s:
            found.update(dict.fromkeys(entry for entry, _ in self.homes))
        return list(found)

    def forget_incarnation(self) -> None:
        """The worker's process is a new one: its counters begin again."""
        self.seq = -1
        self.sent = 0
        self.received = 0
        self.unseen.clear()
        self.unseen_of.clear()
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
        batch_rows: Rows of its batches of late, at least one.
        cost_s: Busy seconds per call, measured; the balancer's cost.
        home: Lanes of the worker that are the model's home; see `homes`.
        in_flight: Our unanswered calls of it there.
        waiting: Calls of it that wait there, from all routers, as reported.
        window_calls: Answers in the present observation window.
    """

    __slots__ = (
        "alpha_s",
        "batch_max",
        "batch_rows",
        "best_s",
        "beta_s",
        "cost_s",
        "full_cost_s",
        "home",
        "in_flight",
        "measured",
        "name",
        "version",
        "waiting",
        "window_calls",
        "worker",
    )

    def __init__(self, worker: WorkerRecord, load: "ModelLoad") -> None:
        self.worker = worker
        self.name = load.name
        self.version = load.version
        self.home = 0.0
        self.in_flight = 0
        self.waiting = 0
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
        self.batch_rows = max(1, int(load.batch_rows))
        self.full_cost_s = self.alpha_s / self.batch_max + self.beta_s
        if not self.measured:
            self.cost_s = load.service_s if load.service_s > 0 else self.full_cost_s

    def batch_s(self, rows: int) -> float:
        """Predicted seconds of a batch of `rows`, at most batch_max of them."""
        return self.alpha_s + self.beta_s * (min(self.batch_max, rows))

    def plan_s(self, calls: int) -> float:
        """Predicted seconds of `calls` calls on one lane, in batches as full as can be."""
        full, rest = divmod(calls, self.batch_max)
        plan_s = full * (self.alpha_s + self.beta_s * self.batch_max)
        return plan_s + (self.alpha_s + self.beta_s * rest if rest else 0.0)

    def grown_s(self, calls: int) -> float:
        """As `plan_s` of `calls` waiting ones by the time they run: others join the last batch
        until it is as large as batches have been of late.
        """
        full, rest = divmod(calls, self.batch_max)
        plan_s = full * (self.alpha_s + self.beta_s * self.batch_max)
        if rest:
            plan_s += self.alpha_s + self.beta_s * max(rest, self.batch_rows)
        return plan_s

    def finish_in_s(self, now_s: float) -> float:
        """Predicted seconds until a call sent now would be done.

        The worker says how long its own plan takes (backlog_s, which runs down with time) and
        what waits there of each model. What we and others have sent since, and the call itself,
        join the batches of their models, which grow until they run.
        """
        worker = self.worker
        backlog_s = worker.backlog_s - (now_s - worker.load_at_s)
        if backlog_s <= 0.0 and not worker.unseen:
            return self.alpha_s + self.beta_s
        started: ModelEntry | None = None
        if backlog_s <= 0.0:
            # It was idle or has become so: the first unseen call has begun alone.
            started = worker.unseen[0]
            backlog_s = started.alpha_s + started.beta_s
        ahead = self.waiting + worker.come(self, now_s)
        if started is self:
            ahead -= 1
        more_s = self.grown_s(ahead + 1) - self.plan_s(self.waiting)
        for entry in worker.busy_entries():
            if entry is not self:
                calls = entry.waiting + worker.come(entry, now_s) - (entry is started)
                if calls > 0:
                    more_s += entry.grown_s(calls) - entry.plan_s(entry.waiting)
        if worker.lanes == 1:
            return backlog_s + more_s
        residual_s = worker.residual_s - (now_s - worker.load_at_s)
        own_s = self.batch_s(max(ahead % self.batch_max + 1, self.batch_rows))
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
