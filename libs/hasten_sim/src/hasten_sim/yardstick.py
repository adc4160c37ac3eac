"""What one lane could answer in time if its worker knew exactly how long runs take.

Admission by one next batch: a call comes in if the batch that would be formed next, once it is
full, still ends in time for it, or if it can join one that waits without harm to anybody. A rule
that lets in whatever fits answers less, even with exact knowledge: calls are let in until nothing
is left of the time of the first, and batches shrink to what that allows.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain

from hasten_sim.scenario import Arrival, ModelShape, Scenario


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of the requests that came after the warm-up.

    Attributes:
        offered: How many there were.
        in_time: How many of them were answered in time; the others were refused on arrival.
        measured_s: Seconds over which they came.
        batch_rows_mean: Mean rows of a batch, the warm-up included.
    """

    offered: int
    in_time: int
    measured_s: float
    batch_rows_mean: float

    @property
    def goodput_per_s(self) -> float:
        """Answers in time a second."""
        return self.in_time / self.measured_s if self.measured_s else 0.0


def best_rows(model: ModelShape, length: int, slack_s: float, lag_s: float) -> int:
    """The most rows of which two batches, one after the other, end within the slack: a call that
    comes when one has just begun runs with the next.
    """
    rows = 1
    while (
        rows < model.batch_max
        and 2.0 * model.times.seconds(rows + 1, length) + 2.0 * lag_s <= slack_s
    ):
        rows += 1
    return rows


def capacity_within(scenario: Scenario, slack_s: float) -> float:
    """Rows a second that one lane answers within a slack, in the best batches that it allows."""
    lag_s = scenario.mesh.lag_s
    left_s = slack_s - 2.0 * scenario.mesh.network.latency_s
    total = sum(model.share for model in scenario.models)
    busy_s = 0.0
    for model in scenario.models:
        shares = sum(share for _, share in model.lengths.choices)
        for length, share in model.lengths.choices:
            rows = best_rows(model, length, left_s, lag_s)
            each_s = (model.times.seconds(rows, length) + lag_s) / rows
            busy_s += model.share / total * share / shares * each_s
    return 1.0 / busy_s


def one_next_batch(scenario: Scenario, seed: int) -> Kept:
    """Offers the arrivals of a scenario to one lane with exact knowledge.

    Runs take what their models say, without noise, faults or other work of the machine.

    Raises:
        ValueError: The mesh has more than one lane.
    """
    mesh = scenario.mesh
    if mesh.workers * mesh.lanes != 1:
        raise ValueError("the yardstick is of one worker with one lane")
    lane = _Lane(scenario)
    offered = in_time = 0
    for arrival in scenario.arrivals(seed):
        kept = lane.take(arrival)
        if arrival.at_s >= scenario.warmup_s:
            offered += 1
            in_time += kept
    return Kept(offered, in_time, scenario.duration_s - scenario.warmup_s, lane.batch_rows_mean)


@dataclass(slots=True)
class _Batch:
    """Rows that will run together; those who brought them need them by `due_s`."""

    model: int
    length: int
    due_s: float
    rows: int


class _Lane:
    """Promises that are all kept, so that a call that comes in counts as answered in time."""

    def __init__(self, scenario: Scenario) -> None:
        mesh = scenario.mesh
        self._models = scenario.models
        self._way_s = mesh.network.latency_s + mesh.network.jitter_s
        self._lag_s = mesh.lag_s
        self._speed = mesh.speeds[0]
        self._free_s = 0.0
        self._waiting: list[_Batch] = []
        self._batches = self._rows = 0

    @property
    def batch_rows_mean(self) -> float:
        """Mean rows of those that have begun."""
        return self._rows / self._batches if self._batches else 0.0

    def take(self, arrival: Arrival) -> bool:
        """Whether a call comes in."""
        now_s = arrival.at_s + self._way_s
        due_s = arrival.at_s + arrival.slack_s - self._way_s - self._lag_s
        self._run_until(now_s)
        own = _Batch(arrival.model, arrival.length, due_s, arrival.rows)
        return self._joins(own, now_s) or self._opens(own, now_s)

    def _run_until(self, now_s: float) -> None:
        while self._waiting and self._free_s <= now_s:
            batch = self._waiting.pop(0)
            self._free_s += self._run_s(batch) + self._lag_s
            self._batches += 1
            self._rows += batch.rows

    def _joins(self, own: _Batch, now_s: float) -> bool:
        for batch in self._waiting:
            alike = (batch.model, batch.length) == (own.model, own.length)
            if alike and batch.rows + own.rows <= self._models[own.model].batch_max:
                before = batch.rows, batch.due_s
                batch.rows += own.rows
                batch.due_s = min(batch.due_s, own.due_s)
                if self._kept(self._waiting, now_s):
                    return True
                batch.rows, batch.due_s = before
        return False

    def _opens(self, own: _Batch, now_s: float) -> bool:
        full = own
        if self._waiting or self._free_s > now_s:
            left_s = own.due_s + self._lag_s - now_s
            rows = best_rows(self._models[own.model], own.length, left_s, self._lag_s)
            full = _Batch(own.model, own.length, own.due_s, max(own.rows, rows))
        sooner = [batch for batch in self._waiting if batch.due_s <= own.due_s]
        later = self._waiting[len(sooner) :]
        if not self._kept(chain(sooner, [full], later), now_s):
            return False
        self._free_s = max(self._free_s, now_s)
        self._waiting = [*sooner, own, *later]
        self._run_until(now_s)
        return True

    def _kept(self, batches: Iterable[_Batch], now_s: float) -> bool:
        """Whether all end in time, one after the other."""
        begins_s = max(self._free_s, now_s)
        for batch in batches:
            ends_s = begins_s + self._run_s(batch)
            if ends_s > batch.due_s:
                return False
            begins_s = ends_s + self._lag_s
        return True

    def _run_s(self, batch: _Batch) -> float:
        return self._models[batch.model].times.seconds(batch.rows, batch.length) / self._speed
