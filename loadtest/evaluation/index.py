"""docs/evaluation/README.md: all pages in one table, made from the pages that are there."""

from collections.abc import Sequence
from pathlib import Path

from loadtest.evaluation.page import Record, read_record, table

HEAD = """# Evaluation

<!-- Made by `python -m loadtest.evaluation`; do not edit. -->

What is claimed of the decisions, measured with the shipped code. All pages but `decision`, the
times of `placement` and the rates of `scale` are in virtual time: the same code gives the same
figures on every machine. `make evaluation` makes them again, `python -m loadtest.autoscale`,
`.forecasts` and `.placement` make those, and `make evaluation-scale` makes `scale`, which takes
half an hour.

"""


def write_index(folder: Path, order: Sequence[str]) -> None:
    """Writes the index of the pages in a folder, in the order of their names given."""
    found = {path.stem: read_record(path) for path in folder.glob("*.md")}
    records = [record for name in order if (record := found.get(name)) is not None]
    rows = [row for record in records for row in _rows(record)]
    head = ("page", "shows", "claim", "found", "met", "command", "date", "machine")
    text = HEAD + table(head, rows, left=len(head))
    (folder / "README.md").write_text(text, "utf-8")


def _rows(record: Record) -> list[tuple[str, ...]]:
    return [
        (
            f"[{record.name}]({record.name}.md)",
            record.shows,
            claim.says,
            claim.found,
            "yes" if claim.met else "**no**",
            f"`{record.command}`",
            record.date,
            f"{record.machine}, {record.seconds} s",
        )
        for claim in record.claims
    ]
