"""What one machine leaves to the next, as text."""

import json
from dataclasses import dataclass, field
from math import isfinite

from hasten_policy.scaling.sight import Plain


@dataclass(frozen=True, slots=True)
class Kept:
    """What is worth knowing after a restart.

    Attributes:
        rule: Which rule decided.
        desired: What was decided last; 0 for nothing.
        took: Seconds that starts took, oldest first.
        learnt: What the rule keeps.
    """

    rule: str = ""
    desired: int = 0
    took: list[float] = field(default_factory=list[float])
    learnt: dict[str, Plain] = field(default_factory=dict[str, Plain])


def text_of(kept: Kept) -> str:
    """As it lies in a store."""
    values = (kept.rule, kept.desired, kept.took, kept.learnt)
    return json.dumps(values, separators=(",", ":"))


def kept_of(text: str) -> Kept:
    """What a text says; whatever of it cannot be is as if it were not there."""
    try:
        found: Plain = json.loads(text)
    except (ValueError, RecursionError):
        return Kept()
    match found:
        case [str() as rule, int() as desired, list() as took, dict() as learnt]:
            pass
        case _:
            return Kept()
    return Kept(
        rule,
        max(0, desired),
        [float(each) for each in took if isinstance(each, int | float) and _is_time(each)],
        learnt,
    )


def _is_time(value: float) -> bool:
    return isfinite(value) and value > 0
