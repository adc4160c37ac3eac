"""Theta: how much of its slack a request may be predicted to need.

Online conformal control (adaptive conformal inference, Gibbs and Candès, 2021): after each
outcome of an admitted request theta <- theta - gamma * (err - epsilon). In the long run the
share of admitted requests that miss is epsilon, however wrong the predictor is. The step gamma
decays with the misses seen, as in online conformal prediction with decaying step sizes
(Angelopoulos, Barber and Bates, 2024), but to a floor: loads change.

Misses come in bursts: a worker that stalls for a third of a second makes all that it has late, and
says nothing of the predictions after it. So theta falls by a bounded amount a second, and makes
good half of a fall quickly once the misses have ended.
"""

from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.priorities import CLASSES

FALL_PER_S = 0.4
"""Theta falls by no more than this in a second, nor at once."""
RUN_LONG = 2.0
"""A fall is over after this many times 1/epsilon outcomes without a miss."""
CLIMB = 10.0
"""After a fall theta climbs by so many times its usual step, until it has made good half of it;
the other half may have been deserved (as TCP's slow start ends at half the lost window)."""


class Shared:
    """What the thetas of all models of a router have in common: their values and how they move.

    Models share workers, and what makes predictions wrong there: the batch of another model that
    goes first. With a theta each, the model of long batches keeps its own high and fills the
    queues; the others miss because of it, fall, are let in next to never, and stay there.
    """

    __slots__ = ("highs", "knees", "may_fall", "misses", "moved_s", "runs", "values")

    def __init__(self, policy: AdmissionPolicy) -> None:
        steered = policy.steers
        self.values: list[float] = list(policy.theta_start) if steered else [1.0] * CLASSES
        self.misses = [0.0] * CLASSES
        self.runs = [0] * CLASSES
        self.highs = list(policy.theta_start)
        self.knees = [0.0] * CLASSES
        self.may_fall = FALL_PER_S
        self.moved_s = float("inf")


class Theta:
    """The thetas of one model, one for each priority class.

    Args:
        policy: Parameters.
        shared: What it has in common with those of other models; alone without.

    Attributes:
        values: Theta of each class, most urgent first.
    """

    __slots__ = ("_outcomes", "_policy", "_shared", "_steered", "values")

    def __init__(self, policy: AdmissionPolicy, shared: Shared | None = None) -> None:
        self._policy = policy
        self._shared = shared or Shared(policy)
        self._steered = policy.steers
        self._outcomes = 0
        self.values = self._shared.values

    def of(self, priority: int) -> float:
        """Theta to decide with; never above that of a more urgent class, so that raising the
        priority of a request never turns an admission into a refusal.
        """
        values = self.values
        theta = values[0]
        for at in range(1, priority + 1):
            theta = min(theta, values[at])
        return theta

    def learn(self, priority: int, now_s: float, *, missed: bool) -> None:
        """Takes the outcome of one admitted request into account.

        The first ones of a model say more of a predictor that has yet to learn than of theta.
        """
        self._outcomes += 1
        if not self._steered or self._outcomes <= self._policy.theta_outcomes_min:
            return
        self._pass_time(now_s)
        if missed:
            self._fall(priority)
        else:
            self._climb(priority)

    def restart(self) -> None:
        """The model takes another time than theta was learned with: what it says is void."""
        if self._steered:
            self._outcomes = 0
            self.values[:] = [
                max(value, first)
                for value, first in zip(self.values, self._policy.theta_start, strict=True)
            ]

    def disproved(self) -> None:
        """A call that was predicted to be late was in time: half way back to the start."""
        if self._steered:
            start = self._policy.theta_start
            self.values[:] = [
                value + 0.5 * max(0.0, first - value)
                for value, first in zip(self.values, start, strict=True)
            ]

    def restore(self, values: list[float]) -> None:
        """Takes over thetas of an earlier life, clipped to the bounds."""
        if self._steered and len(values) == CLASSES:
            policy = self._policy
            self.values[:] = [
                min(policy.theta_max, max(policy.theta_floor(at), value))
                for at, value in enumerate(values)
            ]
            self._shared.misses[:] = [float("inf")] * CLASSES

    def _fall(self, priority: int) -> None:
        policy = self._policy
        shared = self._shared
        theta = self.values[priority]
        if shared.runs[priority] * policy.epsilon[priority] > RUN_LONG:
            shared.highs[priority] = theta
        shared.runs[priority] = 0
        shared.misses[priority] += 1.0
        step = self._gamma(priority) * (1.0 - policy.epsilon[priority])
        step = min(step, shared.may_fall, max(0.0, theta - policy.theta_floor(priority)))
        shared.may_fall -= step
        self.values[priority] = theta - step
        shared.knees[priority] = (shared.highs[priority] + theta - step) / 2.0

    def _climb(self, priority: int) -> None:
        policy = self._policy
        shared = self._shared
        theta = self.values[priority]
        epsilon = policy.epsilon[priority]
        shared.runs[priority] += 1
        step = self._gamma(priority) * epsilon
        if theta < shared.knees[priority] and shared.runs[priority] * epsilon > RUN_LONG:
            step *= CLIMB
        self.values[priority] = min(policy.theta_max, theta + step)

    def _gamma(self, priority: int) -> float:
        policy = self._policy
        settle = policy.gamma_settle_misses
        first = settle / (settle + self._shared.misses[priority])
        return policy.gamma + first * (policy.gamma_first - policy.gamma)

    def _pass_time(self, now_s: float) -> None:
        """Lets theta fall again in the time that has passed."""
        shared = self._shared
        passed_s = now_s - shared.moved_s
        shared.moved_s = now_s
        if passed_s > 0.0:
            shared.may_fall = min(FALL_PER_S, shared.may_fall + FALL_PER_S * passed_s)


class Thetas:
    """The thetas of all models of a router, kept even while no worker has the model.

    Args:
        policy: Parameters.
    """

    __slots__ = ("_policy", "_shared", "_thetas")

    def __init__(self, policy: AdmissionPolicy) -> None:
        self._policy = policy
        self._shared = Shared(policy)
        self._thetas: dict[str, Theta] = {}

    def of(self, model: str) -> Theta:
        """The model's calibration."""
        found = self._thetas.get(model)
        if found is None:
            found = self._thetas[model] = Theta(self._policy, self._shared)
        return found

    def values(self) -> dict[str, list[float]]:
        """The values of each class by model."""
        return {model: theta.values for model, theta in self._thetas.items()}
