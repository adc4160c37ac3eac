"""Plots as SVG text. Legends, titles and colours belong to the page around them."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from hasten_sim.report.axis import Scale, tick_text, ticks

WIDTH: Final = 640
HEIGHT: Final = 300
LEFT: Final = 72
RIGHT: Final = 18
TOP: Final = 14
BOTTOM: Final = 48
LOOKS: Final = 8
"""Series that look different: colour, dash and marker; the ninth looks like the first."""


@dataclass(frozen=True, slots=True)
class Dot:
    """One value of a series.

    Attributes:
        x: Where.
        y: The value.
        low: Lower end of its interval; y for none.
        high: Upper end.
        says: What it shows when pointed at.
    """

    x: float
    y: float
    low: float
    high: float
    says: str


@dataclass(frozen=True, slots=True)
class Series:
    """One line.

    Attributes:
        name: For the legend.
        dots: By ascending x.
    """

    name: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True, slots=True)
class Band:
    """A span of x that is shaded, and why."""

    low: float
    high: float
    says: str


@dataclass(frozen=True, slots=True)
class Axes:
    """What the axes say.

    Attributes:
        x_says: Name and unit of x.
        y_says: Name and unit of y.
        y_max: Upper end of y; None to fit the values.
        x_names: Names of x = 0, 1, 2 … instead of numbers.
        markers: Draw one at each value; not for long lines.
    """

    x_says: str
    y_says: str
    y_max: float | None = None
    x_names: tuple[str, ...] = ()
    markers: bool = True


def line_plot(axes: Axes, series: Sequence[Series], bands: Sequence[Band] = ()) -> str:
    """Lines with intervals over a common x; an empty frame of nothing."""
    dots = [dot for one in series for dot in one.dots] or [Dot(0.0, 0.0, 0.0, 0.0, "")]
    y_ticks = ticks(0.0, axes.y_max or max(dot.high for dot in dots) or 1.0)
    x_ticks = _x_ticks(axes, [dot.x for dot in dots])
    x = Scale(x_ticks[0], x_ticks[-1], LEFT, WIDTH - RIGHT)
    y = Scale(0.0, y_ticks[-1], HEIGHT - BOTTOM, TOP)
    parts = [_band(band, x) for band in bands if band.low < x.high]
    parts += frame(axes, x, y, x_ticks, y_ticks)
    for index, one in enumerate(series):
        parts.append(_line(one, index, x, y, markers=axes.markers))
    return svg(f"{axes.y_says} against {axes.x_says}", parts)


def svg(says: str, parts: Sequence[str]) -> str:
    """The picture; `says` is for those who hear it read."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(says)}">'
        + "".join(parts)
        + "</svg>"
    )


def swatch(index: int) -> str:
    """How series number `index` looks, for a legend."""
    look = index % LOOKS
    return (
        '<svg class="swatch" viewBox="0 0 34 12" aria-hidden="true">'
        f'<path class="line s{look}" d="M1 6H33"/>{_marker(look, 17.0, 6.0, "")}</svg>'
    )


def frame(
    axes: Axes, x: Scale, y: Scale, x_ticks: Sequence[float], y_ticks: Sequence[float]
) -> list[str]:
    """Grid, ticks and names of the axes."""
    parts = []
    for tick in y_ticks:
        at = y.at(tick)
        parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}"/>')
        text = tick_text(tick, y_ticks)
        parts.append(
            f'<text class="tick" x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{text}</text>'
        )
    for tick in x_ticks:
        text = _x_text(axes, tick, x_ticks)
        if text:
            parts.append(
                f'<text class="tick" x="{x.at(tick):.1f}" y="{HEIGHT - BOTTOM + 18}" '
                f'text-anchor="middle">{escape(text)}</text>'
            )
    parts.append(f'<path class="base" d="M{LEFT} {y.start:.1f}H{WIDTH - RIGHT}"/>')
    middle = (TOP + HEIGHT - BOTTOM) / 2
    parts.append(
        f'<text class="axis" x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 8}" '
        f'text-anchor="middle">{escape(axes.x_says)}</text>'
        f'<text class="axis" transform="translate(14 {middle:.0f}) rotate(-90)" '
        f'text-anchor="middle">{escape(axes.y_says)}</text>'
    )
    return parts


def _x_ticks(axes: Axes, values: Sequence[float]) -> list[float]:
    if axes.x_names:
        # Half a step of air at both ends.
        return [-0.5, *range(len(axes.x_names)), len(axes.x_names) - 0.5]
    low, high = min(values), max(values)
    if low == high:
        return [low - 0.5, low, low + 0.5]
    return ticks(0.0 if low < high / 3 else low, high)


def _x_text(axes: Axes, tick: float, shown: Sequence[float]) -> str:
    if not axes.x_names:
        return tick_text(tick, shown)
    return axes.x_names[int(tick)] if tick == int(tick) and tick >= 0 else ""


def _band(band: Band, x: Scale) -> str:
    low, high = x.at(band.low), x.at(band.high)
    return (
        f'<rect class="band" x="{low:.1f}" y="{TOP}" width="{max(2.0, high - low):.1f}" '
        f'height="{HEIGHT - BOTTOM - TOP}"><title>{escape(band.says)}</title></rect>'
    )


def _line(series: Series, index: int, x: Scale, y: Scale, *, markers: bool) -> str:
    if not series.dots:
        return ""
    look = index % LOOKS
    places = [(x.at(dot.x), y.at(dot.y)) for dot in series.dots]
    path = "L".join(f"{px:.1f} {py:.1f}" for px, py in places)
    parts = [f'<path class="line s{look}" d="M{path}"><title>{escape(series.name)}</title></path>']
    if markers:
        for dot, (px, py) in zip(series.dots, places, strict=True):
            if dot.high > dot.low:
                low, high = y.at(dot.low), y.at(dot.high)
                ends = f"M{px - 4:.1f} {low:.1f}h8M{px - 4:.1f} {high:.1f}h8"
                parts.append(
                    f'<path class="whisker s{look}" d="M{px:.1f} {low:.1f}V{high:.1f}{ends}"/>'
                )
            parts.append(_marker(look, px, py, f"{series.name}: {dot.says}"))
    return "".join(parts)


def _marker(look: int, x: float, y: float, says: str) -> str:
    """A shape of its own for each look, so that colour is not all that tells them apart."""
    shapes = (
        f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0Z",
        f"M{x - 4:.1f} {y - 4:.1f}h8v8h-8Z",
        f"M{x:.1f} {y - 5:.1f}l5 9h-10Z",
        f"M{x:.1f} {y - 5:.1f}l5 5l-5 5l-5 -5Z",
        f"M{x:.1f} {y + 5:.1f}l5 -9h-10Z",
        f"M{x - 5:.1f} {y - 1.5:.1f}h10v3h-10Z",
        f"M{x - 1.5:.1f} {y - 5:.1f}h3v10h-3Z",
        f"M{x - 3:.1f} {y - 5:.1f}h6l2 5l-2 5h-6l-2 -5Z",
    )
    title = f"<title>{escape(says)}</title>" if says else ""
    return f'<path class="marker s{look}" d="{shapes[look]}">{title}</path>'
