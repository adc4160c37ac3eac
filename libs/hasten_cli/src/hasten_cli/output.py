"""Tables for people, JSON for programs."""

import json
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import Console


def print_json(value: Any) -> None:  # noqa: ANN401  (whatever JSON can say)
    """One line of JSON on standard output."""
    print(json.dumps(value, ensure_ascii=False), flush=True)


def console(*, stderr: bool = False) -> "Console":
    """Where tables go. It honours NO_COLOR and writes plain text off a terminal."""
    from rich.console import Console

    # Rich would take FORCE_COLOR, which many a CI sets, for a terminal. And one that does not say
    # what it is may understand nothing.
    terminal = (sys.stderr if stderr else sys.stdout).isatty() and bool(os.environ.get("TERM"))
    return Console(stderr=stderr, force_terminal=terminal, highlight=False, soft_wrap=False)


def can_redraw(target: "Console") -> bool:
    """Whether what was drawn there can be drawn again: a dumb terminal would show nothing of it."""
    return target.is_terminal and not target.is_dumb_terminal


def print_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, empty: str) -> None:
    """A table; columns whose name ends in ">" are right-aligned. `empty` replaces no rows."""
    if not rows:
        print(empty)
        return
    target = console()
    if not target.is_terminal:
        _print_plain(columns, rows)
        return
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        right = column.endswith(">")
        # Numbers stay whole; a long name goes on in the next line and is not cut.
        table.add_column(
            column.removesuffix(">"),
            justify="right" if right else "left",
            overflow="fold",
            no_wrap=right,
        )
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    target.print(table)


def _print_plain(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Aligned columns of any width: a pipe has no width to fit into."""
    right = [column.endswith(">") for column in columns]
    lines = [[column.removesuffix(">") for column in columns], *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(columns))]
    for line in lines:
        cells = [
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(line, widths, right, strict=True)
        ]
        print("  ".join(cells).rstrip())
