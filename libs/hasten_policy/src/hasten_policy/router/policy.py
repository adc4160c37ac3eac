"""Every parameter of the router's decisions, with its unit and default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hasten_policy.admission.policy import MAX_GOODPUT, STRICT, AdmissionPolicy, one_a_class
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.groups import UNNAMED, changed, refuse_negative

__all__ = [
    "MAX_GOODPUT",
    "STRICT",
    "HoldPolicy",
    "PoisonPolicy",
    "RetryPolicy",
    "RouterPolicy",
]


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """Parameters of the hold queue. A value out of range is refused when it is built.

    Attributes:
        order: Which held call goes first: a name of `ORDERS`.
        order_bias: Share of its slack by which a call of each class is put forward in the
            hold queue; at most 0.5, so that the deadline dominates.
        no_deadline_order_s: A call without a deadline is ordered as if it had this one.
        hold_calls_max: Most calls in the hold queue.
        hold_bytes_max: Most payload bytes in the hold queue; one call alone may have more.
        hold_s_max: Most predicted seconds of work in the hold queue, for one lane.
    """

    order: str = "edf"
    order_bias: tuple[float, ...] = (0.5, 0.25, 0.1, 0.0)
    no_deadline_order_s: float = 30.0
    hold_calls_max: int = 10_000
    hold_bytes_max: int = 512 * 1024 * 1024
    hold_s_max: float = 60.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        one_a_class("order_bias", self.order_bias)
        if any(not 0 <= bias <= 0.5 for bias in self.order_bias):
            raise ValueError("order_bias must lie between 0 and 0.5")
        refuse_negative(self)
        if self.hold_calls_max < 1:
            raise ValueError("hold_calls_max must be at least 1")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Parameters of further attempts. A value out of range is refused when it is built.

    Attributes:
        retry_share: Retries allowed per call, over the budget's life.
        retry_per_s: Retries allowed anyway, a second.
        retry_life_s: How long earned retries last.
        attempts_max: Most attempts of one call after refusals.
        attempts_max_lost: Most attempts of one call when workers are lost.
        hedge_share: Hedges allowed per call; 0 switches hedging off.
        hedge_delay_min_s: Never hedge earlier than this.
    """

    retry_share: float = 0.2
    retry_per_s: float = 10.0
    retry_life_s: float = 10.0
    attempts_max: int = 2
    attempts_max_lost: int = 3
    hedge_share: float = 0.0
    hedge_delay_min_s: float = 0.005

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.attempts_max < 1:
            raise ValueError("attempts_max must be at least 1")


@dataclass(frozen=True, slots=True)
class PoisonPolicy:
    """Parameters of the memory of inputs that end workers.

    Attributes:
        poison_inputs_max: Inputs remembered that ran when workers died; after two deaths of one it
            is refused. 0 remembers none: every call with it may then end two workers.
        poison_s: An input is forgotten this long after its last death.
    """

    poison_inputs_max: int = 1000
    poison_s: float = 600.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)


@dataclass(frozen=True, slots=True)
class RouterPolicy:
    """Parameters of RouterMachine, in groups. Operators name them without the group.

    Attributes:
        fleet: How workers stand, and which one gets a call.
        plan: What may come in.
        hold: What waits, and in which order.
        retry: Attempts after the first.
        poison: Inputs that end workers.
        keeps_deadlines: False for a router that knows no deadlines: it refuses and sheds
            nothing for them and passes none on; only `order` looks at them.
    """

    fleet: FleetPolicy = field(default_factory=FleetPolicy, metadata=UNNAMED)
    plan: AdmissionPolicy = field(default_factory=AdmissionPolicy, metadata=UNNAMED)
    hold: HoldPolicy = field(default_factory=HoldPolicy, metadata=UNNAMED)
    retry: RetryPolicy = field(default_factory=RetryPolicy, metadata=UNNAMED)
    poison: PoisonPolicy = field(default_factory=PoisonPolicy, metadata=UNNAMED)
    keeps_deadlines: bool = True

    @classmethod
    def of(cls, **parameters: Any) -> Self:  # noqa: ANN401  (fields of the groups)
        """As shipped but for these parameters, named without their group.

        Raises:
            TypeError: There is no parameter of such a name.
            ValueError: A value is out of range.
        """
        return cls().but(parameters)

    def but(self, parameters: Mapping[str, Any]) -> Self:
        """A copy with other values for these parameters, named without their group.

        Raises:
            TypeError: There is no parameter of such a name.
            ValueError: A value is out of range.
        """
        return changed(self, parameters)
