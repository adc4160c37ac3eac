"""Which plots a report has, and what is on them."""

from collections.abc import Sequence
from dataclasses import dataclass

from hasten_sim.report.bars import stacked_bars
from hasten_sim.report.plot import Axes, Band, Dot, Series, line_plot, swatch
from hasten_sim.report.summary import Cell, Summary
from hasten_sim.report.words import place

QUANTILES = ("p50", "p90", "p99", "p99.9", "p99.99")


@dataclass(frozen=True, slots=True)
class Picture:
    """A plot with what is written around it.

    Attributes:
        title: What it shows.
        note: How to read it, one sentence.
        legend: Swatch and name of each series.
        svgs: Title ("" for none) and the plot; more than one for small multiples.
    """

    title: str
    note: str
    legend: tuple[tuple[str, str], ...]
    svgs: tuple[tuple[str, str], ...]


def pictures(summary: Summary, faults: Sequence[Band]) -> list[Picture]:
    """All plots that the runs have something for."""
    found = []
    if any(len(cells) > 1 for cells in summary.lines().values()):
        found += [
            _swept(summary, "goodput_per_s", 1.0, "Goodput", "answers in time (1/s)"),
            _swept(summary, "attainment", 100.0, "Attainment", "in time, of the offered (%)"),
        ]
    found.append(_ends(summary))
    shown = _shown(summary)
    found.append(_latency(summary, shown))
    if faults:
        found.append(_by_second(summary, shown, faults))
    return found


def x_says(summary: Summary) -> str:
    """Name and unit of the swept axis."""
    return {
        "load": "offered load (multiple of the capacity)",
        "workers": "workers (number)",
        "routers": "routers (number)",
    }[summary.axis]


def _swept(summary: Summary, metric: str, scale: float, title: str, y_says: str) -> Picture:
    series = []
    for name, cells in summary.lines().items():
        dots = []
        for cell in cells:
            found = cell.over_seeds(metric)
            low, mean, high = (scale * each for each in (found.low, found.mean, found.high))
            says = f"{mean:.4g} at {summary.x(cell):g}"
            dots.append(Dot(summary.x(cell), mean, max(0.0, low), high, says))
        series.append(Series(name, tuple(dots)))
    axes = Axes(x_says(summary), y_says, y_max=100.0 if metric == "attainment" else None)
    note = "Whiskers: 95 % interval over the seeds." if len(summary.seeds) > 1 else ""
    return Picture(title, note, _legend(series), (("", line_plot(axes, series)),))


def _ends(summary: Summary) -> Picture:
    lines = summary.lines()
    ends = {name: [cell.ends() for cell in cells] for name, cells in lines.items()}
    looks: dict[str, int] = {"in_time": 0, "late": 1, "abandoned": 2}
    for reason in sorted({key for each in ends.values() for one in each for key in one}):
        looks.setdefault(reason, len(looks))
    seen = [
        what
        for what in looks
        if any(one.get(what, 0.0) > 0.0 for each in ends.values() for one in each)
    ]
    svgs = []
    for name, cells in lines.items():
        bars = [
            (f"{summary.x(cell):g}", shares) for cell, shares in zip(cells, ends[name], strict=True)
        ]
        svgs.append((name, stacked_bars(x_says(summary), bars, looks)))
    legend = tuple((_block(looks[what]), what.replace("_", " ")) for what in seen)
    note = "Every offered request ends in one way; refusals by their reason."
    return Picture("What became of the requests", note, legend, tuple(svgs))


def _latency(summary: Summary, shown: Sequence[tuple[str, Cell]]) -> Picture:
    series = [
        Series(
            name,
            tuple(_quantile(index, quantile, cell) for index, quantile in enumerate(QUANTILES)),
        )
        for name, cell in shown
    ]
    axes = Axes("quantile of the answers in time", "latency (ms)", x_names=QUANTILES)
    where = place(summary, shown[0][1])
    note = f"{where}. Answers that came too late and refusals are not among them."
    return Picture("Latency", note, _legend(series), (("", line_plot(axes, series)),))


def _quantile(index: int, quantile: str, cell: Cell) -> Dot:
    found = cell.over_seeds(f"latency_ms_{quantile}")
    says = f"{found.mean:.4g} ms at {quantile}"
    return Dot(float(index), found.mean, max(0.0, found.low), found.high, says)


def _by_second(
    summary: Summary, shown: Sequence[tuple[str, Cell]], faults: Sequence[Band]
) -> Picture:
    series = []
    for name, cell in shown:
        dots = [
            Dot(float(second), mean, mean, mean, "") for second, mean in enumerate(_seconds(cell))
        ]
        series.append(Series(name, tuple(dots)))
    axes = Axes("second of the run (s)", "answers in time (1/s)", markers=False)
    said = "; ".join(dict.fromkeys(band.says for band in faults))
    note = f"{place(summary, shown[0][1])}. Shaded: {said}."
    return Picture(
        "Goodput over time", note, _legend(series), (("", line_plot(axes, series, faults)),)
    )


def _seconds(cell: Cell) -> list[float]:
    """Mean answers in time by second of arrival, as long as there were arrivals."""
    runs = cell.runs
    offered = [sum(column) for column in zip(*(run.offered_by_s for run in runs), strict=False)]
    while offered and not offered[-1]:
        offered.pop()
    good = [sum(column) for column in zip(*(run.goodput_by_s for run in runs), strict=False)]
    return [count / len(runs) for count in good[: len(offered)]]


def _shown(summary: Summary) -> list[tuple[str, Cell]]:
    """One cell a line: of a swept load the one nearest to the capacity, else the last."""
    if summary.axis == "load":
        return [
            (name, min(cells, key=lambda cell: (abs(cell.load - 1.0), cell.load)))
            for name, cells in summary.lines().items()
        ]
    return [(name, cells[-1]) for name, cells in summary.lines().items()]


def _legend(series: Sequence[Series]) -> tuple[tuple[str, str], ...]:
    return tuple((swatch(index), one.name) for index, one in enumerate(series))


def _block(look: int) -> str:
    return (
        '<svg class="swatch block" viewBox="0 0 12 12" aria-hidden="true">'
        f'<rect class="e{look % 8}" width="12" height="12"/></svg>'
    )
