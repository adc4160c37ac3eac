"""`--sweep load=0.5:3:0.5` as values, and the points that they make."""

from collections.abc import Mapping, Sequence
from itertools import product
from math import inf
from typing import TYPE_CHECKING, Final

from hasten_cli.failures import USAGE, CommandError

if TYPE_CHECKING:
    from hasten_sim.points import Point

AXES: Final = ("load", "workers", "routers")
VALUES_MAX: Final = 200
_FORMS: Final = "write load=0.5:3:0.5 (from, to, step) or workers=1,2,4"

Sweep = dict[str, list[float]]


def parse(text: str) -> tuple[str, list[float]]:
    """The axis and its values.

    Raises:
        CommandError: It is no sweep.
    """
    axis, found, values = text.partition("=")
    axis = axis.strip()
    if not found or axis not in AXES:
        raise _fault(f"--sweep {text}: expected one of {', '.join(AXES)} and its values")
    try:
        numbers = _span(values) if ":" in values else [float(one) for one in values.split(",")]
    except ValueError:
        raise _fault(
            f"--sweep {text}: {values!r} is neither a span nor a list of numbers"
        ) from None
    if len(numbers) > VALUES_MAX:
        raise _fault(f"--sweep {text}: {len(numbers)} values, at most {VALUES_MAX} are taken")
    for number in numbers:
        check(axis, number, f"--sweep {text}")
    return axis, numbers


def check(axis: str, number: float, where: str) -> None:
    """Raises CommandError unless the number can be a value of the axis."""
    if not 0.0 < number < 1e6:
        raise _fault(
            f"{where}: {number:g} is no value of {axis}: it must be positive and below 1e6"
        )
    if axis != "load" and number != int(number):
        raise _fault(f"{where}: {number:g} {axis}: expected a whole number")


def points(swept: Mapping[str, Sequence[float]]) -> "list[Point]":
    """Every combination of the values, in order; one that changes nothing when there are none."""
    from hasten_sim.points import Point

    axes = [axis for axis in AXES if axis in swept]
    found = []
    for values in product(*(swept[axis] for axis in axes)):
        at = dict(zip(axes, values, strict=True))
        found.append(
            Point(
                load=at.get("load"),
                workers=int(at["workers"]) if "workers" in at else None,
                routers=int(at["routers"]) if "routers" in at else None,
            )
        )
    return found


def text_of(axis: str, values: Sequence[float]) -> str:
    """A sweep as it is typed."""
    return f"{axis}={','.join(f'{value:g}' for value in values)}"


def _span(text: str) -> list[float]:
    """From, to (included) and step. Raises ValueError."""
    low, high, step = (float(part) for part in text.split(":"))
    if not (0.0 < step < inf and -inf < low <= high < inf):
        raise ValueError(text)
    count = int((high - low) / step + 1e-9) + 1
    if count > VALUES_MAX:
        raise _fault(f"--sweep: {text} has {count} values, at most {VALUES_MAX} are taken")
    # Ten digits: 0.1 * 3 is to read as 0.3.
    return [round(low + index * step, 10) for index in range(count)]


def _fault(message: str) -> CommandError:
    return CommandError(message, next_step=_FORMS, code=USAGE)
