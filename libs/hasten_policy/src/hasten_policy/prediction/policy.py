"""Parameters of the service-time prediction."""

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPolicy:
    """How runs become predictions.

    Attributes:
        band_runs_max: Runs remembered for each band of work (half an octave of elements).
        band_runs_sure: Runs in a band from which its own median counts alone; below, the fit over
            all bands has a say.
        profile_runs: Runs in service that a measurement of the load-time profile is worth.
        profile_near_runs: Real runs within an octave of work after which a measurement of the
            profile is forgotten.
        drift_runs: Newest runs, of any size, that say whether the model has become faster or
            slower as a whole.
        drift_factor: A change of speed below this factor is taken for noise.
        spread_runs_max: Newest runs whose deviation from the fit makes the margin.
        cold_runs: Runs in service below which `cold_factor` is the margin.
        cold_factor: Factor on the typical seconds at and above `high_quantile` while cold.
        factor_max: Most that such a factor can be.
        high_quantile: Quantile that `cold_factor` stands for.
        forget_s: Runs older than this leave the margin, and their band once it has newer ones.
        evidence_s: For so long a run is evidence of what cannot be done in time.
        growth: Work beyond the largest run is charged this share of what proportion would say, ...
        growth_max: ... and no batch is formed of more than so many times the largest run.
        rebuild_runs: Runs after which the fit is renewed.
        rebuild_s: Least time between two fits, once there were `cold_runs`.
        unknown_s: Seconds assumed of a model that has neither profile nor runs.
    """

    band_runs_max: int = 16
    band_runs_sure: int = 12
    profile_runs: float = 4.0
    profile_near_runs: int = 3
    drift_runs: int = 12
    drift_factor: float = 1.25
    spread_runs_max: int = 128
    cold_runs: int = 40
    cold_factor: float = 1.3
    factor_max: float = 1.6
    high_quantile: float = 0.95
    forget_s: float = 10.0
    evidence_s: float = 1.0
    growth: float = 0.5
    growth_max: float = 2.0
    rebuild_runs: int = 8
    rebuild_s: float = 0.02
    unknown_s: float = 0.001

    def __post_init__(self) -> None:
        for name in (
            "band_runs_max",
            "band_runs_sure",
            "profile_near_runs",
            "drift_runs",
            "spread_runs_max",
            "cold_runs",
            "rebuild_runs",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("drift_factor", "cold_factor", "factor_max", "growth_max"):
            value = getattr(self, name)
            if not (isfinite(value) and value >= 1.0):
                raise ValueError(f"{name} must be finite and at least 1")
        for name in ("unknown_s", "forget_s", "evidence_s", "profile_runs"):
            value = getattr(self, name)
            if not (isfinite(value) and value > 0.0):
                raise ValueError(f"{name} must be positive and finite")
        if not 0.0 <= self.growth <= 1.0:
            raise ValueError("growth must lie in [0, 1]")
        if not 0.5 < self.high_quantile < 1.0:
            raise ValueError("high_quantile must lie between 0.5 and 1")
        if not self.rebuild_s >= 0.0:
            raise ValueError("rebuild_s must not be negative")
