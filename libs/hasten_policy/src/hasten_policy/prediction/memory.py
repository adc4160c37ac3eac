"""The runs that a prediction is made of."""

from collections import Counter, deque
from collections.abc import Sequence
from itertools import islice

from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.run import Run, band_of


class Memory:
    """The newest runs, of all sizes together and of each band of work.

    A common size must not push the rare ones out, so each band has a memory of its own.

    Attributes:
        recent: The newest runs of any size.
        bands: The newest runs by band.
        count: Runs in service so far.
        largest: Of the most work that ran in service; None before the first.
    """

    __slots__ = ("_policy", "bands", "count", "largest", "recent")

    def __init__(self, policy: PredictionPolicy) -> None:
        self._policy = policy
        self.recent: deque[Run] = deque(maxlen=policy.spread_runs_max)
        self.bands: dict[int, deque[Run]] = {}
        self.count = 0
        self.largest: Run | None = None

    def add(self, run: Run) -> None:
        """Remembers a run; a band that has a few new ones forgets its old ones."""
        policy = self._policy
        self.count += 1
        self.recent.append(run)
        band = self.bands.get(band_of(run.work))
        if band is None:
            band = self.bands[band_of(run.work)] = deque(maxlen=policy.band_runs_max)
        band.append(run)
        since_s = run.at_s - policy.forget_s
        while len(band) > policy.profile_near_runs and band[0].at_s < since_s:
            band.popleft()
        if self.largest is None or run.work >= self.largest.work:
            self.largest = run

    def shift(self, factor: float, newest: Sequence[bool]) -> None:
        """The model has become another.

        Args:
            factor: How much longer everything takes; what was measured before is told at the new
                speed. 0 when it is not the same for all: what was measured before is forgotten.
            newest: Of each of the newest runs, oldest first, whether it is of the new model.
        """
        every = list(self.recent)
        first = max(0, len(every) - len(newest))
        after = {id(run) for run, new in zip(every[first:], newest, strict=False) if new}
        _shift(self.recent, factor, after)
        for band, runs in list(self.bands.items()):
            _shift(runs, factor, after)
            if not runs:
                del self.bands[band]

    def newest_rows(self, size: float, rows_max: int) -> Counter[int]:
        """How many of the newest runs of this size had so many rows, up to `rows_max`."""
        newest = islice(reversed(self.recent), self._policy.drift_runs)
        return Counter([run.rows for run in newest if run.size == size and run.rows <= rows_max])

    def seen(self, band: int) -> float:
        """How well a band is known, in runs: those of the bands beside it count a hundredth."""
        bands = self.bands
        beside = len(bands.get(band - 1, ())) + len(bands.get(band + 1, ()))
        return len(bands.get(band, ())) + 0.01 * beside

    def near(self, band: int) -> int:
        """Runs within an octave of a band."""
        return sum(len(self.bands.get(band + step, ())) for step in (-2, -1, 0, 1, 2))


def _shift(runs: deque[Run], factor: float, after: set[int]) -> None:
    """Tells all but those of `after` at a new speed, or forgets them."""
    every = list(runs)
    runs.clear()
    for run in every:
        if id(run) in after:
            runs.append(run)
        elif factor > 0.0:
            runs.append(run._replace(seconds=run.seconds * factor))
