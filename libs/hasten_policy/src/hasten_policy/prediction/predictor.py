"""Predicted seconds of a batch of one model."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final

from hasten_policy.prediction.curve import Curve, grid, rising
from hasten_policy.prediction.evidence import Evidence
from hasten_policy.prediction.fit import Profile, fitted
from hasten_policy.prediction.memory import Memory
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.run import SECONDS_MIN, Run, band_of
from hasten_policy.prediction.shift import Shift
from hasten_policy.prediction.spread import Spread

CURVES_MAX: Final = 64
"""Sizes of which a curve is kept between two fits."""
NEWEST_WEIGHT: Final = 100.0
"""Weight of each of the newest runs for its own number of rows, in runs of about as much work."""
UNRUN_WEIGHT: Final = 1e-9
"""Weight of work that did not run in service, where more rows seem to take less time."""


class ServicePredictor:
    """Seconds that a batch of so many rows of one size takes, at any quantile.

    The work of a batch is its rows and its elements: a model with free sizes takes longer for
    longer inputs, and rows alone miss that by a factor of three. Typical seconds come from a fit
    of the newest runs (`fit`), of which the load-time profile is but a prior; the margin of a
    quantile from the spread of the newest runs around that fit (`spread`). For rows of one size
    they are a `Curve`, which never falls as rows rise, and neither does a quantile.

    Beyond the largest batch that ever ran, the growth is taken to be less than in proportion, and
    no more than to twice of it, to which batches may grow: who predicts growth too cautiously never
    tries it.

    Args:
        batch_max: Most rows in a batch, >= 1.
        batch_sizes: Row counts that batches are padded up to, ascending; empty for none.
        profile: (rows, elements, seconds) of load-time runs, several per size or none at all.
        policy: Parameters.

    Attributes:
        evidence: Of what cannot be done in time, see `Evidence`.
    """

    __slots__ = (
        "_curves",
        "_factors",
        "_fit",
        "_fit_s",
        "_memory",
        "_pending",
        "_policy",
        "_profile",
        "_rows",
        "_shift",
        "_spread",
        "batch_max",
        "batch_sizes",
        "evidence",
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
        self._policy = policy or PredictionPolicy()
        self._rows = self.batch_sizes or grid(batch_max)
        if self._rows[0] != 1:
            self._rows = (1, *self._rows)
        self._memory = Memory(self._policy)
        self._profile = Profile(
            [
                Run(max(1, rows), max(1.0, elements / max(1, rows)), max(seconds, SECONDS_MIN), 0.0)
                for rows, elements, seconds in profile
            ],
            self._policy,
        )
        self.evidence = Evidence(self._policy.evidence_s)
        self._shift = Shift(self._policy)
        self._pending = 0
        self._fit_s = 0.0
        self._renew(0.0)

    @property
    def runs(self) -> int:
        """Runs in service that it has learnt from."""
        return self._memory.count

    @property
    def work_max(self) -> float:
        """Elements of the largest batch that ever ran, at load time or since; 0 for none."""
        largest = self._memory.largest
        return max(self._profile.work_max, largest.work if largest else 0.0)

    @property
    def gamma_s(self) -> float:
        """Seconds that an element more adds to a batch, by the fit."""
        return self._fit.plane.gamma

    @property
    def usual_size(self) -> float:
        """Elements per row of the load-time profile's middle; 1 without one."""
        return self._profile.usual_size

    @property
    def best_s(self) -> float:
        """Typical seconds of one row of the least size that was measured."""
        return self.typical_s(1, self._fit.plane.floor)

    def padded(self, rows: int) -> int:
        """Row count that a batch of `rows` is padded up to."""
        if not self.batch_sizes:
            return rows
        index = bisect_left(self.batch_sizes, rows)
        return self.batch_sizes[index] if index < len(self.batch_sizes) else rows

    def curve(self, size: float) -> Curve:
        """Typical seconds over rows of `size` >= 1 elements; the same object until the next fit."""
        found = self._curves.get(size)
        if found is None:
            if len(self._curves) >= CURVES_MAX:
                self._curves.clear()
            found = self._curves[size] = self._made(size)
        return found

    def typical_s(self, rows: int, size: float) -> float:
        """Typical seconds of a batch of `rows` >= 1 rows (before padding) of `size` elements."""
        return self.curve(size).seconds(rows)

    def predict_s(self, rows: int, size: float, quantile: float) -> float:
        """Predicted seconds at a quantile: a share of about `quantile` of runs is within.

        Args:
            rows: Rows, before padding; more than `batch_max` are taken along the last piece.
            size: Elements per row.
            quantile: 0.5 for typical seconds.
        """
        return self.curve(size).seconds(rows) * self.factor(quantile)

    def factor(self, quantile: float) -> float:
        """What typical seconds are multiplied by at a quantile; the same for all sizes."""
        factor = self._factors.get(quantile)
        if factor is None:
            factor = self._factors[quantile] = self._spread.factor(quantile)
        return factor

    def rows_within(self, budget_s: float, size: float, quantile: float) -> int:
        """Most rows of a batch predicted to take at most `budget_s`; 0 for none."""
        return self.curve(size).rows_within(budget_s / self.factor(quantile))

    def observe(self, rows: int, size: float, seconds: float, *, now_s: float) -> None:
        """Learns from a run of `rows` padded rows of `size` elements that took `seconds`."""
        policy = self._policy
        seconds = max(seconds, SECONDS_MIN)
        size = max(1.0, size)
        shifted = self._shift.add(seconds / self.typical_s(rows, size))
        self.evidence.add(rows, rows * size, seconds, now_s)
        self._memory.add(Run(rows, size, seconds, now_s))
        self._pending += 1
        if shifted:
            self._memory.shift(*self._shift.take())
            self._renew(now_s)
            return
        few = len(self._memory.bands[band_of(rows * size)]) < policy.band_runs_sure
        cold = few or self._memory.count <= policy.cold_runs
        waited = now_s - self._fit_s >= policy.rebuild_s
        if cold or (self._pending >= policy.rebuild_runs and waited):
            self._renew(now_s)

    def _renew(self, now_s: float) -> None:
        self._pending = 0
        self._fit_s = now_s
        self._fit = fitted(self._memory, self._profile, self._policy)
        self._spread = Spread(self._memory.recent, self._fit, self._policy, now_s)
        self._factors: dict[float, float] = {}
        self._curves: dict[float, Curve] = {}

    def _made(self, size: float) -> Curve:
        policy = self._policy
        work_max = self.work_max
        memory = self._memory
        newest = memory.newest_rows(size, self.batch_max)
        # What ran of late is told as it was, not by its neighbours, which may never run again.
        points = self._rows if self.batch_sizes else tuple(sorted({*self._rows, *newest}))
        seconds = rising(
            [self._seconds(rows, size, work_max) for rows in points],
            [
                UNRUN_WEIGHT + memory.seen(band_of(rows * size)) + NEWEST_WEIGHT * newest[rows]
                for rows in points
            ],
        )
        cap = max(1, int(policy.growth_max * work_max / size))
        return Curve(points, seconds, min(self.batch_max, cap), padded=bool(self.batch_sizes))

    def _seconds(self, rows: int, size: float, work_max: float) -> float:
        """Typical seconds; beyond the largest work that ran, less than in proportion to that."""
        work = rows * size
        seconds = self._fit.at(rows, size)
        if not 0.0 < work_max < work:
            return seconds
        known_rows = work_max / size
        known_s = self._fit.at(known_rows, size) if known_rows >= 1.0 else self._largest_s(size)
        # Far beyond what ran nobody knows, and to be far too long would keep it from ever running.
        more = min(work / work_max, self._policy.growth_max) - 1.0
        return min(seconds, known_s * (1.0 + self._policy.growth * more))

    def _largest_s(self, size: float) -> float:
        """Seconds of the largest work that ran, when a single row of this size is more."""
        largest = self._memory.largest
        if largest is not None and largest.work >= self._profile.work_max:
            return self._fit.at(largest.rows, largest.size)
        return self._fit.at(1.0, min(size, self._profile.work_max))
