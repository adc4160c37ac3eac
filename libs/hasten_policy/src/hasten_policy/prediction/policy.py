"""Parameters of the service-time prediction."""

from dataclasses import dataclass
from math import isfinite


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPolicy:
    """How runs become predictions.

    Attributes:
        band_runs_max: The predictor remembers so many runs for each band of work (half an octave of
            elements).
        band_runs_sure: The median of a band counts alone when the band has so many runs. With fewer
            runs the fit over all bands has a say.
        profile_runs: A measurement of the load-time profile is worth so many runs in service.
        profile_near_runs: A measurement of the profile is forgotten after so many real runs within
            an octave of its work.
        drift_runs: So many of the newest runs, of any size, say whether the model has become faster
            or slower as a whole.
        drift_factor: A change of speed below this factor is taken for noise.
        shift_runs: So many runs in a row show whether the model has become another one.
        shift_factor: The model has become another one when most of `shift_runs` runs were off by
            this factor. What was measured before then counts at the new speed, or no more when the
            old runs and the new have no speed in common.
        spread_runs_max: The deviations of so many of the newest runs from the fit make the margin.
        cold_runs: A model is cold, and `cold_factor` is its margin, until it has had so many runs
            in service.
        cold_factor: A cold model's typical seconds are multiplied by this factor at and above
            `high_quantile`.
        factor_max: The margin multiplies the typical seconds by at most this factor.
        high_quantile: The factor `cold_factor` stands for this quantile.
        forget_s: A run leaves the margin after so many seconds, and leaves its band once the band
            has newer runs.
        evidence_s: A run is evidence of what cannot be done in time for so many seconds.
        growth: Work beyond the largest run is charged this share of what proportion would say.
        growth_max: No batch is formed of more than so many times the work of the largest run.
        rebuild_runs: The fit is renewed after so many runs.
        rebuild_s: Two fits lie at least so many seconds apart once there were `cold_runs` runs.
        unknown_s: A model that has neither profile nor runs is taken to need so many seconds.
    """

    band_runs_max: int = 16
    band_runs_sure: int = 12
    profile_runs: float = 4.0
    profile_near_runs: int = 3
    drift_runs: int = 12
    drift_factor: float = 1.25
    shift_runs: int = 8
    shift_factor: float = 1.5
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
            "shift_runs",
            "spread_runs_max",
            "cold_runs",
            "rebuild_runs",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1")
        for name in ("drift_factor", "shift_factor", "cold_factor", "factor_max", "growth_max"):
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
