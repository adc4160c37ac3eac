"""Counts what becomes of the requests, in bounded memory."""

from collections import Counter
from typing import TYPE_CHECKING, Final

from hasten_policy.priorities import CLASSES
from hasten_policy.reasons import Reason
from hasten_sim.figures import Figures
from hasten_sim.histogram import Histogram

if TYPE_CHECKING:
    from collections.abc import Iterable

    from hasten_sim.ask import Ask
    from hasten_sim.scenario import Scenario
    from hasten_sim.task_figures import TaskFigures

SECONDS_MAX: Final = 3600
NAMED_MAX: Final = 64
TOO_LATE: Final = frozenset(
    reason.label
    for reason in (Reason.OVERLOADED, Reason.DEADLINE_INFEASIBLE, Reason.SHED_BEFORE_START)
)
"""Refusals for want of time."""


class _Shares:
    """Offered and in time, by a small number of names."""

    __slots__ = ("good", "offered")

    def __init__(self, count: int) -> None:
        self.offered = [0] * count
        self.good = [0] * count

    def attainment(self, names: "Iterable[str]") -> dict[str, float]:
        """In time / offered of those that were offered anything."""
        return {
            name: good / offered
            for name, good, offered in zip(names, self.good, self.offered, strict=False)
            if offered
        }


class Tally:
    """What became of each request; see `Figures` for the meanings.

    Attributes:
        taken: Requests that routers have heard of and that have not ended.
    """

    def __init__(self, scenario: "Scenario") -> None:
        self.taken = 0
        self._scenario = scenario
        self._models = _Shares(min(NAMED_MAX, len(scenario.models)))
        self._tenants = _Shares(len(scenario.tenants))
        self._classes = _Shares(CLASSES)
        seconds = min(SECONDS_MAX, int(scenario.duration_s) + 1)
        self._offered_by_s = [0] * seconds
        self._good_by_s = [0] * seconds
        self._busy_by_worker = [0.0] * scenario.mesh.workers
        self._latency = Histogram()
        self._refusal = Histogram()
        self._refused: Counter[str] = Counter()
        self._offered = self._in_time = self._late = self._abandoned = 0
        self._turned_away = self._executed_late = 0
        self._refused_idle = self._refused_late = 0
        self._busy_s = self._useful_s = 0.0
        self._batches = self._rows = 0

    # --- on the way -------------------------------------------------------------------

    def arrived(self, ask: "Ask") -> None:
        """A request was offered."""
        second = int(ask.at_s)
        if second < len(self._offered_by_s):
            self._offered_by_s[second] += 1
        if ask.measured:
            self._offered += 1
            self._classes.offered[ask.priority] += 1
            self._tenants.offered[ask.tenant] += 1
            if ask.model < NAMED_MAX:
                self._models.offered[ask.model] += 1

    def answered(self, ask: "Ask", now_s: float, service_s: float) -> None:
        """The caller has its answer, of which lanes had `service_s`."""
        in_time = now_s <= ask.deadline_s
        second = int(ask.at_s)
        if in_time and second < len(self._good_by_s):
            self._good_by_s[second] += 1
        if not ask.measured:
            return
        if not in_time:
            self._late += 1
            return
        self._in_time += 1
        self._useful_s += service_s
        self._latency.add(now_s - ask.at_s)
        self._classes.good[ask.priority] += 1
        self._tenants.good[ask.tenant] += 1
        if ask.model < NAMED_MAX:
            self._models.good[ask.model] += 1

    def refused(
        self, ask: "Ask", now_s: float, label: str, *, at_the_door: bool, idle: bool = False
    ) -> None:
        """The caller heard a refusal.

        Args:
            ask: Whose.
            now_s: When.
            label: Of the reason.
            at_the_door: It never came in.
            idle: The mesh had nothing else to do.
        """
        if ask.measured:
            self._refused[label] += 1
            self._refusal.add(now_s - ask.at_s)
            self._turned_away += at_the_door
            self._refused_idle += idle and label in TOO_LATE
            self._refused_late += now_s >= ask.deadline_s

    def left(self, ask: "Ask") -> None:
        """The caller left at its deadline without having heard anything."""
        self._abandoned += ask.measured

    # --- on the lanes -----------------------------------------------------------------

    def began(self, asks: "Iterable[Ask]", now_s: float) -> None:
        """A batch of these began."""
        self._batches += 1
        for ask in asks:
            self._rows += ask.rows
            if now_s > ask.deadline_s and ask.measured:
                self._executed_late += 1

    def ran(self, asks: "Iterable[Ask]", worker: int, took_s: float) -> None:
        """A batch of these took a lane for `took_s`."""
        rows = measured = 0
        for ask in asks:
            rows += ask.rows
            measured += ask.rows if ask.measured else 0
        busy_s = took_s * measured / rows if rows else 0.0
        self._busy_s += busy_s
        self._busy_by_worker[worker] += busy_s

    # --- at the end -------------------------------------------------------------------

    def figures(
        self,
        *,
        policy: str,
        load: float,
        seed: int,
        events: int,
        tasks: "tuple[TaskFigures, ...]" = (),
    ) -> Figures:
        """The figures of the run."""
        scenario = self._scenario
        mesh = scenario.mesh
        measured_s = scenario.duration_s - scenario.warmup_s
        tenants = self._tenants.attainment(scenario.tenants)
        admitted = self._offered - self._turned_away
        busy_s = sum(self._busy_by_worker)
        return Figures(
            scenario=scenario.name,
            policy=policy,
            load=load,
            seed=seed,
            measured_s=measured_s,
            offered=self._offered,
            in_time=self._in_time,
            late=self._late,
            refused=dict(sorted(self._refused.items())),
            abandoned=self._abandoned,
            admitted=admitted,
            missed=admitted - self._in_time,
            executed_late=self._executed_late,
            busy_s=self._busy_s,
            wasted_s=max(0.0, self._busy_s - self._useful_s),
            lane_s=mesh.workers * mesh.lanes * measured_s,
            latency_ms=self._latency.summary(),
            refusal_ms=self._refusal.summary(),
            batch_rows_mean=self._rows / self._batches if self._batches else 0.0,
            fairness=jain(list(tenants.values())),
            attainment_by_model=self._models.attainment(m.name for m in scenario.models),
            attainment_by_tenant=tenants,
            attainment_by_priority=self._classes.attainment(str(each) for each in range(CLASSES)),
            goodput_by_s=tuple(self._good_by_s),
            offered_by_s=tuple(self._offered_by_s),
            share_by_worker=tuple(
                worker_s / busy_s if busy_s else 0.0
                for worker_s in self._busy_by_worker[:NAMED_MAX]
            ),
            events=events,
            refused_idle=self._refused_idle,
            refused_late=self._refused_late,
            tasks=tasks,
        )


def jain(values: list[float]) -> float:
    """Jain's fairness index, (sum x)^2 / (n sum x^2).

    1 when all fare alike, 1/n when one of n has all.
    """
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else 1.0
