"""The result in sentences: what somebody with five minutes reads first."""

from collections.abc import Sequence
from math import floor

from hasten_sim.points import Point
from hasten_sim.report.statistics import Interval
from hasten_sim.report.summary import AXES, Cell, GoodUpTo, Summary

NAMED_MAX = 4
"""Policies that the headline names."""


def percent(share: float) -> str:
    """A share as a percentage. It is cut, not rounded, near 1: 99.96 % is not 100 %."""
    if not 0.0 < share < 1.0:
        return f"{share * 100:.0f} %"
    digits = 0 if 0.1 <= share < 0.9 else 1 if 0.001 <= share < 0.999 else 2
    value = share * 100
    if share >= 0.9:
        value = floor(value * 10**digits + 1e-6) / 10**digits
    return f"{value:.{digits}f} %"


def number(value: float) -> str:
    """Three digits or so, thousands apart."""
    if abs(value) >= 100:
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    return f"{value:.3g}"


def span(seconds: float) -> str:
    """A time with its unit: 50 ms, 1.5 s."""
    return f"{number(seconds)} s" if seconds >= 1.0 else f"{number(seconds * 1e3)} ms"


def with_interval(found: Interval, *, scale: float = 1.0, digits: int = 1) -> str:
    """Mean and half width: 97.3 ±0.4; without a half width where one seed says nothing of it."""
    said = f"{found.mean * scale:.{digits}f}"
    return (
        said if found.half is None else f"{said} \N{PLUS-MINUS SIGN}{found.half * scale:.{digits}f}"
    )


def headline(summary: Summary) -> str:
    """The result in one or two sentences."""
    lines = summary.lines()
    first = next(iter(lines.values()))
    if not any(run.offered for cell in summary.cells for run in cell.runs):
        return "No request came in the time that counts: it is too short, or the load too low."
    if len(first) > 1 and summary.axis == "load":
        return _of_loads(summary)
    last = {name: cells[-1] for name, cells in lines.items()}
    where = place(summary, first[-1])
    said = [
        f"{name} answers {percent(cell.over_seeds('attainment').mean)}"
        for name, cell in list(last.items())[:NAMED_MAX]
    ]
    sentence = f"{where}, {'; '.join(said)} of the offered requests in time."
    if len(first) > 1 and summary.axis != "load":
        return sentence + _enough(summary)
    return sentence


def place(summary: Summary, cell: Cell) -> str:
    """Where the cell lies, as a sentence begins."""
    if summary.axis == "load":
        return f"At {cell.load:g}\N{MULTIPLICATION SIGN} the capacity"
    return f"With {_counted(int(summary.x(cell)), summary.axis)}"


def _counted(count: int, axis: str) -> str:
    """8 workers, 1 worker."""
    return f"{count} {axis if count != 1 else axis.removesuffix('s')}"


def _of_loads(summary: Summary) -> str:
    lines = summary.lines()
    goodput = {
        name: [cell.over_seeds("goodput_per_s").mean for cell in cells]
        for name, cells in lines.items()
    }
    peak = max(max(values) for values in goodput.values())
    highest = max(cells[-1].load for cells in lines.values())
    if not peak:
        return "No request was answered in time at any load."
    said = [
        f"{name} keeps {percent(values[-1] / peak)}"
        for name, values in list(goodput.items())[:NAMED_MAX]
    ]
    whose = "of its" if len(lines) == 1 else "of the"
    said[0] += f" {whose} peak goodput"
    return f"At {highest:g}\N{MULTIPLICATION SIGN} the capacity {'; '.join(said)}." + _good(
        summary.good_up_to()[:NAMED_MAX]
    )


def _good(found: Sequence[GoodUpTo]) -> str:
    said = []
    for one in found:
        if one.load is None:
            said.append(f"{one.policy} at no load of the sweep")
        else:
            more = " or more" if one.whole_sweep else ""
            said.append(f"{one.policy} up to {one.load:.2f}\N{MULTIPLICATION SIGN}{more}")
    return f" 99 % of the offered requests are in time: {'; '.join(said)}." if said else ""


def _enough(summary: Summary) -> str:
    """The least of what was swept that is good enough."""
    said = []
    for name, cells in list(summary.lines().items())[:NAMED_MAX]:
        good = [cell for cell in cells if cell.over_seeds("attainment").mean >= 0.99]
        said.append(
            f"{name} with {int(summary.x(good[0]))}" if good else f"{name} with none of the sweep"
        )
    return f" 99 % are in time: {'; '.join(said)} {summary.axis}."


def point_label(point: Point, load: float) -> str:
    """A point for a table: every value that was set, and the load it means."""
    said = [f"load {load:g}"]
    said += [
        _counted(getattr(point, axis), axis)
        for axis in AXES
        if axis != "load" and getattr(point, axis) is not None
    ]
    return ", ".join(said)
