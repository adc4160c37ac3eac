"""Makes the pages of docs/evaluation again.

python -m loadtest.evaluation [--only NAME] [--quick] [--processes N] [--to FOLDER]
"""

import argparse
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from loadtest.evaluation import (
    balancing,
    batching,
    combined,
    decision,
    edf,
    overload,
    promise,
    promise_real,
)
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.index import write_index
from loadtest.evaluation.page import Page, record_of, text_of

FOLDER: Final = Path(__file__).resolve().parents[2] / "docs" / "evaluation"
PAGES: Final = {
    page.name: page
    for page in (
        overload.PAGE,
        promise.PAGE,
        promise_real.PAGE,
        balancing.PAGE,
        batching.PAGE,
        combined.PAGE,
        edf.PAGE,
        decision.PAGE,
    )
}
ORDER: Final = (*PAGES, "autoscaling", "forecasts", "placement", "scale")
"""Of the index; the last ones have commands of their own in `loadtest`."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    parser = argparse.ArgumentParser(
        prog="python -m loadtest.evaluation", description=(__doc__ or "").splitlines()[0]
    )
    parser.add_argument("--only", choices=PAGES, help="one page")
    parser.add_argument("--quick", action="store_true", help="a smoke test: figures say nothing")
    parser.add_argument("--processes", type=int, default=0, help="0 for one a core")
    parser.add_argument("--to", type=Path, help="folder of the pages (docs/evaluation)")
    said = parser.parse_args(arguments)
    if said.quick and said.to is None:
        parser.error("--quick needs --to: its figures do not belong into docs/evaluation")
    folder: Path = said.to or FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name in [said.only] if said.only else PAGES:
        make(PAGES[name], Bench(name, said.processes, quick=said.quick), folder)
        write_index(folder, ORDER)


def make_alone(
    page: Page, doc: str | None, arguments: Sequence[str] | None, *, choices: bool = False
) -> None:
    """Makes a page that has a command of its own, and the index anew.

    Args:
        page: The page.
        doc: Of the command's module.
        arguments: Of the command line; those of the process if None.
        choices: The number of processes can be chosen.
    """
    parser = argparse.ArgumentParser(description=(doc or "").partition("\n")[0])
    if choices:
        parser.add_argument(
            "--processes", type=int, default=1, help="1 unless said; 0 for all cores"
        )
    parser.add_argument("--to", type=Path, default=FOLDER, help="folder (docs/evaluation)")
    said = parser.parse_args(arguments)
    said.to.mkdir(parents=True, exist_ok=True)
    make(page, Bench(page.name, said.processes if choices else 1), said.to)
    write_index(said.to, ORDER)


def make(page: Page, bench: Bench, folder: Path) -> None:
    """Makes one page, and says what it shows."""
    began_s, began_cpu_s = time.monotonic(), _cpu_s()
    written = page.write(bench)
    record = record_of(page, written, time.monotonic() - began_s)
    cpu_s = _cpu_s() - began_cpu_s
    (folder / f"{page.name}.md").write_text(text_of(record, written.body), "utf-8")
    for claim in written.claims:
        print(f"{page.name}: {'met' if claim.met else 'NOT MET'}: {claim.says}: {claim.found}")
    print(f"{page.name}: {record.seconds} s, {cpu_s:.0f} CPU seconds", file=sys.stderr, flush=True)


def _cpu_s() -> float:
    """Of this process and of those of it that have ended."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system
