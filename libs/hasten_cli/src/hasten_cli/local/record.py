"""`hasten up --record DIR`: whether the folder will do, and whether the logs are whole."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten_cli.failures import USAGE, CommandError

_IMPOSSIBLE: Final = "recording.impossible"
_ENDED: Final = "recording.ended"


@dataclass(frozen=True, slots=True)
class Trouble:
    """A service whose log is not whole.

    Attributes:
        says: Who and why.
        failed: It is not just that the log has reached its bound.
    """

    says: str
    failed: bool


def record_folder(asked: Path | None) -> Path | None:
    """The folder, which is there and can be written from now on; None when none is asked for.

    Raises:
        CommandError: It cannot be made or written.
    """
    if asked is None:
        return None
    try:
        asked.mkdir(mode=0o700, parents=True, exist_ok=True)
        why = "" if os.access(asked, os.W_OK | os.X_OK) else "this user may not write there"
    except OSError as error:
        why = "it is a file" if asked.exists() else error.strerror or str(error)
    if why:
        raise CommandError(
            f"--record {asked} cannot be used: {why}",
            next_step="name a folder of yours, there or not yet there",
            code=USAGE,
        )
    return asked.absolute()


def troubles(logs: Path) -> Iterator[Trouble]:
    """What the services' own logs say of recording that did not begin or ended early."""
    for path in sorted(logs.glob("*.log")):
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                if _IMPOSSIBLE in line or _ENDED in line:
                    yield from _trouble(path.stem, line)


def _trouble(service: str, line: str) -> Iterator[Trouble]:
    try:
        said = json.loads(line)
    except ValueError:
        return
    match said:
        case {"event": "recording.impossible", "reason": reason}:
            yield Trouble(f"{service} does not record: {reason}", failed=True)
        case {"event": "recording.ended", "reason": reason, "log": log, "level": level}:
            says = f"{service} stopped recording: {reason}; what came before is in {log}"
            yield Trouble(says, failed=level == "error")
        case _:
            return
