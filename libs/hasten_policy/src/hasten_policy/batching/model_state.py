"""What the batcher keeps of one model."""

from math import inf
from typing import TYPE_CHECKING, Final

from hasten_policy.prediction.predictor import ServicePredictor
from hasten_policy.prediction.sorted_ring import SortedRing

if TYPE_CHECKING:
    from hasten_policy.batching.policy import BatchingPolicy
    from hasten_policy.machines.worker_events import ModelSpec
    from hasten_policy.prediction.policy import PredictionPolicy

SLACK_REFRESH_CALLS: Final = 16
"""Admissions after which the target batch is computed again."""

BATCH_WEIGHT: Final = 0.2
"""Weight of one batch in the mean of rows per batch."""


class ModelState:
    """One model version: its predictor and its running totals.

    Attributes:
        spec: What was loaded.
        predictor: Learns from its runs.
        open_calls: Calls accepted and not ended.
        waiting: Calls waiting.
        running: Batches running.
        closing: Takes no new calls.
        charged_s: Lane seconds it has had, lifted on becoming busy to the least of the
            other busy ones, so that idleness earns no credit.
        service_s: Busy seconds per call, exponentially weighted; 0 before the first.
        rows_mean: Rows per call, exponentially weighted; 0 before the first.
        batch_rows: Rows per batch, exponentially weighted; 0 before the first.
        place: Among the models of the worker's report.
    """

    __slots__ = (
        "_full_s",
        "_full_version",
        "_policy",
        "_slack",
        "_slack_count",
        "_target_budget_s",
        "_target_rows",
        "_targets_version",
        "_window_rows",
        "batch_rows",
        "charged_s",
        "closing",
        "open_calls",
        "place",
        "predictor",
        "rows_mean",
        "running",
        "service_s",
        "slack_median_s",
        "spec",
        "waiting",
    )

    def __init__(
        self, spec: "ModelSpec", prediction: "PredictionPolicy", policy: "BatchingPolicy"
    ) -> None:
        self._policy = policy
        self._slack = SortedRing(policy.slack_window)
        self._slack_count = 0
        self.slack_median_s = inf
        self.open_calls = 0
        self.waiting = 0
        self.running = 0
        self.closing = False
        self.charged_s = 0.0
        self.service_s = 0.0
        self.rows_mean = 0.0
        self.batch_rows = 0.0
        self.place = 0
        self.open(spec, prediction)

    def open(self, spec: "ModelSpec", prediction: "PredictionPolicy") -> None:
        """Takes a specification, the first or one that replaces it; what waits stays."""
        self.spec = spec
        self.closing = False
        self.predictor = ServicePredictor(
            batch_max=spec.batch_max,
            batch_sizes=spec.batch_sizes,
            profile=spec.profile,
            policy=prediction,
        )
        self._full_s = 0.0
        self._full_version = -1
        self._target_rows = spec.batch_max
        self._target_budget_s = -1.0
        self._targets_version = -1
        self._window_rows = spec.batch_max

    def admitted(self, slack_s: float, rows: int) -> None:
        """Counts an accepted call; its slack may be math.inf."""
        self.rows_mean += (rows - self.rows_mean) * (0.05 if self.rows_mean else 1.0)
        if slack_s == inf:
            return
        self._slack.add(slack_s)
        self._slack_count += 1
        if self._slack_count < SLACK_REFRESH_CALLS or not self._slack_count % SLACK_REFRESH_CALLS:
            self.slack_median_s = self._slack.median()
            self._targets_version = -1

    def began(self, rows: int) -> None:
        """Counts a batch of `rows` rows."""
        weight = BATCH_WEIGHT if self.batch_rows else 1.0
        self.batch_rows += weight * (rows - self.batch_rows)

    def clear_s(self, rows: int) -> float:
        """Typical seconds of one lane for `rows` rows: full batches and the rest."""
        predictor = self.predictor
        full, rest = divmod(rows, self.spec.batch_max)
        rest_s = predictor.typical_s(rest) if rest else 0.0
        if not full:
            return rest_s
        if self._full_version != predictor.version:
            self._full_version = predictor.version
            self._full_s = predictor.typical_s(self.spec.batch_max)
        return full * self._full_s + rest_s

    def target_rows(self, lanes: int) -> int:
        """Largest batch that can gather while the lanes run one of its kind, at usual slack."""
        if self._targets_version != self.predictor.version:
            self._set_targets()
        budget_s = self.slack_median_s / (1.0 + 1.0 / lanes)
        if self._target_budget_s != budget_s:
            self._target_budget_s = budget_s
            rows = self.predictor.rows_within(budget_s, self._policy.start_quantile)
            self._target_rows = max(1, rows)
        return self._target_rows

    def window_calls(self) -> float:
        """Calls that make a batch as large as the usual slack allows to run at all."""
        if self._targets_version != self.predictor.version:
            self._set_targets()
        return max(1.0, self._window_rows / max(1.0, self.rows_mean))

    def _set_targets(self) -> None:
        self._targets_version = self.predictor.version
        self._target_budget_s = -1.0
        self._window_rows = self.predictor.rows_within(
            self.slack_median_s, self._policy.start_quantile
        )
