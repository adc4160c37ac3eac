"""Groups of settings that had another name: what operators wrote then still sets them.

Where both names are given, the present one counts; of two flags the last one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Names = Mapping[str, str]
"""Earlier names of groups, and what the groups are called."""


def flags(argv: Sequence[str], names: Names) -> list[str]:
    """The arguments under the present names."""
    leads = {f"--{old}.": f"--{new}." for old, new in names.items()}
    return [_under(word, leads) for word in argv]


def variables(environ: Mapping[str, str], prefix: str, names: Names) -> dict[str, str]:
    """The environment under the present names."""
    leads = {f"{prefix}{old}__".upper(): f"{prefix}{new}__".upper() for old, new in names.items()}
    called = {name: _under(name, leads) for name in environ}
    earlier = {now: environ[name] for name, now in called.items() if now != name}
    return {**earlier, **{name: environ[name] for name, now in called.items() if now == name}}


def tables(values: Mapping[str, Any], names: Names) -> dict[str, Any]:
    """A file's values under the present names."""
    found = {name: value for name, value in values.items() if name not in names}
    for old, new in names.items():
        earlier, now = values.get(old), found.get(new, {})
        if isinstance(earlier, Mapping) and isinstance(now, Mapping):
            found[new] = {**earlier, **now}
    return found


def _under(word: str, leads: Mapping[str, str]) -> str:
    for old, new in leads.items():
        if word.startswith(old):
            return new + word.removeprefix(old)
    return word
