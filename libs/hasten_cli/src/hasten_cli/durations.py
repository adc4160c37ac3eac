"""Durations as people write them: 50ms, 1.5s, 2m."""

import re
from typing import Final

_UNITS_S: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_FORM: Final = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(us|ms|s|m|h)")


def parse_duration_s(text: str) -> float:
    """Seconds. Raises ValueError, with the form expected, unless it is a positive duration."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no duration: write a number and its unit, as 50ms, 1s or 2m")
    duration_s = float(match[1]) * _UNITS_S[match[2]]
    if duration_s <= 0:
        raise ValueError(f"{text!r} is no duration that anything fits in: it must be positive")
    return duration_s


def format_duration(duration_s: float) -> str:
    """As people read it, three digits or so."""
    if duration_s < 0.9995e-3:
        return f"{duration_s * 1e6:.0f} us"
    if duration_s < 0.9995:
        return f"{_three_digits(duration_s * 1e3)} ms"
    if duration_s < 120:
        return f"{_three_digits(duration_s)} s"
    return f"{duration_s / 60:.1f} m"


def _three_digits(value: float) -> str:
    decimals = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{decimals}f}"
