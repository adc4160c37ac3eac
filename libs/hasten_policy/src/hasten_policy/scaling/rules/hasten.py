"""The shipped rule: growth over the measured lead, Erlang C with batching, panic, pressure."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.scaling.growth import Growth, numbers
from hasten_policy.scaling.level import Level, level
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
        growth_quantile: While there is no forecast demand is taken to grow over the lead as it did
            in this share of the last day.
        growth_cold: The natural logarithm of the growth before anything is known of it.
        use_max: No more than this share of the workers is to be busy at the upper bound of demand.
        wait_share: At most this share of the calls may wait longer than half of their slack.
        variability: How uneven arrivals and runs are, (Ca^2 + Cs^2) / 2; 0.5 for arrivals by chance
            and runs that are alike.
        fast_s: Demand is taken over this window where it shows more than chance, in seconds.
        slow_s: And over this one where not.
        panic_s: The shortest window.
        chance: Demand has risen when the difference is so many standard deviations of chance.
        rush_max: Demand that rises at once is taken to rise once more by as much while workers
            start, but by no more than so many times.
        panic_factor: Panic begins when demand of the shortest window is so many times what the
            ready workers carry at panic_use, or rises at once.
        panic_use: See panic_factor.
        panic_hold_s: Panic ends after so many seconds without a new cause; until then the number
            only grows.
        down_s: A large step down needs less demand for so many seconds.
        down_large: A step down is large that would be right with so much more demand, as a share.
        down_margin: Any other has to be right even with so much more demand.
        settle_s: It needs less demand for so many seconds; twice as many each time that a step
            down was taken back.
        settle_s_max: At most so many.
        refused_share: More than this share refused, for pressure_s, asks for one worker more.
        pressure_s: See refused_share.
        late_share: No step down while more than this share is late.
        idle_s: No worker at all only where nothing came for so many seconds.
    """

    growth_quantile: float = 0.9
    growth_cold: float = 0.2
    use_max: float = 0.95
    wait_share: float = 0.01
    variability: float = 0.5
    fast_s: float = 15.0
    slow_s: float = 60.0
    panic_s: float = 6.0
    chance: float = 5.0
    rush_max: float = 1.5
    panic_factor: float = 2.0
    panic_use: float = 0.7
    panic_hold_s: float = 60.0
    down_s: float = 60.0
    down_large: float = 0.2
    down_margin: float = 0.04
    settle_s: float = 600.0
    settle_s_max: float = 3600.0
    refused_share: float = 0.001
    pressure_s: float = 30.0
    late_share: float = 0.005
    idle_s: float = 300.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        for name in ("use_max", "panic_use", "wait_share", "variability", "growth_quantile"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
        for name in ("fast_s", "slow_s", "panic_s", "pressure_s"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} must be above 0")
        if self.rush_max < 1:
            raise ValueError("rush_max must be at least 1")


class Hasten:
    """See `HastenScaling`."""

    def __init__(self, policy: HastenScaling) -> None:
        self._policy = policy
        self._growth: Growth | None = None
        self._factor = 1.0
        self._down = MaxWindow(policy.down_s)
        self._settle = MaxWindow(policy.settle_s)
        self._panic_s = -DAY_S
        self._panic_workers = 0
        self._relief_s = -DAY_S
        self._fell: tuple[float, int] | None = None
        self._fell_s = -DAY_S

    def wish(self, sight: Sight) -> Wish:
        """As `Rule`."""
        now = self._level(sight)
        reasons = self._needed(sight, now)
        needed = max(each.workers for each in reasons)
        pressed = self._pressure(sight)
        if pressed is not None:
            reasons.append(pressed)
        reasons += self._panic(sight, now, needed)
        wanted = max(each.workers for each in reasons)
        least = needed if pressed is None else max(needed, pressed.workers)
        held = self._held(sight, now, wanted, (needed, least))
        if held is not None:
            reasons.append(held)
            wanted = held.workers
        return Wish(wanted, tuple(sorted(reasons, key=lambda each: -each.workers)))

    def alarmed(self, sight: Sight) -> bool:
        """As `Watchful`: demand rises at once, and more than what is there or starts carries."""
        now = self._level(sight)
        return now.rush > 1.0 and self._rushed(sight, now) > max(sight.desired, sight.present)

    def _level(self, sight: Sight) -> Level:
        policy = self._policy
        return level(sight, (policy.panic_s, policy.fast_s, policy.slow_s), policy.chance)

    def _needed(self, sight: Sight, now: Level) -> list[Because]:
        """What demand of now, growth or forecast, and backlog ask for."""
        backlog = self._backlog(sight)
        factor = self._factor = self._grown(sight)
        if sight.forecast is None:
            ahead = now.load * factor + backlog
        else:
            # The forecast has seen growth too: it is measured over one lead like that of no change.
            ahead = max(now.load, sight.forecast.upper) + backlog
        facts = (
            ("load", now.load),
            ("growth", factor),
            ("backlog", backlog - sight.queued),
            ("queued", sight.queued),
        )
        reasons: list[Because] = []
        if sight.forecast is None:
            reasons.append(Because("growth", self._servers(sight, now.load, ahead), facts))
        else:
            needed = self._servers(sight, now.load, now.load + backlog)
            reasons.append(Because("demand", needed, facts))
            typical = max(now.load, sight.forecast.load)
            expected = self._servers(sight, typical, ahead)
            reasons.append(Because("forecast", expected, (("upper", sight.forecast.upper),)))
        if not any(each.workers for each in reasons) and not self._may_be_none(sight):
            reasons.append(Because("kept_warm", 1, (("lead_s", sight.lead_s),)))
        return reasons

    def _backlog(self, sight: Sight) -> float:
        """Busy workers that what waits needs. Tasks bring no growth: what waits is known, and what
        will come is told in advance.
        """
        waits = sight.backlog_s / BACKLOG_S if sight.waiting else 0.0
        return waits + sight.queued

    def _grown(self, sight: Sight) -> float:
        """What demand is multiplied with for the time of a start."""
        policy = self._policy
        if self._growth is None:
            most = int(DAY_S / max(sight.period_s, 1.0))
            self._growth = Growth(most, policy.growth_cold)
        calls = sight.within(policy.fast_s).calls
        self._growth.add(sight.now_s, calls / policy.fast_s, sight.lead_s, policy.fast_s)
        return self._growth.factor(policy.growth_quantile)

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
        nothing_came = not sight.within(self._policy.idle_s).calls
        return nothing_came and not sight.queued and sight.lead_s <= sight.slack_s

    def _rushed(self, sight: Sight, now: Level) -> int:
        """Workers for demand that has risen at once, and goes on to rise while they start."""
        load = now.load * min(self._policy.rush_max, now.rush)
        return self._servers(sight, load, load + self._backlog(sight))

    def _panic(self, sight: Sight, now: Level, needed: int) -> list[Because]:
        """Demand that the ready workers cannot carry by far, or that has risen at once: no step
        down for a while.
        """
        policy = self._policy
        load = sight.load(policy.panic_s)
        beyond = load > policy.panic_factor * policy.panic_use * sight.ready and load > 0.0
        if beyond or now.rush > 1.0:
            self._panic_s = sight.now_s
        elif sight.now_s - self._panic_s > policy.panic_hold_s:
            self._panic_workers = 0
            return []
        at_hand = max(needed, self._rushed(sight, now))
        # Workers that still start are capacity: what was asked for is not undone.
        self._panic_workers = max(self._panic_workers, at_hand, sight.present)
        facts = (("load", load), ("rush", now.rush))
        return [Because("panic", self._panic_workers, facts)]

    def _pressure(self, sight: Sight) -> Because | None:
        """Refusals: demand that a measured wait does not show, since admission hides it."""
        policy = self._policy
        counts = sight.within(policy.pressure_s)
        share = counts.refused / counts.calls if counts.calls else 0.0
        if share <= policy.refused_share:
            return None
        if sight.starting:
            self._relief_s = sight.now_s
        if sight.now_s - self._relief_s < policy.pressure_s:
            # The step before has not been felt yet: no step at every tick.
            return Because("pressure", sight.desired, (("refused_share", share),))
        self._relief_s = sight.now_s
        return Because("pressure", sight.present + 1, (("refused_share", share),))

    def _held(
        self, sight: Sight, now: Level, wanted: int, least: tuple[int, int]
    ) -> Because | None:
        """What keeps workers that are not wanted at this moment; None where nothing does.

        Args:
            sight: The pool.
            now: Demand of now.
            wanted: Without it.
            least: Never fewer than so many by a large step, and by any other.
        """
        policy = self._policy
        much, little = (
            max(count, self._with_room(sight, now, room))
            for count, room in zip(least, (policy.down_large, policy.down_margin), strict=True)
        )
        large, settled = self._down.add(sight.now_s, much), self._settle.add(sight.now_s, little)
        if wanted >= sight.desired:
            self._taken_back(sight, wanted)
            return None
        counts = sight.within(policy.slow_s)
        late = counts.late > policy.late_share * counts.calls
        if counts.refused or late:
            facts = (("refused", float(counts.refused)), ("late", float(counts.late)))
            return Because("not_calm", sight.desired, facts)
        # One step at a time: what the last one left is looked at for as long as before it.
        just_fell = sight.now_s - self._fell_s <= self._settle.window_s
        # Nobody who was started leaves again before those who start with it have been felt.
        target = min(
            sight.desired if just_fell else settled, sight.desired if sight.starting else large
        )
        if target < sight.desired:
            self._fell_s = sight.now_s
            self._fell = (sight.now_s, sight.desired)
            return Because("stable", target, (("window_s", self._settle.window_s),))
        return Because("stable", sight.desired, (("window_s", self._settle.window_s),))

    def _with_room(self, sight: Sight, now: Level, room: float) -> int:
        """Workers for demand that is higher than it is by a share."""
        forecast = sight.forecast
        load = now.load if forecast is None else max(now.load, forecast.load)
        ahead = load * self._factor if forecast is None else max(load, forecast.upper)
        more = room * load
        return self._servers(sight, load + more, ahead + more + self._backlog(sight))

    def _taken_back(self, sight: Sight, wanted: int) -> None:
        """A step down that is soon taken back was no good idea: the next one waits longer."""
        if self._fell is None or wanted <= sight.desired:
            return
        at_s, from_workers = self._fell
        if sight.now_s - at_s <= self._settle.window_s and wanted <= from_workers:
            longer_s = min(self._policy.settle_s_max, 2.0 * self._settle.window_s)
            self._settle.window_s = longer_s
        self._fell = None
