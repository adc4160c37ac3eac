"""How the command says that something went wrong: what, why, and the next step.

Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 nobody answers at the address.
"""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from hasten_runtime.standard_streams import NO_ROOM, OutputError

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
_MAKE_ROOM: Final = "make room there and run it again"


class CommandError(Exception):
    """Ends the command with a sentence.

    Attributes:
        message: What went wrong and why.
        next_step: What to do about it; "" when there is nothing to say.
        code: Exit code.
        facts: Further facts for `--json`.
    """

    def __init__(
        self,
        message: str,
        *,
        next_step: str = "",
        code: int = FAILED,
        facts: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step
        self.code = code
        self.facts = facts or {}


class _Told(SystemExit):
    """The end of the command, after its error was told."""


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """Turns errors inside the block into a message on standard error and an exit code.

    At the end of the block what was printed inside is written, or that is the error.
    """
    try:
        with _written():
            yield
    except CommandError as error:
        _say(error, as_json=as_json)
        raise _Told(error.code) from None
    except KeyboardInterrupt:
        raise _Told(130) from None
    except OutputError as error:
        if error.reader_left:
            raise _Told(0) from None
        next_step = _MAKE_ROOM if error.no_room else ""
        _say(CommandError(str(error), next_step=next_step), as_json=as_json)
        raise _Told(FAILED) from None
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        what = f"{error.filename or 'a file'} cannot be written: {error.strerror}"
        _say(CommandError(what, next_step=_MAKE_ROOM), as_json=as_json)
        raise _Told(FAILED) from None


@contextmanager
def _written() -> Iterator[None]:
    """At its end all that was printed inside the block has been written. Raises OutputError."""
    try:
        yield
    except _Told:
        raise
    except SystemExit as ended:
        try:
            sys.stdout.flush()
        except OutputError as error:
            # Its status is the answer, also of one whose reader has seen enough.
            raise (ended if error.reader_left else error) from None
        raise
    sys.stdout.flush()


def _say(error: CommandError, *, as_json: bool) -> None:
    if as_json:
        said = {"message": error.message, "next_step": error.next_step, **error.facts}
        print(json.dumps({"error": said}), file=sys.stderr)
        return
    print(f"error: {error.message}", file=sys.stderr)
    if error.next_step:
        print(f"  next: {error.next_step}", file=sys.stderr)
