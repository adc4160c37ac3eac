"""Sizes as people write them: 64MiB, 1.5GB, 4096."""

import re
from typing import Final

_UNITS: Final = {
    "": 1,
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KIB": 2**10,
    "MIB": 2**20,
    "GIB": 2**30,
}
_FORM: Final = re.compile(r"(\d{1,18}(?:\.\d{0,9})?)\s*([A-Za-z]{0,3})")


def parse_size_bytes(text: str) -> int:
    """Bytes, rounded down. Raises ValueError, with the form expected, for what is no size."""
    match = _FORM.fullmatch(text.strip())
    unit = _UNITS.get(match[2].upper()) if match is not None else None
    if match is None or unit is None:
        raise ValueError(f"{text!r} is no size: write a number and its unit, as 64MiB or 1GB")
    return int(float(match[1]) * unit) if "." in match[1] else int(match[1]) * unit
