"""Every parameter of how workers stand and which one gets the next call, with unit and default."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.groups import refuse_negative

EJECT_WINDOW_S_MIN: Final = 0.1
"""With windows of no length a machine would do nothing but end them."""


@dataclass(frozen=True, slots=True)
class FleetPolicy:
    """Parameters of a fleet of workers. A value out of range is refused when it is built.

    Attributes:
        balancer: Which worker gets a call: a name of `BALANCERS`.
        late_binding: False for a plain proxy: calls go to workers at once, whatever credits these
            grant; up to hold_calls_max at each.
        partition_share: Share of a model's workers that balancer "partition" gives it.
        report_age_max_s: A worker that is silent for longer is suspect.
        cost_alpha: Weight of a new sample in the service time of a model on a worker.
        slow_start_s: Length of the ramp of a new worker; 0 for none.
        slow_start_min: Share it begins with.
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
        subset_above: With more workers than this, a router uses a subset.
        subset_size: Size of that subset.
        router_id: Seeds the subset.
    """

    balancer: str = "hasten"
    late_binding: bool = True
    partition_share: float = 0.5
    report_age_max_s: float = 1.0
    cost_alpha: float = 0.05
    slow_start_s: float = 30.0
    slow_start_min: float = 0.1
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
    subset_above: int = 64
    subset_size: int = 32
    router_id: str = "router"

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        refuse_negative(self)
        if not 0 < self.cost_alpha <= 1:
            raise ValueError("cost_alpha must lie in (0, 1]")
        if self.subset_size < 1:
            raise ValueError("subset_size must be at least 1")
        if not 0 < self.partition_share <= 1:
            raise ValueError("partition_share must lie in (0, 1]")
        if self.eject_window_s < EJECT_WINDOW_S_MIN:
            raise ValueError(f"eject_window_s must be at least {EJECT_WINDOW_S_MIN}")
