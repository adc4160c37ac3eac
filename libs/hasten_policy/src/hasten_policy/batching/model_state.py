"""What the batcher keeps of one model."""

from math import inf
from typing import TYPE_CHECKING, Final

from hasten_policy.batching.margin import Margin
from hasten_policy.prediction.predictor import ServicePredictor
from hasten_policy.prediction.sorted_ring import SortedRing

if TYPE_CHECKING:
    from hasten_policy.batching.policy import BatchingPolicy
    from hasten_policy.load import ModelSpec
    from hasten_policy.prediction.policy import PredictionPolicy

SLACK_REFRESH_CALLS: Final = 16
"""Admissions after which the usual slack is taken anew."""

BATCH_WEIGHT: Final = 0.2
"""Weight of one batch in the mean of rows per batch."""

CALL_WEIGHT: Final = 0.05
"""Weight of one call in the means over calls."""


class ModelState:
    """One model version: its predictor and its running totals.

    Attributes:
        spec: What was loaded.
        predictor: Learns from its runs.
        open_calls: Calls accepted and not ended.
        waiting: Calls waiting.
        running: Batches running.
        closing: Takes no new calls.
        back_s: Absolute time at which it runs batches again, about, while it is paused; 0 when it
            is not.
        on_trial: A call that may have ended a process of its runs, alone.
        charged_s: Lane seconds it has had, lifted on becoming busy to the least of the
            other busy ones, so that idleness earns no credit.
        service_s: Busy seconds per call, exponentially weighted; 0 before the first.
        rows_mean: Rows per call, exponentially weighted; 0 before the first.
        size_mean: Elements per row, exponentially weighted; 0 before the first.
        unlike: Share of calls that are of another shape than the call before, exponentially
            weighted: how far calls cannot share a batch.
        batch_rows: Rows per batch, exponentially weighted; 0 before the first.
        place: Among the models of the worker's report.
        slack_median_s: Usual slack of its calls; math.inf while unknown.
    """

    __slots__ = (
        "_lanes",
        "_last_shape",
        "_margin",
        "_policy",
        "_slack",
        "_slack_count",
        "back_s",
        "batch_rows",
        "charged_s",
        "closing",
        "on_trial",
        "open_calls",
        "place",
        "predictor",
        "rows_mean",
        "running",
        "service_s",
        "size_mean",
        "slack_median_s",
        "spec",
        "unlike",
        "waiting",
    )

    def __init__(
        self,
        spec: "ModelSpec",
        prediction: "PredictionPolicy",
        policy: "BatchingPolicy",
        *,
        lanes: int,
        margin: Margin,
    ) -> None:
        self._policy = policy
        self._lanes = lanes
        self._margin = margin
        self._slack = SortedRing(policy.slack_window)
        self._slack_count = 0
        self._last_shape = 0
        self.slack_median_s = inf
        self.open_calls = 0
        self.waiting = 0
        self.running = 0
        self.closing = False
        self.back_s = 0.0
        self.on_trial = False
        self.charged_s = 0.0
        self.service_s = 0.0
        self.rows_mean = 0.0
        self.size_mean = 0.0
        self.unlike = 0.0
        self.batch_rows = 0.0
        self.place = 0
        self.open(spec, prediction)

    def open(self, spec: "ModelSpec", prediction: "PredictionPolicy") -> None:
        """Takes a specification, the first or one that replaces it; what waits stays."""
        self.spec = spec
        self.closing = False
        self.back_s = 0.0
        self.predictor = ServicePredictor(
            batch_max=spec.batch_max,
            batch_sizes=spec.batch_sizes,
            profile=spec.profile,
            policy=prediction,
        )

    def admitted(self, slack_s: float, rows: int, size: float, shape_key: int) -> None:
        """Counts an accepted call; its slack may be math.inf."""
        weight = CALL_WEIGHT if self.rows_mean else 1.0
        self.rows_mean += weight * (rows - self.rows_mean)
        self.size_mean += weight * (size - self.size_mean)
        if weight < 1.0:
            self.unlike += weight * ((shape_key != self._last_shape) - self.unlike)
        self._last_shape = shape_key
        if slack_s == inf:
            return
        self._slack.add(slack_s)
        self._slack_count += 1
        if self._slack_count < SLACK_REFRESH_CALLS or not self._slack_count % SLACK_REFRESH_CALLS:
            self.slack_median_s = self._slack.median()

    def began(self, rows: int) -> None:
        """Counts a batch of `rows` rows."""
        weight = BATCH_WEIGHT if self.batch_rows else 1.0
        self.batch_rows += weight * (rows - self.batch_rows)

    def clear_s(self, rows: int, size: float) -> float:
        """Typical seconds of one lane for `rows` rows: batches of the target size and the rest."""
        curve = self.predictor.curve(size)
        target = self.target_rows(size)
        full, rest = divmod(rows, target)
        seconds = curve.seconds(rest) if rest else 0.0
        return seconds + full * curve.seconds(target) if full else seconds

    def target_s(self) -> float:
        """Typical seconds of the largest batch worth forming, whatever its size.

        So long that a call of usual slack that just misses a batch is in time with the next one:
        it waits for one batch (or a lane's share of it) and is part of another.
        """
        room_s = self.slack_median_s - self._margin.seconds
        factor = self.predictor.factor(self._policy.target_quantile)
        return room_s / (1.0 + 1.0 / self._lanes) / factor

    def target_rows(self, size: float) -> int:
        """Rows of the largest batch worth forming of rows of this size, at least 1.

        The one number that batches are formed by, planned by and reported by: a plan of larger
        batches than can be formed lets in what is then late.
        """
        rows = self.predictor.curve(size).rows_within(self.target_s())
        return max(1, rows)

    def window_calls(self) -> float:
        """Calls that make a batch as large as the usual slack allows to run at all."""
        size = self.size_mean or 1.0
        rows = self.predictor.rows_within(self.slack_median_s, size, self._policy.start_quantile)
        return max(1.0, rows / max(1.0, self.rows_mean))
