"""Every parameter of what may come in, with its unit and default."""

from dataclasses import dataclass
from typing import Final

from hasten_policy.groups import refuse_negative
from hasten_policy.priorities import CLASSES

STRICT: Final = "strict"
MAX_GOODPUT: Final = "max_goodput"


@dataclass(frozen=True, slots=True)
class AdmissionPolicy:
    """Parameters of admission. A value out of range is refused when it is built.

    Attributes:
        admission: The gate decides which calls come in: a name of `GATES`.
        fixed_limit_factor: Admission "fixed_limit" lets in so many full batches for each lane.
        mode: "strict" steers theta so that an admitted request misses its deadline with the
            probability `epsilon`. "max_goodput" keeps theta at 1.
        theta_start: Each priority class begins with its theta of this list, the most urgent class
            first.
        theta_min: Steering keeps theta above this share of its start.
        theta_max: Steering keeps theta below this.
        theta_outcomes_min: Theta learns from a model's calls after so many outcomes of the model.
        epsilon: An admitted request of each class may miss its deadline with this probability, the
            most urgent class first.
        gamma: One outcome moves theta by this step in the long run.
        gamma_first: One outcome moves theta by this step before the first miss. A large step brings
            theta near its place after a few misses and not after hundreds.
        gamma_settle_misses: After so many misses the step lies half way between `gamma_first` and
            `gamma`.
        tenant_shares: A tenant that is named here gets so many service seconds in each second:
            pairs of (tenant, seconds).
        tenant_burst_s: A tenant may save up so many service seconds.
        net_start_s: The router takes the way to a worker and back for so many seconds until it has
            measured the way.
        net_s_max: The router believes no measured way longer than so many seconds.
        net_calls: The router measures the way on so many of the newest calls.
        net_quantile: The router plans with this quantile of the measured ways.
    """

    admission: str = "plan"
    fixed_limit_factor: float = 1.5
    mode: str = STRICT
    theta_start: tuple[float, ...] = (1.0, 0.95, 0.8, 0.6)
    theta_min: float = 0.5
    theta_max: float = 1.1
    theta_outcomes_min: int = 50
    epsilon: tuple[float, ...] = (0.01, 0.01, 0.02, 0.05)
    gamma: float = 0.004
    gamma_first: float = 0.04
    gamma_settle_misses: float = 10.0
    tenant_shares: tuple[tuple[str, float], ...] = ()
    tenant_burst_s: float = 1.0
    net_start_s: float = 0.0005
    net_s_max: float = 0.05
    net_calls: int = 100
    net_quantile: float = 0.95

    def __post_init__(self) -> None:
        """Refuses values out of range, naming the field."""
        if self.mode not in {STRICT, MAX_GOODPUT}:
            raise ValueError(f"mode must be {STRICT} or {MAX_GOODPUT}, not {self.mode!r}")
        for name in ("theta_start", "epsilon"):
            one_a_class(name, getattr(self, name))
        refuse_negative(self)
        if not 0 < self.theta_min <= self.theta_max:
            raise ValueError("theta_min must be positive and at most theta_max")
        if self.gamma_first < self.gamma or not self.gamma_settle_misses > 0:
            raise ValueError("gamma_first must be at least gamma, and gamma_settle_misses positive")

    @property
    def steers(self) -> bool:
        """Theta learns from outcomes."""
        return self.mode != MAX_GOODPUT

    def theta_floor(self, priority: int) -> float:
        """Least theta of a class."""
        return self.theta_min * self.theta_start[priority]


def one_a_class(name: str, values: tuple[float, ...]) -> None:
    """Refuses a parameter that has not one value for each priority class.

    Raises:
        ValueError: It has more or fewer.
    """
    if len(values) != CLASSES:
        raise ValueError(f"{name} needs one value for each of the {CLASSES} priority classes")
