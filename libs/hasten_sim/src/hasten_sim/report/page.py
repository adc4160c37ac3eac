"""One HTML file that needs nothing else: no script, no font, no network."""

from collections.abc import Sequence
from html import escape
from typing import Final

from hasten_sim.report import table
from hasten_sim.report.about import About
from hasten_sim.report.pictures import Picture, pictures
from hasten_sim.report.style import style
from hasten_sim.report.summary import Summary
from hasten_sim.report.words import headline

_GOOD_SAYS: Final = (
    "The highest load, interpolated in the sweep, at which 99 % of the offered requests are "
    "answered in time."
)
_PAIRED_SAYS: Final = (
    "Difference by seed, with 95 % interval; an interval that includes 0 shows no difference."
)


def page(summary: Summary, about: About) -> str:
    """The page. The same runs give the same page, byte for byte."""
    title = escape(about.title)
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width,initial-scale=1">',
        f"<title>{title}: simulated with Hasten</title>",
        f"<style>{style()}</style></head><body><main>",
        f"<h1>{title}</h1>",
        f'<p class="soft">{escape(about.description)}</p>' if about.description else "",
        f'<p class="headline">{escape(headline(summary))}</p>',
        "<h2>What was simulated</h2>",
        _facts(about),
        # Before the tables, which are long: most readers need no more than these.
        "<h2>Plots</h2>",
        '<div class="plots">',
        *(_figure(picture) for picture in pictures(summary, about.faults)),
        "</div>",
        "<h2>Figures</h2>",
        _explained(summary),
        _table(table.COLUMNS, table.main_rows(summary)),
        *_more_tables(summary),
        "<h2>Run it again</h2>",
        "<p>The same command gives the same figures, byte for byte.</p>",
        f"<pre>{escape(about.command)}</pre>",
        "</main></body></html>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


def _facts(about: About) -> str:
    pairs = "".join(f"<dt>{escape(name)}</dt><dd>{escape(says)}</dd>" for name, says in about.facts)
    return f"<dl>{pairs}</dl>"


def _explained(summary: Summary) -> str:
    seeds = len(summary.seeds)
    said = (
        "All shares are of the offered requests: a refusal counts as a miss. Latency is that of "
        "answers in time. missed is the share of admitted requests that missed their "
        "deadline; wasted is the share of busy time spent on requests that did not end in time; "
        "fairness is Jain's index of the tenants. "
    )
    said += (
        f"Mean of {seeds} seeds with 95 % interval."
        if seeds > 1
        else "One seed: no interval can be given; use --seeds."
    )
    return f'<p class="note">{said}</p>'


def _more_tables(summary: Summary) -> list[str]:
    parts = []
    if tasks := table.task_rows(summary):
        parts += ["<h2>Tasks beside the requests</h2>", _table(table.TASKS, tasks)]
    if good := table.good_rows(summary):
        parts += [
            "<h2>goodput@99</h2>",
            f'<p class="note">{_GOOD_SAYS}</p>',
            _table(table.GOOD, good),
        ]
    if verdicts := table.verdict_rows(summary):
        parts += [
            "<h2>Compared on the same seeds</h2>",
            f'<p class="note">{_PAIRED_SAYS}</p>',
            _table(table.VERDICTS, verdicts),
        ]
    return parts


def _table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    classes = [' class="number"' if column.endswith(">") else "" for column in columns]
    head = "".join(
        f"<th{css}>{escape(column.removesuffix('>'))}</th>"
        for column, css in zip(columns, classes, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{css}>{escape(cell)}</td>" for cell, css in zip(row, classes, strict=True))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _figure(picture: Picture) -> str:
    legend = "".join(f"<li>{svg}{escape(name)}</li>" for svg, name in picture.legend)
    plots = "".join(
        f"<div>{f'<h3>{escape(title)}</h3>' if title else ''}{svg}</div>"
        for title, svg in picture.svgs
    )
    many = len(picture.svgs) > 1
    note = f'<p class="note">{escape(picture.note)}</p>' if picture.note else ""
    return (
        f"<figure{' class=wide' if many else ''}><h2>{escape(picture.title)}</h2>{note}"
        f'<ul class="legend">{legend}</ul>'
        f"{f'<div class=many>{plots}</div>' if many else plots}</figure>"
    )
