"""The result as columns and rows of text, for a terminal and for the page."""

from typing import Final

from hasten_sim.report.statistics import Interval
from hasten_sim.report.summary import Cell, Summary
from hasten_sim.report.words import number, point_label, with_interval

Rows = list[tuple[str, ...]]

COLUMNS: Final = (
    "policy",
    "at",
    "in time %>",
    "goodput /s>",
    "p50 ms>",
    "p99 ms>",
    "p99.9 ms>",
    "p99.99 ms>",
    "refused %>",
    "missed %>",
    "wasted %>",
    "busy %>",
    "batch>",
    "fairness>",
)
"""A name that ends in ">" is of numbers, to be aligned at the right."""

_KEYS: Final = COLUMNS[:2]
_PARTS: Final = (
    ("in time %>", "goodput /s>", "p50 ms>", "p99 ms>", "refused %>"),
    ("p99.9 ms>", "p99.99 ms>", "missed %>", "wasted %>"),
    ("busy %>", "batch>", "fairness>"),
)
"""Columns that fit a terminal of 80, beside policy and point; the most wanted ones first."""

VERDICTS: Final = ("policy", "at", "against", "in time, points>", "goodput /s>", "verdict")
REASONS: Final = ("policy", "at", "ended as", "share %>")
TASKS: Final = (
    "policy",
    "at",
    "tasks",
    "done /s>",
    "in time %>",
    "failed %>",
    "runs>",
    "p50 ms>",
    "p99 ms>",
)
"""Runs are claims of the store for each task that has ended; ages run from the submission."""
GOOD: Final = ("policy", "load>", "goodput /s>")


def main_rows(summary: Summary) -> Rows:
    """One row a policy and point."""
    return [_row(cell) for cell in summary.cells]


def parts(summary: Summary) -> list[tuple[tuple[str, ...], Rows]]:
    """The main table in parts, columns and rows each, for a terminal."""
    rows = main_rows(summary)
    found = []
    for part in _PARTS:
        columns = (*_KEYS, *part)
        at = [COLUMNS.index(column) for column in columns]
        found.append((columns, [tuple(row[index] for index in at) for row in rows]))
    return found


def verdict_rows(summary: Summary) -> Rows:
    """Each policy against the first one."""
    return [
        (
            each.policy,
            point_label(each.point, summary.cell(each.policy, each.point).load),
            each.against,
            _signed(each.attainment.difference, scale=100.0),
            _signed(each.goodput_per_s.difference),
            each.attainment.verdict,
        )
        for each in summary.comparisons()
    ]


def reason_rows(summary: Summary) -> Rows:
    """How requests ended that did not end in time; ends that never happened are left out."""
    return [
        (cell.policy, point_label(cell.point, cell.load), name, f"{share * 100:.2f}")
        for cell in summary.cells
        for name, share in cell.ends().items()
        if share and name != "in_time"
    ]


def task_rows(summary: Summary) -> Rows:
    """What became of the tasks beside the requests, a row a flow."""
    rows: Rows = []
    for cell in summary.cells:
        for flows in zip(*(figures.tasks for figures in cell.runs), strict=True):
            failed = sum(sum(flow.failed.values()) for flow in flows)
            ended = sum(flow.done for flow in flows) + failed or 1
            runs = len(flows)
            rows.append(
                (
                    cell.policy,
                    point_label(cell.point, cell.load),
                    flows[0].name,
                    number(sum(flow.done_per_s for flow in flows) / runs),
                    f"{sum(flow.in_time for flow in flows) / ended * 100:.1f}",
                    f"{failed / ended * 100:.1f}",
                    f"{sum(flow.runs for flow in flows) / ended:.2f}",
                    number(sum(flow.age_ms["p50"] for flow in flows) / runs),
                    number(sum(flow.age_ms["p99"] for flow in flows) / runs),
                )
            )
    return rows


def good_rows(summary: Summary) -> Rows:
    """Goodput@99."""
    rows: Rows = []
    for one in summary.good_up_to():
        if one.load is None or one.goodput_per_s is None:
            rows.append((one.policy, "none", "-"))
        else:
            more = " or more" if one.whole_sweep else ""
            rows.append((one.policy, f"{one.load:.2f}{more}", number(one.goodput_per_s)))
    return rows


def _row(cell: Cell) -> tuple[str, ...]:
    refused = sum(
        share for name, share in cell.ends().items() if name not in {"in_time", "late", "abandoned"}
    )
    quantiles = [
        number(cell.over_seeds(f"latency_ms_{name}").mean)
        for name in ("p50", "p99", "p99.9", "p99.99")
    ]
    return (
        cell.policy,
        point_label(cell.point, cell.load),
        with_interval(cell.over_seeds("attainment"), scale=100.0),
        with_interval(cell.over_seeds("goodput_per_s"), digits=0),
        *quantiles,
        f"{refused * 100:.1f}",
        with_interval(cell.over_seeds("miss_given_admitted"), scale=100.0, digits=2),
        f"{cell.over_seeds('wasted_share').mean * 100:.1f}",
        f"{cell.over_seeds('utilisation').mean * 100:.0f}",
        f"{cell.over_seeds('batch_rows_mean').mean:.1f}",
        f"{cell.over_seeds('fairness').mean:.2f}",
    )


def _signed(found: Interval, *, scale: float = 1.0) -> str:
    said = f"{found.mean * scale:+.1f}"
    return said if found.half is None else f"{said} \N{PLUS-MINUS SIGN}{found.half * scale:.1f}"
