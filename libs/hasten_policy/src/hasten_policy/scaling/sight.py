"""What a scaling rule is shown, and what it answers."""

from dataclasses import dataclass
from math import inf
from typing import Protocol, TypeAlias, runtime_checkable

from hasten_policy.scaling.demand import Counts, Demand

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
"""What JSON has."""


@dataclass(frozen=True, slots=True)
class Because:
    """One reason of a decision, as data.

    Attributes:
        kind: Which, one word.
        workers: What this reason alone asks for.
        facts: Figures of the case, as pairs of a name with its unit and a value.
    """

    kind: str
    workers: int
    facts: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a rule wants. Bounds, budget and limits come after it.

    Attributes:
        workers: How many.
        reasons: Why, the decisive one first.
    """

    workers: int
    reasons: tuple[Because, ...]


@dataclass(frozen=True, slots=True)
class Forecast:
    """What demand will be when a worker that is started now is ready.

    Attributes:
        until_s: It counts until then.
        load: Typical load then, in busy workers.
        upper: Its upper quantile, planned work included.
    """

    until_s: float
    load: float
    upper: float


@dataclass(frozen=True, slots=True)
class Sight:
    """The pool as a rule sees it.

    Attributes:
        now_s: Now.
        period_s: Between two decisions.
        desired: What was decided last.
        ready: Workers that serve.
        starting: Workers that will serve soon, and count as capacity.
        lead_s: From a decision until its worker is ready, at the quantile that counts.
        demand: What was asked for.
        running: Calls that run, on all workers.
        waiting: Calls that wait, in workers and in routers.
        backlog_s: Seconds of one worker until all that was accepted is done.
        queued: Busy workers that the tasks which wait at schedulers need to be in time.
        busy: Mean busy share of the ready workers.
        memory: Largest share of a worker's memory in use.
        lanes: Batches that a worker runs at once.
        slack_s: Shortest time to a deadline that calls typically have; inf for none.
        forecast: None while there is none that is new enough.
    """

    now_s: float
    period_s: float
    desired: int
    ready: int
    starting: int
    lead_s: float
    demand: Demand
    running: int = 0
    waiting: int = 0
    backlog_s: float = 0.0
    queued: float = 0.0
    busy: float = 0.0
    memory: float = 0.0
    lanes: int = 1
    slack_s: float = inf
    forecast: Forecast | None = None

    @property
    def present(self) -> int:
        """Workers that are capacity now or soon."""
        return self.ready + self.starting

    def within(self, window_s: float) -> Counts:
        """What was asked for in the last seconds."""
        return self.demand.within(window_s)

    def load(self, window_s: float) -> float:
        """What was asked for in the window, in busy workers.

        Calls of models without a profile count by how busy the workers are with what they let in:
        a rule without a profile must not be silent.
        """
        counts = self.within(window_s)
        load = counts.load_s / window_s
        if not counts.unprofiled:
            return load
        let_in = max(1, counts.calls - counts.refused)
        measured = self.busy * self.ready * counts.calls / let_in
        # Before anything was measured one worker has to begin.
        return max(load, measured, 0.5)


@runtime_checkable
class Learner(Protocol):
    """A rule with something to keep over a restart."""

    def kept(self) -> dict[str, Plain]:
        """What it learnt, as values that JSON has."""
        ...

    def restore(self, kept: dict[str, Plain]) -> None:
        """Goes on with what was learnt before; what cannot be is left out."""
        ...


@runtime_checkable
class Watchful(Protocol):
    """A rule that does not wait for the next tick while demand rises at once."""

    def alarmed(self, sight: Sight) -> bool:
        """The next decision is due now."""
        ...


class Rule(Protocol):
    """Says how many workers there should be. A rule may remember what it saw."""

    def wish(self, sight: Sight) -> Wish:
        """Its answer at one tick; ticks come in order of time."""
        ...
