"""The runs that a prediction is made of."""

from collections import deque

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

    def near(self, band: int) -> int:
        """Runs within an octave of a band."""
        return sum(len(self.bands.get(band + step, ())) for step in (-2, -1, 0, 1, 2))
