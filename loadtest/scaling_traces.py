"""Demand over time, for the comparison of scaling rules."""

from typing import Final

from loadtest.evaluation.setting import Setting
from loadtest.scaling_series import SERIES, Series

FILE: Final = "scaling.toml"
RAMP_STEPS: Final = 30


def _steps(rate_per_s: float, steps: list[tuple[float, float]]) -> str:
    told = ", ".join(f"{{ at_s = {at_s:g}, factor = {factor:g} }}" for at_s, factor in steps)
    return f'[arrivals]\nprocess = "step"\nrate_per_s = {rate_per_s:g}\nsteps = [{told}]\n'


def _diurnal(rate_per_s: float, period_s: float, amplitude: float) -> str:
    return (
        f'[arrivals]\nprocess = "diurnal"\nrate_per_s = {rate_per_s:g}\nperiod_s = {period_s:g}\n'
        f"amplitude = {amplitude:g}\n"
    )


def _ramp() -> list[tuple[float, float]]:
    """To five times as much in half an hour, and back in another."""
    up = [(1200.0 + 60.0 * at, 1.0 + 4.0 * at / RAMP_STEPS) for at in range(1, RAMP_STEPS + 1)]
    down = [(3600.0 + 60.0 * at, 5.0 - 4.0 * at / RAMP_STEPS) for at in range(1, RAMP_STEPS + 1)]
    return up + down


def _crowd() -> list[tuple[float, float]]:
    """Five times as many within a minute, and away in ten."""
    come = [(1800.0 + 15.0 * at, 1.0 + at) for at in range(1, 5)]
    go = [(2400.0 + 60.0 * at, 5.0 - 0.4 * at) for at in range(1, 11)]
    return come + go


def _bursts() -> str:
    return (
        '[arrivals]\nprocess = "mmpp"\nrate_per_s = 40\n'
        "states = [{ factor = 0.7, mean_s = 600 }, { factor = 1.6, mean_s = 300 }]\n"
    )


def _planned(known: str = "") -> str:
    """A day with a batch each quarter of an hour, of four workers for a minute."""
    batch = (
        "[[pool.planned]]\nat_s = 450\nevery_s = 900\nwork_s = 240\ntasks = 2400\n"
        f"deadline_s = 60\n{known}"
    )
    return f"{_diurnal(40, 3600, 0.5)}[pool]\nday_s = 3600\n{batch}"


def _real(series: Series) -> Setting:
    warmup_s = series.warmup_days * series.day_s
    return Setting(FILE, series.arrivals(), series.duration_s, warmup_s)


PLANNED: Final = "planned batches"
MADE: Final = {
    "step": Setting(FILE, _steps(30, [(1200, 3), (2400, 1)]), 4200, 600),
    "ramp": Setting(FILE, _steps(25, _ramp()), 6600, 600),
    "sine ±10 %": Setting(FILE, _diurnal(60, 600, 0.1), 5400, 900),
    "diurnal": Setting(FILE, f"{_diurnal(40, 3600, 0.8)}[pool]\nday_s = 3600\n", 10_800, 7200),
    "flash crowd": Setting(FILE, _steps(25, _crowd()), 5400, 600),
    "bursts": Setting(FILE, _bursts(), 7200, 600),
    PLANNED: Setting(FILE, _planned(), 10_800, 7200),
}
"""Name to workload; a day takes an hour, and its first two are for learning."""
UNPLANNED: Final = Setting(FILE, _planned("known_s = 0\n"), 10_800, 7200)
"""The same batches, of which nothing is known before they may start."""
REAL: Final = {series.name.replace("_", " "): _real(series) for series in SERIES}
TRACES: Final = {**MADE, **REAL}
