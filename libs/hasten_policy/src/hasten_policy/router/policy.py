"""Every parameter of the router's decisions, with its unit and default."""

from dataclasses import dataclass, fields

from hasten_policy.admission.gates import GATES
from hasten_policy.fleet.balancers import BALANCERS
from hasten_policy.ordering.orders import ORDERS

STRICT = "strict"
MAX_GOODPUT = "max_goodput"
EJECT_WINDOW_S_MIN = 0.1
"""With windows of no length a machine would do nothing but end them."""


@dataclass(frozen=True, slots=True)
class RouterPolicy:
    """Parameters of RouterMachine. A value out of range is refused when it is built.

    Attributes:
        balancer: Which worker gets a call: a name of `BALANCERS`.
        admission: Which calls come in: a name of `GATES`.
        order: Which held call goes first: a name of `ORDERS`.
        keeps_deadlines: False for a router that knows no deadlines: it refuses and sheds
            nothing for them and passes none on; only `order` looks at them.
        late_binding: False for a plain proxy: calls go to workers at once, whatever credits these
            grant; up to hold_calls_max at each.
        fixed_limit_factor: Full batches a lane that admission "fixed_limit" lets in.
        partition_share: Share of a model's workers that balancer "partition" gives it.
        mode: "strict" steers theta so that an admitted request misses with probability
            epsilon; "max_goodput" keeps theta at 1.
        theta_start: First theta of each priority class, most urgent first.
        theta_min: theta is never steered below this share of its start.
        theta_max: Nor above this.
        theta_outcomes_min: Outcomes of a model before theta learns from its calls.
        epsilon: Wanted P(miss | admitted) of each class.
        gamma: Step of the steering for one outcome, in the long run.
        gamma_first: The same before the first miss; larger, so that theta is near its place
            after a few misses, not after hundreds.
        gamma_settle_misses: After so many misses the step is half way from the first to gamma.
        order_bias: Share of its slack by which a call of each class is put forward in the
            hold queue; at most 0.5, so that the deadline dominates.
        no_deadline_order_s: A call without a deadline is ordered as if it had this one.
        hold_calls_max: Most calls in the hold queue.
        hold_bytes_max: Most payload bytes in the hold queue; one call alone may have more.
        hold_s_max: Most predicted seconds of work in the hold queue, for one lane.
        report_age_max_s: A worker that is silent for longer is suspect.
        cost_alpha: Weight of a new sample in the service time of a model on a worker.
        slow_start_s: Length of the ramp of a new worker; 0 for none.
        slow_start_min: Share it begins with.
        retry_share: Retries allowed per call, over the budget's life.
        retry_per_s: Retries allowed anyway, a second.
        retry_life_s: How long earned retries last.
        attempts_max: Most attempts of one call after refusals.
        attempts_max_lost: Most attempts of one call when workers are lost.
        hedge_share: Hedges allowed per call; 0 switches hedging off.
        hedge_delay_min_s: Never hedge earlier than this.
        eject_failures: Consecutive infrastructure failures that eject a worker.
        eject_window_s: Length of one observation window.
        eject_calls_min: Calls in a window without which it says nothing.
        eject_deviations: Success rates below mean - this * standard deviation eject.
        eject_hosts_min: Fewest workers for the comparison of success rates.
        eject_slow_factor: A worker slower than this times the pool's median, ...
        eject_slow_windows: ... this many windows in a row, is ejected.
        eject_base_s: First ejection lasts this long, the n-th n times as long, ...
        eject_s_max: ... but at most this.
        eject_share: Most workers ejected at once, at least one.
        eject_share_small: The same in pools of fewer than six.
        poison_inputs_max: Inputs remembered that ran when workers died; after two deaths of one it
            is refused. 0 remembers none: every call with it may then end two workers.
        poison_s: An input is forgotten this long after its last death.
        subset_above: With more workers than this, a router uses a subset.
        subset_size: Size of that subset.
        router_id: Seeds the subset.
        tenant_shares: (tenant, service seconds a second) pairs of limited tenants.
        tenant_burst_s: Service seconds a tenant may save up.
        net_start_s: First guess of the time on the wire, both ways.
        net_s_max: The measured one is capped here.
        net_calls: Newest calls whose time on the wire counts, ...
        net_quantile: ... at this quantile.
    """

    balancer: str = "hasten"
    admission: str = "plan"
    order: str = "edf"
    keeps_deadlines: bool = True
    late_binding: bool = True
    fixed_limit_factor: float = 1.5
    partition_share: float = 0.5
    mode: str = STRICT
    theta_start: tuple[float, ...] = (1.0, 0.95, 0.8, 0.6)
    theta_min: float = 0.5
    theta_max: float = 1.1
    theta_outcomes_min: int = 50
    epsilon: tuple[float, ...] = (0.01, 0.01, 0.02, 0.05)
    gamma: float = 0.004
    gamma_first: float = 0.04
    gamma_settle_misses: float = 10.0
    order_bias: tuple[float, ...] = (0.5, 0.25, 0.1, 0.0)
    no_deadline_order_s: float = 30.0
    hold_calls_max: int = 10_000
    hold_bytes_max: int = 512 * 1024 * 1024
    hold_s_max: float = 60.0
    report_age_max_s: float = 1.0
    cost_alpha: float = 0.05
    slow_start_s: float = 30.0
    slow_start_min: float = 0.1
    retry_share: float = 0.2
    retry_per_s: float = 10.0
    retry_life_s: float = 10.0
    attempts_max: int = 2
    attempts_max_lost: int = 3
    hedge_share: float = 0.0
    hedge_delay_min_s: float = 0.005
    eject_failures: int = 5
    eject_window_s: float = 10.0
    eject_calls_min: int = 100
    eject_deviations: float = 1.9
    eject_hosts_min: int = 5
    eject_slow_factor: float = 3.0
    eject_slow_windows: int = 3
    eject_base_s: float = 10.0
    eject_s_max: float = 300.0
    eject_share: float = 0.1
    eject_share_small: float = 0.33
    poison_inputs_max: int = 1000
    poison_s: float = 600.0
    subset_above: int = 64
    subset_size: int = 32
    router_id: str = "router"
    tenant_shares: tuple[tuple[str, float], ...] = ()
    tenant_burst_s: float = 1.0
    net_start_s: float = 0.0005
    net_s_max: float = 0.05
    net_calls: int = 100
    net_quantile: float = 0.95

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        BALANCERS.get(self.balancer)
        GATES.get(self.admission)
        ORDERS.get(self.order)
        if self.mode not in {STRICT, MAX_GOODPUT}:
            raise ValueError(f"mode must be {STRICT} or {MAX_GOODPUT}, not {self.mode!r}")
        for name in ("theta_start", "epsilon", "order_bias"):
            if len(getattr(self, name)) != 4:
                raise ValueError(f"{name} needs one value for each of the 4 priority classes")
        if any(not 0 <= bias <= 0.5 for bias in self.order_bias):
            raise ValueError("order_bias must lie between 0 and 0.5")
        if not 0 < self.cost_alpha <= 1:
            raise ValueError("cost_alpha must lie in (0, 1]")
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not value >= 0:
                raise ValueError(f"{field.name} must not be negative, is {value}")
        if self.hold_calls_max < 1 or self.attempts_max < 1 or self.subset_size < 1:
            raise ValueError("hold_calls_max, attempts_max and subset_size must be at least 1")
        self._check_workers()
        self._check_steering()

    def theta_floor(self, priority: int) -> float:
        """Least theta of a class."""
        return self.theta_min * self.theta_start[priority]

    def _check_workers(self) -> None:
        if not 0 < self.partition_share <= 1:
            raise ValueError("partition_share must lie in (0, 1]")
        if self.eject_window_s < EJECT_WINDOW_S_MIN:
            raise ValueError(f"eject_window_s must be at least {EJECT_WINDOW_S_MIN}")

    def _check_steering(self) -> None:
        if not 0 < self.theta_min <= self.theta_max:
            raise ValueError("theta_min must be positive and at most theta_max")
        if self.gamma_first < self.gamma or not self.gamma_settle_misses > 0:
            raise ValueError("gamma_first must be at least gamma, and gamma_settle_misses positive")
