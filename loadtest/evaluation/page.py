"""Pages of docs/evaluation: what one is made of, and how it is written."""

import json
import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from loadtest.evaluation.bench import Bench

MARK: Final = "<!-- record "
END: Final = " -->"


@dataclass(frozen=True, slots=True)
class Claim:
    """Something that the figures bear out or do not.

    Attributes:
        says: The claim.
        found: What was found, in figures.
        met: Whether that is the claim.
    """

    says: str
    found: str
    met: bool


@dataclass(frozen=True, slots=True)
class Written:
    """What a page says.

    Attributes:
        body: Markdown: tables and their reading.
        claims: What the figures decide.
    """

    body: str
    claims: tuple[Claim, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A page, yet to be made.

    Attributes:
        name: Of its file.
        title: Its heading.
        shows: One line for the index.
        command: What makes it.
        write: Runs what has to be run.
    """

    name: str
    title: str
    shows: str
    command: str
    write: Callable[[Bench], Written]


@dataclass(frozen=True, slots=True)
class Record:
    """What the index says of a page; the last line of its file."""

    name: str
    title: str
    shows: str
    command: str
    claims: tuple[Claim, ...]
    date: str
    machine: str
    seconds: int


def record_of(page: Page, written: Written, seconds: float) -> Record:
    """The record of a page that was made now and here."""
    return Record(
        name=page.name,
        title=page.title,
        shows=page.shows,
        command=page.command,
        claims=written.claims,
        date=datetime.now(UTC).date().isoformat(),
        machine=machine(),
        seconds=round(seconds),
    )


def text_of(record: Record, body: str) -> str:
    """The page as a file."""
    claims = table(
        ("claim", "found", "met"),
        [(claim.says, claim.found, "yes" if claim.met else "**no**") for claim in record.claims],
        left=3,
    )
    return "\n".join(
        (
            f"# {record.title}",
            "",
            f"<!-- Made by `{record.command}`; do not edit. -->",
            "",
            claims,
            f"`{record.command}`, {record.date}, {record.seconds} s on {record.machine}.",
            "",
            body.strip(),
            "",
            f"{MARK}{json.dumps(asdict(record))}{END}",
            "",
        )
    )


def read_record(path: Path) -> Record | None:
    """The record of a page that was made before; None of any other file."""
    last = path.read_text("utf-8").rstrip().rsplit("\n", 1)[-1]
    if not (last.startswith(MARK) and last.endswith(END)):
        return None
    said = json.loads(last[len(MARK) : -len(END)])
    claims = tuple(Claim(**claim) for claim in said.pop("claims"))
    return Record(claims=claims, **said)


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, left: int = 1) -> str:
    """A table; the first `left` columns are words, the others figures."""
    rule = ["---" if at < left else "---:" for at in range(len(head))]
    lines = [head, rule, *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def percent(share: float, digits: int = 1) -> str:
    """A share in per cent."""
    return f"{share * 100:.{digits}f} %"


def machine() -> str:
    """This machine in words."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (
        f"{cores} cores, {platform.machine()}, {platform.system()}, "
        f"Python {platform.python_version()}"
    )
