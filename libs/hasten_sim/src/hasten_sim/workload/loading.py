"""From a file to a checked workload."""

import tomllib
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from hasten_sim.workload import checks
from hasten_sim.workload.arrival_tables import TraceArrivals
from hasten_sim.workload.faults_found import TAGS, WorkloadError, faults_of
from hasten_sim.workload.file_table import FileTable
from hasten_sim.workload.trace import Trace, read_trace
from hasten_sim.workload.workload import Workload

EXTENDS: Final = "extends"
_RATES: Final = frozenset({"load", "rate_per_s", "speed_up"})
"""Of these a table has one: that of the file on top replaces that of the file below."""


def load(path: Path) -> Workload:
    """Reads a workload file, and those that it extends.

    Raises:
        WorkloadError: With every fault found.
    """
    return parse(_text(path), str(path))


def parse(text: str, source: str) -> Workload:
    """Reads a workload from its text.

    Args:
        text: TOML.
        source: Where it is from: named in errors; other files are looked for beside it.

    Raises:
        WorkloadError: With every fault found.
    """
    folder = Path(source).parent
    whole = _whole(text, Path(source), ())
    try:
        table = FileTable.model_validate(whole)
    except ValidationError as error:
        raise WorkloadError(faults_of(error, source)) from error
    trace: Trace | None = None
    if isinstance(table.arrivals, TraceArrivals):
        trace = read_trace(folder / table.arrivals.file)
    faults = [f"{source}: {fault}" for fault in checks.faults(table, trace)]
    if faults:
        raise WorkloadError(faults)
    return Workload(table, trace)


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise WorkloadError([f"{path}: cannot be read: {error.strerror}"]) from error
    except UnicodeDecodeError as error:
        raise WorkloadError([f"{path}: is not UTF-8 text"]) from error


def _whole(text: str, path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """The file on top of what it extends."""
    try:
        own = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # ValueError: also a number of too many digits
        raise WorkloadError([f"{path}: is not TOML: {error}"]) from error
    below = own.pop(EXTENDS, None)
    if below is None:
        return own
    if not isinstance(below, str) or "\0" in below:
        raise WorkloadError([f"{path}: {EXTENDS}: found {below!r}, expected a file name"])
    base = path.parent / below
    chain = (*above, path.resolve())
    if base.resolve() in chain:
        raise WorkloadError([f"{path}: {EXTENDS}: {below} extends this file in turn"])
    return _merged(_whole(_text(base), base, chain), own)


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged key by key; all else, lists too, is replaced."""
    # With another process or kind, the other keys mean nothing any more.
    if any(below.get(tag, above[tag]) != above[tag] for tag in TAGS if tag in above):
        return above
    both = dict(below)
    if _RATES & above.keys():
        both = {key: value for key, value in both.items() if key not in _RATES}
    for key, value in above.items():
        old = both.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            both[key] = _merged(old, value)
        else:
            both[key] = value
    return both
