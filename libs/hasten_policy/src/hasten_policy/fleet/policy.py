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
        balancer: The balancer chooses the worker of each call: a name of `BALANCERS`.
        late_binding: True holds a call until a worker grants a credit. False sends calls to workers
            at once, as a plain proxy does, up to `hold_calls_max` at each.
        partition_share: The balancer "partition" gives a model this share of its workers.
        report_age_max_s: A worker becomes suspect when it has been silent for so many seconds.
        cost_alpha: A new sample has this weight in the mean service time of a model on a worker.
        slow_start_s: A new worker gets its full share of the calls after so many seconds. 0 gives a
            new worker the full share at once.
        slow_start_min: A new worker begins with this share of its calls.
        eject_failures: So many failures of a worker in a row eject the worker.
        eject_window_s: The router compares workers in windows of so many seconds.
        eject_calls_min: A window counts for a worker only if the worker had so many calls in the
            window.
        eject_deviations: A worker is ejected when its success rate lies so many standard deviations
            below the mean of all workers.
        eject_hosts_min: The router compares success rates only when so many workers can be
            compared.
        eject_slow_factor: A worker counts as slow when it takes so many times the median of all
            workers.
        eject_slow_windows: A worker is ejected when it was slow in so many windows in a row.
        eject_base_s: The first ejection of a worker lasts so many seconds, and the n-th lasts n
            times as many.
        eject_s_max: No ejection lasts longer than so many seconds.
        eject_share: At most this share of the workers, and at least one worker, is ejected at once.
        eject_share_small: At most this share of the workers is ejected at once where there are
            fewer than six workers.
        subset_above: A router that knows more workers than this uses a subset of them.
        subset_size: The subset of a router has so many workers.
        router_id: The router's name chooses the subset.
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
