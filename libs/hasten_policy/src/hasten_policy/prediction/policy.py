"""Parameters of the service-time prediction."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPolicy:
    """How runs become predictions.

    Attributes:
        runs_max: Runs remembered per batch bucket.
        ratios_max: Runs whose ratio of actual to predicted seconds is remembered.
        cold_runs: Runs in service below which the load-time profile's own spread stands in
            for the ratios.
        cold_factor_min: Least factor on the median while cold.
        cold_factor_max: Largest factor on the median while cold; also the factor when the
            profile is too thin to show its spread.
        profile_runs_min: Runs per bucket from which its median is believed, and from which a
            profile shows its spread.
        admission_quantile: Quantile whose level is steered to its coverage, in (0.5, 1).
        level_step: Step of that steering per run.
        rebuild_runs: Runs after which medians and line are fitted again.
        unknown_s: Seconds assumed of a model that has neither profile nor runs.
        stale_s: Seconds without a run after which a prediction above the load-time profile
            is forgotten: else a slow spell would refuse all calls that could disprove it.
    """

    runs_max: int = 64
    ratios_max: int = 200
    cold_runs: int = 20
    cold_factor_min: float = 1.02
    cold_factor_max: float = 1.5
    profile_runs_min: int = 3
    admission_quantile: float = 0.95
    level_step: float = 0.01
    rebuild_runs: int = 8
    unknown_s: float = 0.001
    stale_s: float = 10.0

    def __post_init__(self) -> None:
        for name in ("runs_max", "ratios_max", "cold_runs", "profile_runs_min", "rebuild_runs"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        if not 1.0 <= self.cold_factor_min <= self.cold_factor_max:
            raise ValueError("cold factors must satisfy 1 <= cold_factor_min <= cold_factor_max")
        if not 0.5 < self.admission_quantile < 1.0:
            raise ValueError("admission_quantile must lie between 0.5 and 1")
        if not 0.0 <= self.level_step <= 0.5:
            raise ValueError("level_step must lie in [0, 0.5]")
        if not (self.unknown_s > 0.0 and self.stale_s > 0.0):
            raise ValueError("unknown_s and stale_s must be positive")
