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
        order: The order decides which held call goes first: a name of `ORDERS`.
        order_bias: The hold queue brings a call of each class forward by this share of the call's
            slack, the most urgent class first. A share is at most 0.5, so that the deadline
            dominates.
        no_deadline_order_s: The hold queue orders a call without a deadline as if the call were due
            after so many seconds.
        hold_calls_max: The hold queue takes at most so many calls.
        hold_bytes_max: The hold queue takes at most so many bytes of payload. One call alone may
            have more.
        hold_s_max: The hold queue takes at most so many predicted seconds of work for one lane.
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
        retry_share: Each call earns this share of a retry.
        retry_per_s: The router may retry so many calls in each second without earning.
        retry_life_s: An earned retry is lost after so many seconds.
        attempts_max: The router tries one call at most so many times when workers refuse the call.
        attempts_max_lost: The router tries one call at most so many times when workers are lost.
        hedge_share: Each call earns this share of a hedge. 0 switches hedging off.
        hedge_delay_min_s: The router hedges no call before so many seconds.
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
        poison_inputs_max: The router remembers so many inputs that ran when workers died, and
            refuses an input after two deaths. 0 remembers none, and each call with such an input
            may end two workers.
        poison_s: The router forgets an input so many seconds after the input's last death.
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
        keeps_deadlines: True refuses and sheds calls for their deadlines. False makes a router that
            knows no deadlines and passes none on; only `order` looks at deadlines then.
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
