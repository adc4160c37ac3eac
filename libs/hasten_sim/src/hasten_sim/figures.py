"""What one run showed. Plain numbers: they go to JSON and through process pools as they are."""

from dataclasses import asdict, dataclass
from typing import Any

from hasten_sim.scaling_figures import ScalingFigures
from hasten_sim.task_figures import TaskFigures


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one run, over requests that arrived after the warm-up.

    Every offered request ends in exactly one of: in_time, late, refused (by reason), abandoned.

    Attributes:
        scenario: Its name.
        policy: Name of the set of policies.
        load: Offered load as a multiple of the capacity; 0 where that says nothing.
        seed: Of the run.
        measured_s: Seconds over which arrivals were counted.
        offered: Requests.
        in_time: Answered by their deadline (or without a deadline).
        late: Answered after it.
        refused: Refused at the door or in a queue, by reason (`Reason.label`). A refusal in a
            queue after admission is counted here too, and in missed.
        abandoned: The caller left at its deadline without having heard anything.
        admitted: Offered less those that the router refused on arrival.
        missed: Admitted, and not in_time.
        executed_late: Requests whose run began after their deadline.
        busy_s: Lane seconds spent on runs.
        wasted_s: Lane seconds of those spent on requests that did not end in time.
        lane_s: Lane seconds there were.
        latency_ms: Of answers in time, by quantile name: p50, p90, p99, p99.9, p99.99, mean.
        refusal_ms: The same of refusals, arrival to refusal.
        batch_rows_mean: Mean rows of a batch.
        fairness: Jain's index of the tenants' attainment; 1 with one tenant.
        attainment_by_model: In time / offered, by model, of at most 64 models.
        attainment_by_tenant: The same by tenant.
        attainment_by_priority: The same by priority class, "0" to "3".
        goodput_by_s: Answers in time in each second of arrival, from the start of the run
            (warm-up included), at most 3600 seconds.
        offered_by_s: Arrivals, likewise.
        share_by_worker: Share of the busy seconds, by worker index, of at most 64 workers.
        events: Events that the machines handled.
        refused_idle: Refusals for want of time while the routers knew of no other request.
        refused_late: Refusals, for whatever reason, that came when the deadline had passed.
        tasks: Of the tasks beside the requests, by flow; they count in none of the other figures
            but events and batch_rows_mean.
        scaling: What its autoscaler did; None where the number of workers was fixed.
    """

    scenario: str
    policy: str
    load: float
    seed: int
    measured_s: float
    offered: int
    in_time: int
    late: int
    refused: dict[str, int]
    abandoned: int
    admitted: int
    missed: int
    executed_late: int
    busy_s: float
    wasted_s: float
    lane_s: float
    latency_ms: dict[str, float]
    refusal_ms: dict[str, float]
    batch_rows_mean: float
    fairness: float
    attainment_by_model: dict[str, float]
    attainment_by_tenant: dict[str, float]
    attainment_by_priority: dict[str, float]
    goodput_by_s: tuple[int, ...]
    offered_by_s: tuple[int, ...]
    share_by_worker: tuple[float, ...]
    events: int
    refused_idle: int = 0
    refused_late: int = 0
    tasks: tuple[TaskFigures, ...] = ()
    scaling: ScalingFigures | None = None

    @property
    def attainment(self) -> float:
        """Share of the offered requests that were answered in time; a refusal is a miss."""
        return self.in_time / self.offered if self.offered else 1.0

    @property
    def goodput_per_s(self) -> float:
        """Answers in time a second."""
        return self.in_time / self.measured_s if self.measured_s else 0.0

    @property
    def miss_given_admitted(self) -> float:
        """P(miss | admitted)."""
        return self.missed / self.admitted if self.admitted else 0.0

    @property
    def late_share(self) -> float:
        """Not in time, of what was not refused before its deadline."""
        late = self.late + self.abandoned + self.refused_late
        return late / (late + self.in_time) if late else 0.0

    @property
    def utilisation(self) -> float:
        """Busy share of the lanes."""
        return self.busy_s / self.lane_s if self.lane_s else 0.0

    @property
    def wasted_share(self) -> float:
        """Share of the busy seconds that helped nobody."""
        return self.wasted_s / self.busy_s if self.busy_s else 0.0

    def as_json(self) -> dict[str, Any]:
        """All fields and the derived figures, ready for json.dumps."""
        return {
            **asdict(self),
            "attainment": self.attainment,
            "goodput_per_s": self.goodput_per_s,
            "miss_given_admitted": self.miss_given_admitted,
            "late_share": self.late_share,
            "utilisation": self.utilisation,
            "wasted_share": self.wasted_share,
        }
