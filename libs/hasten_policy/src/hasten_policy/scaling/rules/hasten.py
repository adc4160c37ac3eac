"""The shipped rule: growth over the measured lead, Erlang C with batching, panic, pressure."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.scaling.growth import Growth, numbers
from hasten_policy.scaling.queueing import at_use, servers_for
from hasten_policy.scaling.sight import Because, Plain, Sight, Wish
from hasten_policy.scaling.windows import MaxWindow

DAY_S: Final = 86_400.0
SAMPLES_MAX: Final = 8640
"""Of growth that went on from a checkpoint: a day at the usual pace."""
BACKLOG_S: Final = 15.0
"""What waits is to be done in so long."""
UNTIL_DEADLINE: Final = 0.5
"""So much of the slack may be spent waiting."""


@dataclass(frozen=True, slots=True)
class HastenScaling:
    """Parameters of the rule `hasten`.

    Attributes:
        growth_quantile: Demand is taken to grow over the lead as it did in this share of the last
            day.
        growth_cold: The natural logarithm of the growth before anything is known of it.
        use_max: No more than this share of the workers is to be busy.
        wait_share: At most this share of the calls may wait longer than half of their slack.
        variability: How uneven arrivals and runs are, (Ca^2 + Cs^2) / 2; 0.5 for arrivals by chance
            and runs that are alike.
        fast_s: The shorter window over which demand is taken, in seconds.
        slow_s: The longer one.
        panic_s: The window of panic, in seconds.
        panic_factor: Panic begins when demand in its window is so many times what the ready workers
            carry at panic_use.
        panic_use: See panic_factor.
        panic_hold_s: Panic ends after so many seconds without a new cause; until then the number
            only grows.
        down_s: A large step down needs less demand for so many seconds.
        down_share: A step is large that leaves at most this share of the workers.
        down_margin: A step down has to be right even with so much more demand, as a share.
        settle_s: Any step down needs less demand for so many seconds; twice as many each time that
            a step down was taken back.
        settle_s_max: At most so many.
        refused_share: More than this share refused, for pressure_s, asks for one worker more.
        pressure_s: See refused_share.
        late_share: No step down while more than this share is late.
    """

    growth_quantile: float = 0.9
    growth_cold: float = 0.2
    use_max: float = 0.9
    wait_share: float = 0.01
    variability: float = 0.5
    fast_s: float = 15.0
    slow_s: float = 60.0
    panic_s: float = 6.0
    panic_factor: float = 2.0
    panic_use: float = 0.7
    panic_hold_s: float = 60.0
    down_s: float = 300.0
    down_share: float = 0.75
    down_margin: float = 0.1
    settle_s: float = 600.0
    settle_s_max: float = 3600.0
    refused_share: float = 0.001
    pressure_s: float = 30.0
    late_share: float = 0.005

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        for name in ("use_max", "panic_use", "wait_share", "variability", "growth_quantile"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
        for name in ("fast_s", "slow_s", "panic_s", "pressure_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")


class Hasten:
    """See `HastenScaling`."""

    def __init__(self, policy: HastenScaling) -> None:
        self._policy = policy
        self._growth: Growth | None = None
        self._down = MaxWindow(policy.down_s)
        self._settle = MaxWindow(policy.settle_s)
        self._panic_s = -DAY_S
        self._panic_workers = 0
        self._relief_s = -DAY_S
        self._fell: tuple[float, int] | None = None

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        needed, roomy, reasons = self._needed(sight)
        reasons += self._panic(sight, needed)
        wanted = max(each.workers for each in reasons)
        pressed = self._pressure(sight)
        if pressed is not None:
            reasons.append(pressed)
            wanted = max(wanted, pressed.workers)
        held = self._held(sight, wanted, max(wanted, roomy))
        if held is not None:
            reasons.append(held)
            wanted = held.workers
        return Wish(wanted, tuple(sorted(reasons, key=lambda each: -each.workers)))

    def _needed(self, sight: Sight) -> tuple[int, int, list[Because]]:
        """What growth, forecast and backlog ask for: now, and with room for a step down."""
        policy = self._policy
        if self._growth is None:
            most = int(DAY_S / max(sight.period_s, 1.0))
            self._growth = Growth(most, policy.growth_cold)
        fast_per_s = sight.within(policy.fast_s).calls / policy.fast_s
        self._growth.add(sight.now_s, fast_per_s, sight.lead_s)
        factor = self._growth.factor(policy.growth_quantile)
        load = max(sight.load(policy.fast_s), sight.load(policy.slow_s))
        backlog = sight.backlog_s / BACKLOG_S if sight.waiting else 0.0
        facts = (
            ("load", load),
            ("growth", factor),
            ("backlog", backlog),
            ("queued", sight.queued),
        )
        # Tasks bring no growth: what waits is known, and what will come is told in advance.
        backlog += sight.queued
        ahead = load * factor + backlog
        needed = self._servers(sight, load, ahead)
        reasons = [Because("growth", needed, facts)]
        if sight.forecast is not None:
            upper = sight.forecast.upper + backlog
            load, ahead = max(load, sight.forecast.load), max(ahead, upper)
            expected = self._servers(sight, sight.forecast.load, upper)
            reasons.append(Because("forecast", expected, (("upper", sight.forecast.upper),)))
            needed = max(needed, expected)
        if not needed and not self._may_be_none(sight):
            needed = 1
            reasons.append(Because("kept_warm", 1, (("lead_s", sight.lead_s),)))
        room = 1.0 + policy.down_margin
        return needed, self._servers(sight, load * room, ahead * room), reasons

    def kept(self) -> dict[str, Plain]:
        """What it learnt, as plain values."""
        rates = self._growth.samples() if self._growth is not None else []
        return {"growth": list[Plain](rates), "settle_s": self._settle.window_s}

    def restore(self, kept: dict[str, Plain]) -> None:
        """Goes on with what was learnt before; what cannot be is left out."""
        policy = self._policy
        rates, settle_s = kept.get("growth"), kept.get("settle_s")
        if isinstance(rates, list):
            self._growth = Growth(SAMPLES_MAX, policy.growth_cold)
            self._growth.restore(numbers(rates))
        if isinstance(settle_s, int | float):
            self._settle.window_s = min(policy.settle_s_max, max(policy.settle_s, settle_s))

    def _servers(self, sight: Sight, load: float, most: float) -> int:
        """Workers for a load: enough that few calls wait long at what is usual, and that none is
        busy all the time at the most. Both margins on top of each other would count noise twice.
        """
        policy = self._policy
        # A call of a batch is served as long as its slack allows, at most.
        wait_s = sight.slack_s * UNTIL_DEADLINE
        rate_per_s = self._rate_per_s(sight)
        lanes = sight.lanes
        few_wait = servers_for(
            load * lanes, rate_per_s / lanes, wait_s, policy.wait_share, policy.variability
        )
        return max(-(-few_wait // lanes), at_use(most, policy.use_max))

    def _rate_per_s(self, sight: Sight) -> float:
        """Calls a second that one worker does, by what was asked for."""
        counts = sight.within(self._policy.slow_s)
        return (counts.calls - counts.unprofiled) / counts.load_s if counts.load_s else 1.0

    def _may_be_none(self, sight: Sight) -> bool:
        """No worker at all: only where nothing came for long, and a cold start is in time."""
        nothing_came = not sight.within(self._policy.down_s).calls
        return nothing_came and not sight.queued and sight.lead_s <= sight.slack_s

    def _panic(self, sight: Sight, needed: int) -> list[Because]:
        """Demand that the ready workers cannot carry by far: no step down for a while."""
        policy = self._policy
        load = sight.load(policy.panic_s)
        if load > policy.panic_factor * policy.panic_use * sight.ready and load > 0.0:
            self._panic_s = sight.now_s
        elif sight.now_s - self._panic_s > policy.panic_hold_s:
            self._panic_workers = 0
            return []
        at_hand = max(needed, at_use(load, policy.panic_use))
        # Workers that still start are capacity: what was asked for is not undone.
        self._panic_workers = max(self._panic_workers, at_hand, sight.present)
        return [Because("panic", self._panic_workers, (("load", load),))]

    def _pressure(self, sight: Sight) -> Because | None:
        """Refusals: demand that a measured wait does not show, since admission hides it."""
        policy = self._policy
        counts = sight.within(policy.pressure_s)
        share = counts.refused / counts.calls if counts.calls else 0.0
        if share <= policy.refused_share:
            return None
        if sight.starting or sight.now_s - self._relief_s < policy.pressure_s:
            # The step before has not been felt yet: no step at every tick.
            return Because("pressure", sight.desired, (("refused_share", share),))
        self._relief_s = sight.now_s
        return Because("pressure", sight.present + 1, (("refused_share", share),))

    def _held(self, sight: Sight, wanted: int, roomy: int) -> Because | None:
        """What keeps workers that are not wanted at this moment; None where nothing does."""
        policy = self._policy
        most, settled = self._down.add(sight.now_s, roomy), self._settle.add(sight.now_s, roomy)
        if wanted >= sight.desired:
            self._taken_back(sight, wanted)
            return None
        counts = sight.within(policy.slow_s)
        late = counts.late > policy.late_share * counts.calls
        if counts.refused or late:
            facts = (("refused", float(counts.refused)), ("late", float(counts.late)))
            return Because("not_calm", sight.desired, facts)
        target = most if most <= policy.down_share * sight.desired else settled
        if target < sight.desired:
            self._fell = (sight.now_s, sight.desired)
            return Because("stable", target, (("window_s", self._settle.window_s),))
        return Because("stable", sight.desired, (("window_s", self._settle.window_s),))

    def _taken_back(self, sight: Sight, wanted: int) -> None:
        """A step down that is soon taken back was no good idea: the next one waits longer."""
        if self._fell is None or wanted <= sight.desired:
            return
        at_s, from_workers = self._fell
        if sight.now_s - at_s <= self._settle.window_s and wanted <= from_workers:
            longer_s = min(self._policy.settle_s_max, 2.0 * self._settle.window_s)
            self._settle.window_s = longer_s
        self._fell = None
