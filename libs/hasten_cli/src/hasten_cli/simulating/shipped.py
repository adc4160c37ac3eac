"""Workload files by name: those that come with Hasten's sources, and any by path."""

from contextlib import suppress
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from hasten_cli.failures import USAGE, CommandError

_BELOW_ROOT: Final = ("loadtest", "workloads")


def folder() -> Path | None:
    """The folder of the shipped workloads; None where the sources are not at hand."""
    spec = find_spec("hasten_sim")
    if spec is None or spec.origin is None:
        return None
    # Of a checkout: libs/hasten_sim/src/hasten_sim/__init__.py.
    package = Path(spec.origin).resolve().parent
    if len(package.parents) < 4:
        return None
    found = package.parents[3].joinpath(*_BELOW_ROOT)
    return found if found.is_dir() else None


def names() -> list[str]:
    """Names of the shipped workloads, sorted."""
    below = folder()
    return sorted(path.stem for path in below.glob("*.toml")) if below is not None else []


def find(text: str) -> Path:
    """The file of a workload named or given as a path.

    Raises:
        CommandError: There is none.
    """
    path = Path(text)
    with suppress(OSError):  # A name that is too long, a folder that may not be entered.
        if path.is_file():
            return path
    known = names()
    below = folder()
    if below is not None and text in known:
        return below / f"{text}.toml"
    close = get_close_matches(text, known, n=1)
    if close:
        step = f"did you mean {close[0]}?"
    elif known:
        step = f"take a path, or one of {', '.join(known)}"
    else:
        step = "give the path of a workload file; those of Hasten are in loadtest/workloads"
    raise CommandError(
        f"there is no workload {text}: neither a file nor a shipped one", next_step=step, code=USAGE
    )
