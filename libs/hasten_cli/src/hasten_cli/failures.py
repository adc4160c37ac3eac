"""How the command says that something went wrong: what, why, and the next step.

Exit codes: 0 done, 1 refused or failed, 2 used wrongly, 3 nobody answers at the address.
"""

import errno
import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

FAILED: Final = 1
USAGE: Final = 2
UNREACHABLE: Final = 3
_DISK: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says that takes no more."""


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


@contextmanager
def reported(*, as_json: bool) -> Iterator[None]:
    """Turns errors inside the block into a message on standard error and an exit code."""
    try:
        yield
    except CommandError as error:
        _say(error, as_json=as_json)
        raise SystemExit(error.code) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        # The reader of our output has left (`hasten models list | head -1`).
        sys.stderr.close()
        raise SystemExit(0) from None
    except OSError as error:
        if error.errno not in _DISK:
            raise
        _give_output_up()
        what = f"{error.filename or 'the output'} cannot be written: {error.strerror}"
        _say(CommandError(what, next_step="make room there and run it again"), as_json=as_json)
        raise SystemExit(FAILED) from None


def _give_output_up() -> None:
    """What is left in the buffer would fail again at the end of the process, with a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _say(error: CommandError, *, as_json: bool) -> None:
    if as_json:
        said = {"message": error.message, "next_step": error.next_step, **error.facts}
        print(json.dumps({"error": said}), file=sys.stderr)
        return
    print(f"error: {error.message}", file=sys.stderr)
    if error.next_step:
        print(f"  next: {error.next_step}", file=sys.stderr)
