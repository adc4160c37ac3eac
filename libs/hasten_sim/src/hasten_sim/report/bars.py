"""Stacked bars as SVG text: what became of the requests."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

from hasten_sim.report.axis import Scale
from hasten_sim.report.plot import BOTTOM, HEIGHT, LEFT, LOOKS, RIGHT, TOP, WIDTH, Axes, frame, svg

WIDE_MAX: Final = 46.0
NAMES_MAX: Final = 12
"""Bars whose name is written; of more, every second or third."""


def stacked_bars(
    x_says: str, bars: Sequence[tuple[str, Mapping[str, float]]], looks: Mapping[str, int]
) -> str:
    """One bar of height 100 % a point.

    Args:
        x_says: Name and unit of x.
        bars: Name of each bar and the shares that it consists of, from the bottom.
        looks: Number of the colour of each share, by name.
    """
    axes = Axes(x_says, "share of the offered (%)")
    y = Scale(0.0, 100.0, HEIGHT - BOTTOM, TOP)
    x = Scale(-0.5, len(bars) - 0.5, LEFT, WIDTH - RIGHT)
    parts = frame(axes, x, y, [], [0.0, 25.0, 50.0, 75.0, 100.0])
    step = (WIDTH - RIGHT - LEFT) / len(bars)
    wide = min(WIDE_MAX, step * 0.7)
    every = -(-len(bars) // NAMES_MAX)
    for index, (name, shares) in enumerate(bars):
        middle = x.at(float(index))
        parts += _bar(middle - wide / 2, wide, name, shares, looks, y)
        if index % every == 0:
            parts.append(
                f'<text class="tick" x="{middle:.1f}" y="{HEIGHT - BOTTOM + 18}" '
                f'text-anchor="middle">{escape(name)}</text>'
            )
    return svg(f"How the requests ended, against {x_says}", parts)


def _bar(
    left: float,
    wide: float,
    name: str,
    shares: Mapping[str, float],
    looks: Mapping[str, int],
    y: Scale,
) -> list[str]:
    parts = []
    below = 0.0
    for what, share in shares.items():
        if share <= 0.0:
            continue
        bottom, top = y.at(below * 100), y.at((below + share) * 100)
        below += share
        parts.append(
            f'<rect class="e{looks[what] % LOOKS}" x="{left:.1f}" y="{top:.2f}" '
            f'width="{wide:.1f}" height="{bottom - top:.2f}">'
            f"<title>{escape(name)}: {escape(what)} {share * 100:.2f} %</title></rect>"
        )
    return parts
