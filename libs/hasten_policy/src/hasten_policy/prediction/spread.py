"""How far runs exceed the typical seconds that the fit gives them."""

from collections.abc import Iterable
from math import ceil

from hasten_policy.prediction.fit import Fit
from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.run import Run

CUT_SHARE = 50
"""One of so many ratios, the largest, is left out: a run that stalled says nothing of the rest."""


class Spread:
    """Factor by which typical seconds grow into those of a quantile.

    Ratios are taken against the fit as it is now, never against what was predicted when the run
    ended: a prediction long corrected must not go on making calls wait (see the decision record
    on prediction by work). The factor is their quantile, rank ceil((n + 1) * q) as in split
    conformal prediction, within bounds. Too few runs are met with a fixed factor.

    Args:
        runs: The newest runs.
        fit: The fit as it is now.
        policy: Bounds.
        now_s: Runs of long ago are left out while there are newer ones.
    """

    __slots__ = ("_cold", "_most", "_policy", "_ratios")

    def __init__(
        self, runs: Iterable[Run], fit: Fit, policy: PredictionPolicy, now_s: float
    ) -> None:
        self._policy = policy
        since_s = now_s - policy.forget_s
        known = list(runs)
        counted = [run for run in known if run.at_s >= since_s]
        self._most = policy.factor_max
        if len(counted) < policy.cold_runs:
            # Of a slow model the newest runs are old, and all that is known. But where a
            # quarter of them is new, the others may be of a speed that the model no longer has.
            if 4 * len(counted) >= policy.cold_runs:
                self._most = policy.cold_factor
            counted = known[-policy.cold_runs :]
        self._cold = len(counted) < policy.cold_runs
        ratios = sorted([run.seconds / fit.at(run.rows, run.size) for run in counted])
        del ratios[len(ratios) - ceil(len(ratios) / CUT_SHARE) :]
        self._ratios = ratios

    def factor(self, quantile: float) -> float:
        """Factor for a quantile in [0, 1]; 1 up to the median, and never falls as it rises."""
        policy = self._policy
        if quantile <= 0.5:
            return 1.0
        if self._cold:
            share = min(1.0, (quantile - 0.5) / (policy.high_quantile - 0.5))
            return 1.0 + share * (policy.cold_factor - 1.0)
        rank = min(len(self._ratios), ceil((len(self._ratios) + 1) * quantile))
        return max(1.0, min(self._ratios[rank - 1], self._most))
