"""A workload under one or more policies: tables, JSON, one page."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from hasten_cli.failures import FAILED, USAGE, CommandError
from hasten_cli.output import print_json, print_table
from hasten_cli.simulating.plan import WorkloadOptions, plan
from hasten_cli.simulating.progress import bar, run_jobs

if TYPE_CHECKING:
    from hasten_sim.report.summary import Summary


def compare(options: WorkloadOptions, report: Path | None, *, as_json: bool) -> None:
    """Runs everything and says what came of it.

    Args:
        options: What to run.
        report: Where the page is written; None for nowhere.
        as_json: Print JSON instead of tables.
    """
    from hasten_sim.report.about import about
    from hasten_sim.report.document import document
    from hasten_sim.report.page import page
    from hasten_sim.report.summary import summed_up

    asked = plan(options)
    if report is not None:
        _check_writable(report)
    with bar() as shown:
        figures = run_jobs(asked.jobs, options.processes, shown)
    summary = summed_up(asked.jobs, figures)
    told = about(
        asked.source,
        description=asked.workload.description,
        command=asked.command,
        seeds=options.seeds.all(),
        points=asked.points,
    )
    if as_json:
        print_json(document(summary, told))
    else:
        _print(summary)
        print(f"\nagain:  {asked.command}")
    # Last: what took long is on the screen when the disk is full.
    if report is not None:
        _write(report, page(summary, told))
        if not as_json:
            print(f"\nreport: {report}")


def _print(summary: "Summary") -> None:
    from hasten_sim.report import table
    from hasten_sim.report.words import headline

    print(headline(summary))
    for columns, rows in table.parts(summary):
        print()
        print_table(columns, rows, empty="")
    for title, columns, rows in (
        ("refused, late, abandoned", table.REASONS, table.reason_rows(summary)),
        ("tasks beside the requests", table.TASKS, table.task_rows(summary)),
        (
            "goodput@99: highest load with 99 % of the offered in time",
            table.GOOD,
            table.good_rows(summary),
        ),
        ("compared on the same seeds", table.VERDICTS, table.verdict_rows(summary)),
    ):
        if rows:
            print(f"\n{title}")
            print_table(columns, rows, empty="")


def _write(report: Path, text: str) -> None:
    try:
        report.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"--report {report} cannot be written: {error.strerror}",
            next_step="make room there or name another place, and run it again",
            code=FAILED,
        ) from error


def _check_writable(report: Path) -> None:
    """Before the runs, not after them."""
    if not report.parent.is_dir():
        raise CommandError(
            f"--report {report}: there is no folder {report.parent}",
            next_step=f"make it: mkdir -p {report.parent}",
            code=USAGE,
        )
    if not os.access(report if report.exists() else report.parent, os.W_OK):
        raise CommandError(
            f"--report {report} may not be written by this user",
            next_step="name a file in a folder of yours",
            code=USAGE,
        )
    if report.is_dir():
        raise CommandError(
            f"--report {report} is a folder",
            next_step=f"name a file: {report / 'report.html'}",
            code=USAGE,
        )
