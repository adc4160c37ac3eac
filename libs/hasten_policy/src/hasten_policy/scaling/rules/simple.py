"""Rules of one sentence; to be compared with."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.scaling.queueing import at_use
from hasten_policy.scaling.sight import Because, Sight, Wish
from hasten_policy.scaling.windows import MaxWindow

LOAD_S: Final = 60.0
"""Demand is taken over so many seconds."""


def _one(kind: str, workers: int, *facts: tuple[str, float]) -> Wish:
    return Wish(max(0, workers), (Because(kind, max(0, workers), facts),))


@dataclass(frozen=True, slots=True)
class ThresholdScaling:
    """Parameters of the rule `thresholds`.

    Attributes:
        cpu: Above this busy share one worker is added.
        memory: Above this share of memory in use one worker is added.
    """

    cpu: float = 0.8
    memory: float = 0.8

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)


class Thresholds:
    """Above a threshold one more, below both one less: the textbook's rule, which flaps."""

    def __init__(self, policy: ThresholdScaling) -> None:
        self._policy = policy

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        above = sight.busy > self._policy.cpu or sight.memory > self._policy.memory
        wanted = sight.desired + (1 if above else -1)
        return _one("threshold", max(1, wanted), ("busy", sight.busy), ("memory", sight.memory))


@dataclass(frozen=True, slots=True)
class BandScaling:
    """Parameters of the rule `bands`.

    Attributes:
        above: Demand above this share of the ready workers adds one.
        below: Demand below this share removes one.
    """

    above: float = 0.8
    below: float = 0.2

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if not self.below < self.above:
            raise ValueError("below must be less than above")


class Bands:
    """Demand above the band adds a worker, below the band removes one, inside it nothing."""

    def __init__(self, policy: BandScaling) -> None:
        self._policy = policy

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        share = sight.load(LOAD_S) / max(1, sight.ready)
        step = (share > self._policy.above) - (share < self._policy.below)
        # What starts is not ready, and would be added again at every tick.
        step = 0 if step > 0 and sight.starting else step
        return _one("band", max(1, sight.desired + step), ("share", share))


@dataclass(frozen=True, slots=True)
class StaticScaling:
    """Parameters of the rule `static`.

    Attributes:
        workers: So many, always.
    """

    workers: int = 1

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)


class Static:
    """A fixed number."""

    def __init__(self, policy: StaticScaling) -> None:
        self._policy = policy

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        del sight
        return _one("static", self._policy.workers)


@dataclass(frozen=True, slots=True)
class UseScaling:
    """Parameters of `reactive`, `predictive` and `hybrid`.

    Attributes:
        target: Share of the workers that demand is to keep busy.
        down_s: A step down goes to the most that was wanted in so many seconds.
    """

    target: float = 0.7
    down_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if not self.target > 0:
            raise ValueError("target must be above 0")


class _ByUse:
    """Some measure of demand over the target, and a window on the way down."""

    def __init__(self, policy: UseScaling) -> None:
        self._policy = policy
        self._down = MaxWindow(policy.down_s)

    def _kept(self, sight: Sight, *wanted: Because) -> Wish:
        most = max(wanted, key=lambda each: each.workers)
        kept = self._down.add(sight.now_s, most.workers)
        workers = max(most.workers, min(kept, sight.desired))
        return Wish(workers, wanted)

    def _now(self, sight: Sight) -> Because:
        load = sight.load(LOAD_S)
        return Because("demand", at_use(load, self._policy.target), (("load", load),))

    def _then(self, sight: Sight) -> Because:
        forecast = sight.forecast
        if forecast is None:
            return Because("no_forecast", sight.desired)
        wanted = at_use(forecast.upper, self._policy.target)
        return Because("forecast", wanted, (("upper", forecast.upper),))


class Reactive(_ByUse):
    """Demand of the last minute over the target."""

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        return self._kept(sight, self._now(sight))


class Predictive(_ByUse):
    """The forecast's upper quantile over the target, and nothing else."""

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        return self._kept(sight, self._then(sight))


class Hybrid(_ByUse):
    """The larger of the two."""

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        now, then = self._now(sight), self._then(sight)
        return self._kept(sight, *((now,) if sight.forecast is None else (now, then)))
