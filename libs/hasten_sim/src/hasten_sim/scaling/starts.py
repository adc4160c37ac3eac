"""How long a worker takes to start: process, load, warm-up."""

from math import log1p, sqrt
from random import Random

from hasten_sim.pool import PoolShape
from hasten_sim.scenario import Scenario


class Starts:
    """Draws the seconds of starts, each stage log-normal with its mean.

    Args:
        scenario: Whose models are loaded.
        pool: Means of the other stages.
        rng: Chance.
    """

    def __init__(self, scenario: Scenario, pool: PoolShape, rng: Random) -> None:
        load_s = sum(model.load_s for model in scenario.models)
        self._stages_s = (pool.process_s, load_s, pool.warm_s)
        self._variance = log1p(pool.start_cv**2)
        self._rng = rng

    def mean_s(self) -> float:
        """Of a start."""
        return sum(self._stages_s)

    def seconds(self) -> float:
        """Of the next start."""
        mu, sigma = -self._variance / 2.0, sqrt(self._variance)
        return sum(
            stage_s * (self._rng.lognormvariate(mu, sigma) if sigma else 1.0)
            for stage_s in self._stages_s
        )
