"""Arrivals that were recorded: a CSV file with the columns at_s and, if wanted, model."""

import csv
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Final, TextIO

from hasten_sim.workload.faults_found import WorkloadError

COLUMNS: Final = ("at_s", "model")
FAULTS_MAX: Final = 10
"""A file that is wrong throughout is given up after so many lines."""


@dataclass(frozen=True, slots=True)
class Trace:
    """A recorded sequence of arrivals.

    Attributes:
        source: The file.
        times_s: Ascending, from 0 = the start of the run.
        names: Models by their code.
        codes: Code of each arrival's model; empty where the file says nothing of models.
        lines: First line on which each model is named.
    """

    source: str
    times_s: "array[float]"
    names: tuple[str, ...]
    codes: "array[int]"
    lines: tuple[int, ...]

    @property
    def length_s(self) -> float:
        """Of one replay: to the last arrival and a mean gap, so that repeats join smoothly."""
        first_s, last_s = self.times_s[0], self.times_s[-1]
        gaps = len(self.times_s) - 1
        return (last_s + (last_s - first_s) / gaps if gaps else last_s) or 1.0


def read_trace(path: Path) -> Trace:
    """Reads a trace.

    Raises:
        WorkloadError: With the lines that are wrong.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return _read(file, str(path))
    except OSError as error:
        raise WorkloadError([f"{path}: cannot be read: {error.strerror}"]) from error
    except WorkloadError:
        raise
    except (ValueError, csv.Error) as error:  # ValueError: no UTF-8, or a path that cannot be one
        raise WorkloadError([f"{path}: is not CSV text: {error}"]) from error


def _read(file: TextIO, source: str) -> Trace:
    rows = csv.reader(file)
    header = [column.strip() for column in next(rows, [])]
    if tuple(header) not in {COLUMNS[:1], COLUMNS}:
        raise WorkloadError(
            [f"{source}: line 1: found {','.join(header)!r}, expected 'at_s' or 'at_s,model'"]
        )
    faults: list[str] = []
    times_s, codes = array("d"), array("L")
    known: dict[str, tuple[int, int]] = {}
    last_s = 0.0
    for cells in rows:
        if not cells:
            continue
        line = rows.line_num
        at_s, fault = _time(cells, len(header), last_s)
        if fault:
            faults.append(f"{source}: line {line}: {fault}")
            if len(faults) == FAULTS_MAX:
                break
            continue
        last_s = at_s
        times_s.append(at_s)
        if len(header) > 1:
            codes.append(known.setdefault(cells[1].strip(), (len(known), line))[0])
    if not times_s and not faults:
        faults.append(f"{source}: has no arrivals")
    if faults:
        raise WorkloadError(faults)
    return Trace(source, times_s, tuple(known), codes, tuple(line for _, line in known.values()))


def _time(cells: list[str], columns: int, last_s: float) -> tuple[float, str]:
    """The time of a row, or what is wrong with it."""
    if len(cells) != columns:
        return 0.0, f"found {len(cells)} columns, expected {columns}"
    try:
        at_s = float(cells[0])
    except ValueError:
        return 0.0, f"at_s: found {cells[0]!r}, expected seconds from the start"
    if not (isfinite(at_s) and at_s >= 0.0):
        return 0.0, f"at_s: found {cells[0]!r}, expected seconds from the start"
    if at_s < last_s:
        return 0.0, f"at_s: found {at_s}, expected at least the line before, {last_s}"
    return at_s, ""


def replay(
    trace: Trace, duration_s: float, *, speed_up: float, scale: float, repeat: bool
) -> Iterator[tuple[float, int]]:
    """(time, code of the model) of each arrival before the end; code 0 without a model column."""
    count = len(trace.times_s)
    codes = trace.codes or array("L", bytes(trace.codes.itemsize * count))
    begin_s = 0.0
    seen = 0
    while True:
        for at_s, code in zip(trace.times_s, codes, strict=True):
            due_s = begin_s + at_s / speed_up
            if due_s >= duration_s:
                return
            # Scaling draws nothing: of n arrivals the first floor(n * scale) copies have come.
            copies = int((seen + 1) * scale) - int(seen * scale)
            seen += 1
            for _ in range(copies):
                yield due_s, code
        if not repeat:
            return
        begin_s += trace.length_s / speed_up
