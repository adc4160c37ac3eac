"""How far reality exceeds the median prediction, and at what level that is promised."""

from math import ceil

from hasten_policy.prediction.policy import PredictionPolicy
from hasten_policy.prediction.sorted_ring import SortedRing


class Coverage:
    """Factor by which a median prediction grows into the prediction at a quantile.

    Warm: the split-conformal quantile, rank ceil((n + 1) * level), of the ratios of actual
    to predicted seconds over the last runs. The level of the admission quantile is steered
    after each run (adaptive conformal inference, Gibbs and Candès 2021): a run beyond the
    prediction raises it, a run within lowers it, so that in the long run the promised share
    of runs stays within, whatever the noise does. Levels of other quantiles move with it in
    proportion, so a higher quantile never gets a smaller factor.

    Cold (few runs in service): one at the median, `cold_factor` at and above the admission
    quantile, a straight line between.
    """

    __slots__ = ("_cold_factor", "_level", "_policy", "_ratios")

    def __init__(self, policy: PredictionPolicy, cold_factor: float) -> None:
        self._policy = policy
        self._cold_factor = cold_factor
        self._ratios = SortedRing(policy.ratios_max)
        self._level = policy.admission_quantile

    @property
    def level(self) -> float:
        """Level now used for the admission quantile."""
        return self._level

    def factor(self, quantile: float) -> float:
        """Factor on the median for a quantile in [0, 1]; never falls as it rises."""
        count = len(self._ratios)
        above = (quantile - 0.5) / (self._policy.admission_quantile - 0.5)
        if count < self._policy.cold_runs:
            return 1.0 + max(0.0, min(above, 1.0)) * (self._cold_factor - 1.0)
        level = 0.5 + above * (self._level - 0.5) if above > 0.0 else quantile
        return self._ratios.ranked(ceil((count + 1) * level))

    def add(self, ratio: float) -> None:
        """Learns from a run that took `ratio` times its median prediction."""
        policy = self._policy
        if len(self._ratios) >= policy.cold_runs:
            beyond = 1.0 if ratio > self.factor(policy.admission_quantile) else 0.0
            level = self._level + policy.level_step * (beyond - (1.0 - policy.admission_quantile))
            # Without noise every run stays within and the level would sink until the first
            # noisy hour finds it unprepared; so it sinks no lower than it can rise.
            self._level = max(2.0 * policy.admission_quantile - 1.0, min(level, 1.0))
        self._ratios.add(ratio)


def cold_factor(runs: dict[int, list[float]], policy: PredictionPolicy) -> float:
    """Factor on the median before enough runs were seen in service.

    A fixed factor of 1.5 is the usual caution, but it would refuse calls that fit, for a
    model whose load-time runs hardly differ. So the runs' own spread decides: twice the
    excess of their admission quantile over the median, within the policy's bounds, and the
    upper bound when no batch size was run often enough to show a spread.

    Args:
        runs: Seconds of the load-time runs by batch size.
        policy: Bounds.
    """
    ratios = SortedRing(policy.ratios_max)
    for seconds in runs.values():
        if len(seconds) >= policy.profile_runs_min:
            ring = SortedRing(len(seconds))
            for value in seconds:
                ring.add(value)
            for value in seconds:
                ratios.add(value / ring.median())
    if not len(ratios):
        return policy.cold_factor_max
    excess = ratios.ranked(ceil((len(ratios) + 1) * policy.admission_quantile)) - 1.0
    return max(policy.cold_factor_min, min(1.0 + 2.0 * excess, policy.cold_factor_max))
