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

from hasten_policy.admission.doubt import Doubt
from hasten_policy.machines.router_policy import MAX_GOODPUT, RouterPolicy

CLASSES = 4
PEERS_WEIGHT = 0.002
"""Weight of one outcome in the mean of the peers."""
PEERS_S = 30.0
"""Time constant with which a model's theta returns to that mean while it has no outcomes."""
SILENT_S = 0.25
"""Without an outcome for so long it has none: a model that is asked for goes by its own."""


FALL_PER_S = 0.4
"""Theta falls by no more than this in a second, nor at once."""
RUN_LONG = 2.0
"""A fall is over after this many times 1/epsilon outcomes without a miss."""
CLIMB = 10.0
"""After a fall theta climbs by so many times its usual step, until it has made good half of it;
the other half may have been deserved (as TCP's slow start ends at half the lost window)."""


class Peers:
    """The mean theta of all models, each with the weight of its outcomes.

    Models share workers, so they share most of what makes predictions wrong. Without a way back a
    model that was unlucky early would stay out: with a low theta it is admitted next to never
    while the others fill the queues, and without outcomes theta does not move.
    """

    __slots__ = ("means",)

    def __init__(self, policy: RouterPolicy) -> None:
        self.means = list(policy.theta_start)


class Theta:
    """The thetas of one model, one for each priority class.

    Args:
        policy: Parameters.
        peers: The mean of all models; alone without.

    Attributes:
        values: Theta of each class, most urgent first.
        doubt: Whether they should still be believed.
    """

    __slots__ = (
        "_heard_s",
        "_highs",
        "_knees",
        "_may_fall",
        "_misses",
        "_moved_s",
        "_peers",
        "_policy",
        "_runs",
        "_steered",
        "doubt",
        "values",
    )

    def __init__(self, policy: RouterPolicy, peers: Peers | None = None) -> None:
        self._policy = policy
        self._peers = peers
        self._moved_s = float("inf")
        self._heard_s = float("-inf")
        self._may_fall = FALL_PER_S
        self._runs = [0] * CLASSES
        self._highs = list(policy.theta_start)
        self._knees = [0.0] * CLASSES
        self._steered = policy.mode != MAX_GOODPUT
        self._misses = [0.0] * CLASSES
        self.doubt = Doubt(policy)
        self.values: list[float] = list(policy.theta_start) if self._steered else [1.0] * CLASSES

    def of(self, priority: int, now_s: float) -> float:
        """Theta to decide with; never above that of a more urgent class, so that raising the
        priority of a request never turns an admission into a refusal.
        """
        if self._steered:
            self._pass_time(now_s)
        values = self.values
        theta = values[0]
        for at in range(1, priority + 1):
            theta = min(theta, values[at])
        return theta

    def learn(self, priority: int, now_s: float, *, missed: bool) -> None:
        """Takes the outcome of one admitted request into account."""
        self.doubt.heard()
        if not self._steered:
            return
        self._pass_time(now_s)
        self._heard_s = now_s
        if missed:
            self._fall(priority)
        else:
            self._climb(priority)
        if self._peers is not None:
            means = self._peers.means
            means[priority] += PEERS_WEIGHT * (self.values[priority] - means[priority])

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

    def _fall(self, priority: int) -> None:
        policy = self._policy
        theta = self.values[priority]
        if self._runs[priority] * policy.epsilon[priority] > RUN_LONG:
            self._highs[priority] = theta
        self._runs[priority] = 0
        self._misses[priority] += 1.0
        step = self._gamma(priority) * (1.0 - policy.epsilon[priority])
        step = min(step, self._may_fall, theta - policy.theta_min)
        self._may_fall -= step
        self.values[priority] = theta - step
        self._knees[priority] = (self._highs[priority] + theta - step) / 2.0

    def _climb(self, priority: int) -> None:
        policy = self._policy
        theta = self.values[priority]
        epsilon = policy.epsilon[priority]
        self._runs[priority] += 1
        step = self._gamma(priority) * epsilon
        if theta < self._knees[priority] and self._runs[priority] * epsilon > RUN_LONG:
            step *= CLIMB
        self.values[priority] = min(policy.theta_max, theta + step)

    def _gamma(self, priority: int) -> float:
        policy = self._policy
        settle = policy.gamma_settle_misses
        first = settle / (settle + self._misses[priority])
        return policy.gamma + first * (policy.gamma_first - policy.gamma)

    def _pass_time(self, now_s: float) -> None:
        """Lets theta return to its peers', and fall again, in the time that has passed."""
        passed_s = now_s - self._moved_s
        self._moved_s = now_s
        if not passed_s > 0.0:
            return
        self._may_fall = min(FALL_PER_S, self._may_fall + FALL_PER_S * passed_s)
        if self._peers is None or now_s - self._heard_s < SILENT_S:
            return
        share = min(1.0, passed_s / PEERS_S)
        means = self._peers.means
        values = self.values
        for at in range(CLASSES):
            values[at] += share * (means[at] - values[at])
