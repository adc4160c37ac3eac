"""Every parameter of the scheduler's decisions, with its unit and default."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from hasten_policy.admission.policy import one_a_class
from hasten_policy.fleet.policy import FleetPolicy
from hasten_policy.groups import UNNAMED, changed, refuse_negative


@dataclass(frozen=True, slots=True)
class LanePolicy:
    """Parameters of what the scheduler knows of the lanes. A value out of range is refused when it
    is built.

    Attributes:
        lane_heads_max: The scheduler knows at most so many tasks at the front of each lane.
        lane_heads_low: The scheduler asks for more tasks of a lane when it knows less than this
            share of `lane_heads_max`.
        lane_read_gap_s: A lane that has grown is read again after so many seconds when
            `lane_heads_max` of its tasks are known, and sooner in proportion when fewer are.
        lane_poll_s: The scheduler asks for all lanes of a shard after so many seconds, in case
            nobody told it of a change. 0 never asks.
    """

    lane_heads_max: int = 256
    lane_heads_low: float = 0.25
    lane_read_gap_s: float = 0.02
    lane_poll_s: float = 1.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.lane_heads_max < 1:
            raise ValueError("lane_heads_max must be at least 1")
        if self.lane_heads_low > 1:
            raise ValueError("lane_heads_low must be at most 1")


@dataclass(frozen=True, slots=True)
class OrderPolicy:
    """Parameters of the order in which waiting tasks go. A value out of range is refused when it is
    built.

    Attributes:
        order: The order decides which waiting task goes first: a name of `TASK_ORDERS`.
        order_bias: The order "edf" brings a task of each class forward by this share of the task's
            slack, the most urgent class first. A share is at most 0.5, so that the deadline
            dominates.
        no_deadline_order_s: A task without a deadline is ordered as if the task were due after so
            many seconds, a figure for each class.
        ageing_s: The order "priority" lets a task of one class overtake a task of the class above
            that came so many seconds later.
    """

    order: str = "edf"
    order_bias: tuple[float, ...] = (0.5, 0.25, 0.1, 0.0)
    no_deadline_order_s: tuple[float, ...] = (30.0, 60.0, 300.0, 900.0)
    ageing_s: float = 60.0

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        one_a_class("order_bias", self.order_bias)
        one_a_class("no_deadline_order_s", self.no_deadline_order_s)
        if any(not 0 <= bias <= 0.5 for bias in self.order_bias):
            raise ValueError("order_bias must lie between 0 and 0.5")
        if any(not seconds >= 0 for seconds in self.no_deadline_order_s):
            raise ValueError("no_deadline_order_s must not be negative")
        refuse_negative(self)


@dataclass(frozen=True, slots=True)
class TenantPolicy:
    """Parameters of fairness between tenants. A value out of range is refused when it is built.

    Attributes:
        tenant_weights: A tenant that is named here gets service in proportion to this weight while
            others want it too. The weight of all other tenants is 1.
        tenant_horizon_s: The order of tasks decides between tenants whose service, divided by their
            weights, differs by less than so many seconds. 0 is strict fairness.
        tenant_lag_s: A tenant that could not be served catches up on at most so many seconds.
        tenant_running_max: So many tasks of a tenant run at once. 0 sets no limit.
        tenant_running: A tenant that is named here has this limit instead.
    """

    tenant_weights: tuple[tuple[str, float], ...] = ()
    tenant_horizon_s: float = 0.25
    tenant_lag_s: float = 1.0
    tenant_running_max: int = 0
    tenant_running: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if any(not weight > 0 for _, weight in self.tenant_weights):
            raise ValueError("tenant_weights must be positive")
        if any(not most >= 0 for _, most in self.tenant_running):
            raise ValueError("tenant_running must not be negative")
        if self.tenant_lag_s < self.tenant_horizon_s:
            raise ValueError("tenant_lag_s must be at least tenant_horizon_s")


@dataclass(frozen=True, slots=True)
class SlackPolicy:
    """Parameters of what tasks may take from workers that answer calls too. A value out of range is
    refused when it is built.

    Attributes:
        slack_own_s: A worker gets no more tasks while its tasks are predicted to take so many
            seconds of each of its lanes. It gets fewer where fewer keep it busy, and two full
            batches at least where no calls come.
        slack_calls_s: A worker gets no tasks while calls wait there that are predicted to take so
            many seconds, until half as many are left.
        slack_refused_max: While calls come, a worker gets tasks half as fast whenever routers have
            refused more than this share of the calls of its models for want of time, and gradually
            faster while they refuse less. 1 never slows tasks.
        slack_quiet_s: A worker that has tasks gets no more of them when it has said nothing for so
            many seconds longer than what it has should take, until it says something.
    """

    slack_own_s: float = 0.025
    slack_calls_s: float = 0.002
    slack_refused_max: float = 0.01
    slack_quiet_s: float = 0.05

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.slack_refused_max > 1:
            raise ValueError("slack_refused_max must be at most 1")


@dataclass(frozen=True, slots=True)
class ReservePolicy:
    """Parameters of what hard schedules reserve at workers. A value out of range is refused when it
    is built.

    Attributes:
        reserve_share_max: Hard schedules may reserve this share of a worker's time.
        reserve_spread: A run is expected to take at most so many times its typical time, ...
        reserve_overhead_s: ... and so many seconds for its way to the worker and back.
        reserve_jitter_s: A turn gets to its worker at most so many seconds after its time.
    """

    reserve_share_max: float = 0.7
    reserve_spread: float = 1.5
    reserve_overhead_s: float = 0.002
    reserve_jitter_s: float = 0.02

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.reserve_share_max > 1:
            raise ValueError("reserve_share_max must be at most 1")
        if self.reserve_spread < 1:
            raise ValueError("reserve_spread must be at least 1")


@dataclass(frozen=True, slots=True)
class AgainPolicy:
    """Parameters of further attempts. A value out of range is refused when it is built.

    Attributes:
        refused_backoff_s: A task that a worker refused without a fault of the task waits at random
            for at most so many seconds.
        failed_backoff_s: A task that failed waits at random for at most so many seconds, twice as
            many after each further failure.
        failed_backoff_s_max: No task waits longer than so many seconds between two attempts.
        retry_share: Each task earns this share of a retry. A task that finds no retry left waits
            for up to `failed_backoff_s_max`.
        retry_per_s: The scheduler may retry so many tasks in each second without earning.
        retry_life_s: An earned retry is lost after so many seconds.
        deaths_max: A task is kept as a dead letter when so many worker processes died while they
            ran it.
        way_back_s: The answer of a worker needs so many seconds, but at most a tenth of the time
            left, until it is kept.
    """

    refused_backoff_s: float = 0.1
    failed_backoff_s: float = 0.5
    failed_backoff_s_max: float = 30.0
    retry_share: float = 0.2
    retry_per_s: float = 10.0
    retry_life_s: float = 10.0
    deaths_max: int = 2
    way_back_s: float = 0.002

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if self.deaths_max < 1:
            raise ValueError("deaths_max must be at least 1")


@dataclass(frozen=True, slots=True)
class SchedulerPolicy:
    """Parameters of SchedulerMachine, in groups. Operators name them without the group.

    Attributes:
        fleet: How workers stand, and which one gets an attempt.
        lanes: What is known of the waiting tasks.
        ordering: Which of them goes first.
        tenants: Fairness between those who pay.
        slack: What tasks may take beside calls.
        reserve: What hard schedules reserve.
        again: Attempts after the first.
    """

    fleet: FleetPolicy = field(default_factory=FleetPolicy, metadata=UNNAMED)
    lanes: LanePolicy = field(default_factory=LanePolicy, metadata=UNNAMED)
    ordering: OrderPolicy = field(default_factory=OrderPolicy, metadata=UNNAMED)
    tenants: TenantPolicy = field(default_factory=TenantPolicy, metadata=UNNAMED)
    slack: SlackPolicy = field(default_factory=SlackPolicy, metadata=UNNAMED)
    reserve: ReservePolicy = field(default_factory=ReservePolicy, metadata=UNNAMED)
    again: AgainPolicy = field(default_factory=AgainPolicy, metadata=UNNAMED)

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
