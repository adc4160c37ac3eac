"""What others use, as their documents and sources say; to be compared with."""

from dataclasses import dataclass
from math import ceil, inf
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.scaling.queueing import at_use
from hasten_policy.scaling.sight import Because, Sight, Wish
from hasten_policy.scaling.windows import MaxWindow

UP_FACTOR: Final = 2
UP_STEP: Final = 4


def _one(kind: str, workers: int, *facts: tuple[str, float]) -> Wish:
    return Wish(workers, (Because(kind, workers, facts),))


def _refuse_no_target(policy: object) -> None:
    refuse_negative(policy)
    if not getattr(policy, "target", 0.0) > 0.0:
        raise ValueError("target must be above 0")


@dataclass(frozen=True, slots=True)
class HpaScaling:
    """Parameters of the rule `hpa`: Kubernetes' horizontal pod autoscaler on busy workers.

    Attributes:
        target: Share of the workers that is to be busy.
        tolerance: A ratio to the target that differs from 1 by no more than this changes nothing.
        down_s: A step down goes to the most that was wanted in so many seconds.
    """

    target: float = 0.7
    tolerance: float = 0.1
    down_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        _refuse_no_target(self)


class Hpa:
    """desired = ceil(ready * busy / target); up to twice as many or four more at a time.

    Source: the Kubernetes documentation of HorizontalPodAutoscaler, algorithm details.
    """

    def __init__(self, policy: HpaScaling) -> None:
        self._policy = policy
        self._down = MaxWindow(policy.down_s)

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        policy = self._policy
        ratio = sight.busy / policy.target
        wanted = sight.desired
        if abs(ratio - 1.0) > policy.tolerance and sight.ready:
            wanted = max(1, ceil(sight.ready * ratio - 1e-9))
            if ratio > 1.0:
                # Pods that are not ready count as idle, and never turn a step up into one down.
                wanted = max(wanted, sight.desired)
        wanted = max(1, min(wanted, max(UP_FACTOR * sight.desired, sight.desired + UP_STEP)))
        kept = self._down.add(sight.now_s, wanted)
        return _one("use", max(wanted, min(kept, sight.desired)), ("busy", sight.busy))


@dataclass(frozen=True, slots=True)
class KpaScaling:
    """Parameters of the rule `kpa`: Knative's pod autoscaler.

    Attributes:
        target: Share of a worker's capacity that demand is to take.
        stable_s: The stable window, in seconds.
        panic_s: The panic window.
        panic_factor: Panic begins where the panic window asks for so many times the ready workers.
        down_factor_max: One step down leaves at least one in so many workers.
    """

    target: float = 0.7
    stable_s: float = 60.0
    panic_s: float = 6.0
    panic_factor: float = 2.0
    down_factor_max: float = 2.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        _refuse_no_target(self)
        if not (self.stable_s > 0 and self.panic_s > 0 and self.down_factor_max >= 1):
            raise ValueError("stable_s and panic_s must be above 0, down_factor_max at least 1")


class Kpa:
    """Demand over target, on two windows; in panic the number only grows.

    Source: knative/serving, pkg/autoscaler/scaling/autoscaler.go and config-autoscaler.
    """

    def __init__(self, policy: KpaScaling) -> None:
        self._policy = policy
        self._panic_s = -inf
        self._most = 0

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        policy = self._policy
        stable = at_use(sight.load(policy.stable_s), policy.target)
        panic = at_use(sight.load(policy.panic_s), policy.target)
        if panic >= policy.panic_factor * max(1, sight.ready):
            self._panic_s = sight.now_s
        if sight.now_s - self._panic_s < policy.stable_s:
            self._most = max(self._most, stable, panic, sight.ready)
            return _one("panic", self._most, ("panic_workers", float(panic)))
        self._most = 0
        least = int(sight.ready / policy.down_factor_max)
        return _one("stable", max(stable, least), ("stable_workers", float(stable)))


@dataclass(frozen=True, slots=True)
class RayScaling:
    """Parameters of the rule `ray`: Ray Serve's default policy.

    Attributes:
        target: Calls that a replica is to have, running and waiting.
        up_s: More was wanted for so many seconds before a step up.
        down_s: Less was wanted for so many seconds before a step down.
        look_back_s: Calls are averaged over so many seconds.
    """

    target: float = 2.0
    up_s: float = 30.0
    down_s: float = 600.0
    look_back_s: float = 30.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        _refuse_no_target(self)


class Ray:
    """desired = ceil(calls / target), once the same direction was wanted for long enough.

    Source: ray-project/ray, python/ray/serve/autoscaling_policy.py. What waits counts: a queue of
    its own that it did not see would never make it grow.
    """

    def __init__(self, policy: RayScaling) -> None:
        self._policy = policy
        self._calls: list[tuple[float, int]] = []
        self._since_s = 0.0
        self._direction = 0

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        policy, now_s = self._policy, sight.now_s
        self._calls.append((now_s, sight.running + sight.waiting))
        self._calls = [each for each in self._calls if each[0] > now_s - policy.look_back_s]
        calls = sum(count for _, count in self._calls) / max(1, len(self._calls))
        wanted = max(1, ceil(calls / policy.target - 1e-9))
        direction = (wanted > sight.desired) - (wanted < sight.desired)
        if direction != self._direction:
            self._direction, self._since_s = direction, now_s
        wait_s = policy.up_s if direction > 0 else policy.down_s
        if direction and now_s - self._since_s < wait_s and sight.desired:
            wanted = sight.desired
        return _one("ongoing", wanted, ("calls", calls))


@dataclass(frozen=True, slots=True)
class QueueScaling:
    """Parameters of the rule `queue_length`: a KEDA scaler on a queue.

    Attributes:
        target: Calls that a worker is to have, running and waiting.
        cooldown_s: A step down goes to the most that was wanted in so many seconds.
    """

    target: float = 5.0
    cooldown_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        _refuse_no_target(self)


class QueueLength:
    """desired = ceil(calls / target), running ones included.

    Source: KEDA's documentation of queue scalers, AverageValue.
    """

    def __init__(self, policy: QueueScaling) -> None:
        self._policy = policy
        self._down = MaxWindow(policy.cooldown_s)

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        calls = sight.running + sight.waiting
        wanted = ceil(calls / self._policy.target - 1e-9)
        kept = self._down.add(sight.now_s, wanted)
        return _one("queue", max(wanted, min(kept, sight.desired)), ("calls", float(calls)))
