"""Predicted seconds of a batch of one model."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from hasten_policy.prediction.coverage import Coverage, cold_factor
from hasten_policy.prediction.curves import isotonic, line
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.sorted_ring import SortedRing

SECONDS_MIN: Final = 1e-6
"""A run is counted as at least this long, so that ratios stay finite."""

TABLE_ROWS_MAX: Final = 256
"""Row counts up to this one are computed once per fit."""

FACTORS_MAX: Final = 16
"""Quantiles whose factor is kept between two runs."""


class _Bucket:
    """Runs whose padded row count lies in (2**(k-1), 2**k]."""

    __slots__ = ("rows", "seconds")

    def __init__(self, runs_max: int) -> None:
        # Medians of both: time rises with rows, so they belong to the same run.
        self.rows = SortedRing(runs_max)
        self.seconds = SortedRing(runs_max)

    def add(self, rows: int, seconds: float) -> None:
        self.rows.add(rows)
        self.seconds.add(seconds)


class ServicePredictor:
    """Seconds that a batch of b rows takes, at any quantile.

    Per bucket of padded row counts {1, 2, 3-4, 5-8, ...} the last runs give a median; the
    medians are made monotone over the buckets, and a line alpha + beta * b is laid through
    them for the sizes between and beyond. A bucket with a few runs predicts its median, one
    with fewer the larger of median and line (the line everywhere would over-predict models
    whose cost is flat first and steep later, and refuse calls that fit). Inside a bucket the
    median moves along the line, so that a half-full bucket is not charged like a full one.
    The whole is multiplied by a factor for the quantile (see `Coverage`). It never falls as
    rows or quantile rise. Reading is O(1); the fit is renewed every few runs, which raises
    `version`.

    Args:
        batch_max: Most rows in a batch, >= 1.
        batch_sizes: Row counts that batches are padded up to, ascending; empty for none.
        profile: (rows, elements, seconds) of load-time runs, several per size or none at all.
        policy: Parameters.
    """

    __slots__ = (
        "_alpha_s",
        "_beta_s",
        "_buckets",
        "_coverage",
        "_factors",
        "_floors",
        "_last_run_s",
        "_pending",
        "_policy",
        "_profile",
        "_profiled_s",
        "_runs",
        "_scales",
        "_table",
        "batch_max",
        "batch_sizes",
        "version",
    )

    def __init__(
        self,
        *,
        batch_max: int,
        batch_sizes: Sequence[int] = (),
        profile: Sequence[tuple[int, int, float]] = (),
        policy: PredictionPolicy | None = None,
    ) -> None:
        self.batch_max = batch_max
        self.batch_sizes = tuple(batch_sizes)
        self.version = 0
        self._policy = policy or PredictionPolicy()
        self._profile = tuple(
            (self.padded(max(1, min(rows, batch_max))), max(seconds, SECONDS_MIN))
            for rows, _, seconds in profile
        )
        self._runs = 0
        self._last_run_s = 0.0
        self._factors: dict[float, float] = {}
        self._table: list[float] = []
        self._coverage = Coverage(self._policy, self._policy.cold_factor_max)
        self._start_from_profile()

    def padded(self, rows: int) -> int:
        """Row count that a batch of `rows` is padded up to."""
        if not self.batch_sizes:
            return rows
        index = bisect_left(self.batch_sizes, rows)
        return self.batch_sizes[index] if index < len(self.batch_sizes) else rows

    def predict_s(self, rows: int, quantile: float) -> float:
        """Predicted seconds of a batch of `rows` >= 1 rows (before padding).

        Args:
            rows: Rows; more than `batch_max` are taken along the line.
            quantile: 0.5 for the median; a share of about `quantile` of runs is within.
        """
        return self.typical_s(rows) * self.factor(quantile)

    def typical_s(self, rows: int) -> float:
        """Predicted seconds before the factor of any quantile."""
        if rows >= len(self._table):
            return self._fitted_s(self.padded(rows))
        seconds = self._table[rows]
        if seconds == 0.0:
            seconds = self._table[rows] = self._fitted_s(self.padded(rows))
        return seconds

    def factor(self, quantile: float) -> float:
        """What `typical_s` is multiplied by at a quantile; the same for all sizes."""
        factor = self._factors.get(quantile)
        if factor is None:
            if len(self._factors) >= FACTORS_MAX:
                self._factors.clear()
            factor = self._factors[quantile] = self._coverage.factor(quantile)
        return factor

    def rows_within(self, budget_s: float, quantile: float) -> int:
        """Most rows of a batch predicted to take at most `budget_s`; 0 for none."""
        median_s = budget_s / self.factor(quantile)
        if self.typical_s(self.batch_max) <= median_s:
            return self.batch_max
        if self.batch_sizes:
            for size in reversed(self.batch_sizes):
                if self.typical_s(size) <= median_s:
                    return size
            return 0
        for bucket in range(len(self._buckets) - 1, -1, -1):
            if self._floors[bucket] > median_s:
                continue
            rows = self._rows_in_bucket(bucket, median_s)
            if rows > 0:
                return rows
        return 0

    def observe(self, rows: int, seconds: float, *, now_s: float) -> None:
        """Learns from a run of `rows` padded rows that took `seconds`."""
        seconds = max(seconds, SECONDS_MIN)
        self._coverage.add(seconds / self.typical_s(rows))
        self._factors.clear()
        self._buckets[(rows - 1).bit_length()].add(rows, seconds)
        self._runs += 1
        self._pending += 1
        self._last_run_s = now_s
        policy = self._policy
        if self._pending >= policy.rebuild_runs or self._runs <= policy.cold_runs:
            self._rebuild()

    def refresh(self, now_s: float) -> None:
        """Returns to the load-time profile after `stale_s` without a run, if it is brighter.

        A slow spell would otherwise refuse all calls that could show that it is over.
        """
        if not self._runs or not self._profile or now_s - self._last_run_s < self._policy.stale_s:
            return
        one_s, full_s = self._profiled_s
        if self.typical_s(1) > one_s or self.typical_s(self.batch_max) > full_s:
            self._start_from_profile()

    def line_s(self, quantile: float) -> tuple[float, float]:
        """(alpha, beta) of the line that meets the prediction at one row and at a full batch."""
        one_s = self.predict_s(1, quantile)
        if self.batch_max == 1:
            return one_s, 0.0
        full_s = self.predict_s(self.batch_max, quantile)
        beta_s = (full_s - one_s) / (self.batch_max - 1)
        return max(0.0, one_s - beta_s), beta_s

    def _fitted_s(self, padded_rows: int) -> float:
        bucket = min((padded_rows - 1).bit_length(), len(self._floors) - 1)
        along_s = self._scales[bucket] * (self._alpha_s + self._beta_s * padded_rows)
        return max(along_s, self._floors[bucket])

    def _rows_in_bucket(self, bucket: int, median_s: float) -> int:
        least = (1 << bucket >> 1) + 1 if bucket else 1
        most = min(1 << bucket, self.batch_max)
        slope_s = self._scales[bucket] * self._beta_s
        rows = most
        if slope_s > 0.0:
            room_s = median_s - self._scales[bucket] * self._alpha_s
            rows = max(least, min(most, int(room_s / slope_s) + 1))
        while rows >= least and self.typical_s(rows) > median_s:
            rows -= 1
        return rows if rows >= least else 0

    def _start_from_profile(self) -> None:
        policy = self._policy
        count = (self.batch_max - 1).bit_length() + 1
        self._buckets = [_Bucket(policy.runs_max) for _ in range(count)]
        self._runs = 0
        self._last_run_s = 0.0
        by_rows: dict[int, list[float]] = {}
        for rows, seconds in self._profile:
            self._buckets[(rows - 1).bit_length()].add(rows, seconds)
            by_rows.setdefault(rows, []).append(seconds)
        self._coverage = Coverage(policy, cold_factor(by_rows, policy))
        self._rebuild()
        self._profiled_s = (self.typical_s(1), self.typical_s(self.batch_max))

    def _rebuild(self) -> None:
        self._pending = 0
        self.version += 1
        self._factors.clear()
        known = [index for index, bucket in enumerate(self._buckets) if len(bucket.seconds)]
        rows = [self._buckets[index].rows.median() for index in known]
        medians = isotonic(
            [self._buckets[index].seconds.median() for index in known],
            [float(len(self._buckets[index].seconds)) for index in known],
        )
        if known:
            self._alpha_s, self._beta_s = line(rows, medians)
        else:
            self._alpha_s, self._beta_s = line([1.0], [self._policy.unknown_s])
        self._scales = [1.0] * len(self._buckets)
        for index, x, median_s in zip(known, rows, medians, strict=True):
            scale = median_s / (self._alpha_s + self._beta_s * x)
            if len(self._buckets[index].seconds) < self._policy.profile_runs_min:
                scale = max(1.0, scale)
            self._scales[index] = scale
        self._floors = [0.0]
        for index in range(len(self._buckets) - 1):
            self._floors.append(self._fitted_s(1 << index))
        self._table = [0.0] * (min(self.batch_max, TABLE_ROWS_MAX) + 1)
