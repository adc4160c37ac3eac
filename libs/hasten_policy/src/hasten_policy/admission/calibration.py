"""Theta: how much of its slack a request may be predicted to need.

Online conformal control (adaptive conformal inference, Gibbs and Candès, 2021): after each
outcome of an admitted request theta <- theta - gamma * (err - epsilon). In the long run the
share of admitted requests that miss is epsilon, however wrong the predictor is. The step gamma
decays with the misses seen, as in online conformal prediction with decaying step sizes
(Angelopoulos, Barber and Bates, 2024), but to a floor: loads change.
"""

from hasten_policy.admission.doubt import Doubt
from hasten_policy.machines.router_policy import MAX_GOODPUT, RouterPolicy

CLASSES = 4


class Theta:
    """The thetas of one model, one for each priority class.

    Attributes:
        values: Theta of each class, most urgent first.
        doubt: Whether they should still be believed.
    """

    __slots__ = ("_misses", "_policy", "_steered", "doubt", "values")

    def __init__(self, policy: RouterPolicy) -> None:
        self._policy = policy
        self._steered = policy.mode != MAX_GOODPUT
        self._misses = [0.0] * CLASSES
        self.doubt = Doubt(policy)
        self.values: list[float] = list(policy.theta_start) if self._steered else [1.0] * CLASSES

    def of(self, priority: int) -> float:
        """Theta to decide with; never above that of a more urgent class, so that raising the
        priority of a request never turns an admission into a refusal.
        """
        values = self.values
        theta = values[0]
        for at in range(1, priority + 1):
            theta = min(theta, values[at])
        return theta

    def learn(self, priority: int, *, missed: bool) -> None:
        """Takes the outcome of one admitted request into account."""
        self.doubt.heard()
        if not self._steered:
            return
        policy = self._policy
        err = 1.0 if missed else 0.0
        self._misses[priority] += err
        first = policy.gamma_settle_misses / (policy.gamma_settle_misses + self._misses[priority])
        gamma = policy.gamma + first * (policy.gamma_first - policy.gamma)
        theta = self.values[priority] - gamma * (err - policy.epsilon[priority])
        self.values[priority] = min(policy.theta_max, max(policy.theta_min, theta))

    def disproved(self) -> None:
        """A call that was predicted to be late was in time: half way back to the start."""
        self.doubt.heard()
        if self._steered:
            start = self._policy.theta_start
            self.values = [
                value + 0.5 * max(0.0, first - value)
                for value, first in zip(self.values, start, strict=True)
            ]

    def restore(self, values: list[float]) -> None:
        """Takes over thetas of an earlier life, clipped to the bounds."""
        if self._steered and len(values) == CLASSES:
            policy = self._policy
            self.values = [min(policy.theta_max, max(policy.theta_min, v)) for v in values]
            self._misses = [float("inf")] * CLASSES
