"""What a scaling rule made of a run: what it cost, how calm it was, what was short."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Decision:
    """The pool after one decision.

    Attributes:
        at_s: When.
        desired: Workers that there should be.
        ready: Workers that serve.
    """

    at_s: float
    desired: int
    ready: int


@dataclass(frozen=True, slots=True)
class ScalingFigures:
    """Figures of one run, over the time that is measured.

    Attributes:
        rule: Text of the rule.
        replica_s: Seconds of all workers, from the start of each until it is gone.
        price_per_h: Of a worker.
        changes: Times that the number wanted changed.
        reversals: Changes that were taken back within ten minutes.
        shortage_max: Most workers by which demand exceeded those that served, over ten seconds.
        decisions: All of them, the time before it is measured included.
    """

    rule: str
    replica_s: float
    price_per_h: float
    changes: int
    reversals: int
    shortage_max: float
    decisions: tuple[Decision, ...]

    @property
    def replica_h(self) -> float:
        """Replica hours."""
        return self.replica_s / 3600.0

    @property
    def cost(self) -> float:
        """In the unit of the price."""
        return self.replica_h * self.price_per_h
