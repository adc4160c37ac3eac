"""The router's memory of workers."""

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hasten_policy.fleet.models import ModelEntry, ModelView
    from hasten_policy.load import LoadSample, WorkerReport
    from hasten_policy.router.calls import CallRecord

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
        doubted: Those of them that are on trial: see `router.suspects`.
        queue: depth plus own sends since, the balancer's v + a.
        inverse_share: 1 / (weight * slow start), the balancer's divisor.
        answered: Calls it answered for us.
        failed: Calls that failed there.
        homes: Entries, with their views, that are at home there; see `homes`.
        home_lanes: Their lanes in all.
        places: Entries by their place in the report's models; None for one that is not ready.
        told: Entries that waited there when it reported.
        unseen: Entries and typical seconds of calls we have sent and it had not received when it
            reported, in order.
        unseen_s: Those seconds in all.
        unseen_of: Their number by entry.
        others_per_s: Calls a second that it gets from other routers, smoothed.
    """

    __slots__ = (
        "answered",
        "backlog_s",
        "calls",
        "depth",
        "doubted",
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
        "unseen_s",
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
        self.doubted = 0
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
        self.unseen: deque[tuple[ModelEntry, float]] = deque()
        self.unseen_s = 0.0
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
            entry, seconds = pending.popleft()
            self.unseen_s = self.unseen_s - seconds if pending else 0.0
            if counts[entry] > 1:
                counts[entry] -= 1
            else:
                del counts[entry]
        for entry in self.told:
            entry.waiting = 0
        self.told = []
        starts_s = load.starts_s
        for at, (place, count) in enumerate(load.waiting_of):
            there = self.places[place] if place < len(self.places) else None
            if there is not None:
                there.waiting = count
                there.starts_s = starts_s[at] if at < len(starts_s) else -1.0
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

    def sends(self, entry: "ModelEntry", alone_s: float) -> None:
        """A call of this entry goes there; alone it would take so long."""
        self.sent += 1
        self.queue += 1
        self.unseen.append((entry, alone_s))
        self.unseen_s += alone_s
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
        self.unseen_s = 0.0
        self.unseen_of.clear()
        self.queue = 0
        self.backlog_s = 0.0
        self.residual_s = 0.0
        self.waiting = 0
        self.failures_in_a_row = 0
        self.slow_windows = 0

    @property
    def process(self) -> str:
        """Its process, by a name that no other one has."""
        return f"{self.worker_id}/{self.report.incarnation if self.report is not None else ''}"

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
