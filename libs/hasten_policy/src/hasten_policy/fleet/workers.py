"""The workers of a fleet and the models on them, as one of their users knows them."""

from collections import deque
from dataclasses import InitVar, dataclass, field
from math import inf
from typing import Final

from hasten_policy.fleet.times import ModelTimes
from hasten_policy.load import LoadSample, ModelLoad, WorkerReport
from hasten_policy.prediction.evidence import Evidence

EVIDENCE_S: Final = 1.0
"""For so long a round trip is evidence of what cannot be done in time."""
OTHERS_S: Final = 0.5
"""Time constant of `WorkerRecord.others_per_s`."""
JOIN_S: Final = 0.001
"""A call that comes so shortly before a batch is expected to begin is not counted on to join it: it
has a way to go, ..."""
JOIN_SHARE: Final = 0.1
"""... and the beginning is known to a share of the time until then. Were such calls let in, theta
would fall and let in no others, as of all calls these are predicted to be done the soonest.
"""


@dataclass(slots=True, eq=False, repr=False)
class ModelEntry(ModelTimes):
    """One ready model version on one worker.

    Attributes:
        worker: Where.
        load: Its first figures.
        name: Model name.
        version: Its version.
        cost_s: Busy seconds per call, measured; the balancer's cost.
        measured: cost_s comes from answers, not from the worker's own figures.
        home: Lanes of the worker that are the model's home; see `homes`.
        in_flight: Our unanswered calls of it there.
        starts_s: Seconds until the next batch of these begins, as reported; negative if unknown.
        waiting: Calls of it that wait there, from all routers, as reported.
        window_calls: Answers in the present observation window.
        evidence: Round trips of calls that met an idle worker.
    """

    worker: "WorkerRecord"
    load: InitVar[ModelLoad]
    name: str = field(init=False)
    version: str = field(init=False)
    cost_s: float = field(init=False, default=0.0)
    measured: bool = field(init=False, default=False)
    home: float = field(init=False, default=0.0)
    in_flight: int = field(init=False, default=0)
    starts_s: float = field(init=False, default=-1.0)
    waiting: int = field(init=False, default=0)
    window_calls: int = field(init=False, default=0)
    evidence: Evidence = field(init=False, default_factory=lambda: Evidence(EVIDENCE_S))

    def __post_init__(self, load: ModelLoad) -> None:
        """Takes the first figures over."""
        self.name = load.name
        self.version = load.version
        self.refresh(load)

    def refresh(self, load: ModelLoad) -> bool:
        """Takes the worker's newest figures over; the router's own measurement stays.

        Returns:
            As `ModelTimes.take`.
        """
        changed = self.take(load)
        if not self.measured:
            self.cost_s = load.service_s if load.service_s > 0 else self.full_cost_s
        return changed

    def finish_of_s(self, now_s: float, rows: int, elements: int) -> float:
        """As `finish_in_s` of a call of `rows` and `elements`."""
        if self.batch_max > 1:
            return self.finish_in_s(now_s, rows, elements / rows)
        return self.finish_in_s(now_s, 1, elements)

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
            if entry is not self and not worker.only_guests(entry):
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


@dataclass(slots=True, eq=False, repr=False)
class WorkerRecord:
    """One worker as this router knows it.

    Attributes:
        worker_id: Its name.
        weight: Operator's weight.
        now_s: When it joined.
        rank: Its place in the order in which this router draws subsets.
        overlooks_guests: What waits there in the lowest class without a deadline is in no way.
        report: Its newest full report; None before the first.
        load: Its newest load sample; None before the first.
        seq: Of that.
        load_at_s: When that came.
        heard_s: When anything came last.
        backlog_s: As reported at load_at_s, less guests that are overlooked.
        residual_s: As reported at load_at_s.
        waiting: Calls waiting there, as reported.
        depth: Calls there, as reported.
        received: Calls it had received over our link when it reported.
        window: Calls it grants us.
        lanes: Batches it runs at once.
        sent: Calls sent over our link, by this incarnation of it.
        calls: Our unanswered calls there: call id to its model's entry, in the order sent.
        queue: depth plus own sends since, the balancer's v + a.
        inverse_share: 1 / (weight * slow start), the balancer's divisor.
        answered: Calls it answered for us.
        failed: Calls that failed there.
        homes: Entries that are at home there, with the keys of their views; see `homes`.
        home_lanes: Their lanes in all.
        places: Entries by their place in the report's models; None for one that is not ready.
        told: Entries that waited there when it reported.
        unseen: Entries and typical seconds of calls we have sent and it had not received when it
            reported, in order.
        unseen_s: Those seconds in all.
        unseen_of: Their number by entry.
        entries: Its ready models.
        ready_since_s: When its slow start began; negative before its first report.
        failures_in_a_row: Infrastructure failures since its last answer.
        unanswered_s: When a deadline last passed there without a word; see `changes.unanswered`.
        window_ok: Answers in the present observation window.
        window_failed: Failures in it.
        slow_windows: Windows in a row in which it was far slower than the others.
        ejections: How often it was ejected, less the good windows since.
        ejected_until_s: End of its ejection; 0 when it is not ejected.
        suspect: It has been silent for too long.
        quiesced: It was asked to take no new calls, or has left.
        ramping: Its slow start has not ended.
        others: Calls that it had received from other routers when it reported.
        others_at_s: When that was.
        others_per_s: Calls a second that it gets from other routers, smoothed.
    """

    worker_id: str
    weight: float
    now_s: InitVar[float]
    rank: int = 0
    overlooks_guests: bool = False
    report: WorkerReport | None = field(init=False, default=None)
    entries: list[ModelEntry] = field(init=False, default_factory=list[ModelEntry])
    calls: dict[int, ModelEntry] = field(init=False, default_factory=dict[int, ModelEntry])
    heard_s: float = field(init=False)
    load_at_s: float = field(init=False)
    ready_since_s: float = field(init=False, default=-1.0)
    load: LoadSample | None = field(init=False, default=None)
    seq: int = field(init=False, default=-1)
    backlog_s: float = field(init=False, default=0.0)
    residual_s: float = field(init=False, default=0.0)
    waiting: int = field(init=False, default=0)
    depth: int = field(init=False, default=0)
    received: int = field(init=False, default=0)
    window: int = field(init=False, default=0)
    lanes: int = field(init=False, default=1)
    sent: int = field(init=False, default=0)
    queue: int = field(init=False, default=0)
    inverse_share: float = field(init=False)
    answered: int = field(init=False, default=0)
    failed: int = field(init=False, default=0)
    failures_in_a_row: int = field(init=False, default=0)
    unanswered_s: float = field(init=False, default=-inf)
    window_ok: int = field(init=False, default=0)
    window_failed: int = field(init=False, default=0)
    slow_windows: int = field(init=False, default=0)
    ejections: int = field(init=False, default=0)
    ejected_until_s: float = field(init=False, default=0.0)
    suspect: bool = field(init=False, default=False)
    quiesced: bool = field(init=False, default=False)
    ramping: bool = field(init=False, default=False)
    homes: list[tuple[ModelEntry, str]] = field(
        init=False, default_factory=list[tuple[ModelEntry, str]]
    )
    home_lanes: float = field(init=False, default=0.0)
    places: list[ModelEntry | None] = field(init=False, default_factory=list[ModelEntry | None])
    told: list[ModelEntry] = field(init=False, default_factory=list[ModelEntry])
    unseen: deque[tuple[ModelEntry, float]] = field(
        init=False, default_factory=deque[tuple[ModelEntry, float]]
    )
    unseen_s: float = field(init=False, default=0.0)
    unseen_of: dict[ModelEntry, int] = field(init=False, default_factory=dict[ModelEntry, int])
    others: int = field(init=False, default=0)
    others_at_s: float = field(init=False)
    others_per_s: float = field(init=False, default=0.0)

    def __post_init__(self, now_s: float) -> None:
        """It begins now, with its full share."""
        self.heard_s = now_s
        self.load_at_s = now_s
        self.others_at_s = now_s
        self.inverse_share = 1.0 / self.weight

    def take_load(self, load: LoadSample, now_s: float) -> None:
        """Takes a load sample over unless a newer one is known."""
        self.heard_s = now_s
        if load.seq <= self.seq:
            return
        self.load = load
        self.seq = load.seq
        self.load_at_s = now_s
        self.backlog_s = load.backlog_s - load.backlog_guests_s * self.overlooks_guests
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
        if self.overlooks_guests:
            # Tasks are not in the way of what we send. Our own calls of their class are in both.
            others = max(0, others - load.arrived_batch)
        passed_s = now_s - self.others_at_s
        if others < self.others:
            self.others_per_s = 0.0
        elif passed_s > 0.0:
            weight = passed_s / (passed_s + OTHERS_S)
            self.others_per_s += weight * ((others - self.others) / passed_s - self.others_per_s)
        self.others = others
        self.others_at_s = now_s

    def sends(self, call_id: int, entry: ModelEntry, alone_s: float) -> None:
        """A call of this entry goes there; alone it would take so long."""
        self.calls[call_id] = entry
        entry.in_flight += 1
        self.sent += 1
        self.queue += 1
        self.unseen.append((entry, alone_s))
        self.unseen_s += alone_s
        self.unseen_of[entry] = self.unseen_of.get(entry, 0) + 1

    def ends(self, call_id: int) -> None:
        """A call that was sent there is no longer unanswered."""
        self.calls.pop(call_id).in_flight -= 1

    def unsends(self, call_id: int) -> None:
        """A call that was to go there, and was counted as sent, does not."""
        entry = self.calls[call_id]
        self.ends(call_id)
        self.sent -= 1
        for at in range(len(self.unseen) - 1, -1, -1):
            if self.unseen[at][0] is entry:
                self.queue -= 1
                self.unseen_s = max(0.0, self.unseen_s - self.unseen[at][1])
                del self.unseen[at]
                self.unseen_of[entry] -= 1
                if not self.unseen_of[entry]:
                    del self.unseen_of[entry]
                return

    def come(self, entry: ModelEntry, now_s: float) -> int:
        """Calls of the entry that have come since the worker reported: those that we sent, and
        what the other routers send in that time, presumably of the models at home there.
        """
        sent = self.unseen_of.get(entry, 0)
        if self.others_per_s and entry.home:
            age_s = now_s - self.load_at_s
            sent += int(self.others_per_s * age_s * entry.home / self.home_lanes + 0.5)
        return sent

    def only_guests(self, entry: ModelEntry) -> bool:
        """All calls of the entry that wait there may be guests, which are overlooked, and none of
        them is ours.
        """
        load = self.load
        if not self.overlooks_guests or load is None or entry.in_flight:
            return False
        return 0 < entry.waiting <= load.waiting_batch

    def busy_entries(self) -> list[ModelEntry]:
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
