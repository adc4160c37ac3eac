"""Workers as one of their users sees them, for operators."""

from collections.abc import Iterable
from dataclasses import dataclass

from hasten_policy.fleet.workers import WorkerRecord
from hasten_policy.load import WorkerReport


@dataclass(frozen=True, slots=True)
class WorkerView:
    """One worker.

    Attributes:
        worker_id: Its name.
        report: Its newest full report; None before the first.
        standing: See StandingChanged.
        in_flight: Our unanswered calls there.
        report_age_s: Seconds since it was last heard.
        service_s: Mean busy seconds per call over its models, as the balancer uses it.
        answered: Calls it answered for us.
        failed: Calls that failed there.
    """

    worker_id: str
    report: WorkerReport | None
    standing: str
    in_flight: int
    report_age_s: float
    service_s: float
    answered: int
    failed: int


def views_of(workers: Iterable[WorkerRecord], now_s: float) -> list[WorkerView]:
    """These workers, by name."""
    return [
        WorkerView(
            worker_id=worker.worker_id,
            report=worker.report,
            standing=worker.standing,
            in_flight=len(worker.calls),
            report_age_s=now_s - worker.heard_s,
            service_s=_mean_cost_s(worker),
            answered=worker.answered,
            failed=worker.failed,
        )
        for worker in sorted(workers, key=lambda worker: worker.worker_id)
    ]


def _mean_cost_s(worker: WorkerRecord) -> float:
    if not worker.entries:
        return 0.0
    return sum(entry.cost_s for entry in worker.entries) / len(worker.entries)
