"""The standard streams of a program."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from typing import Any, Final, TextIO

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})
"""What a disk says that takes no more."""
_READER_LEFT: Final = frozenset({errno.EPIPE, errno.ECONNRESET})


class OutputError(OSError):
    """Standard output did not take what was written to it; that part is lost.

    It has no `errno`: libraries know a reader that left by it, and end the process in their way.

    Attributes:
        reader_left: Nobody wants the output any more (`hasten models list | head -1`).
        no_room: The disk takes no more.
    """

    def __init__(self, cause: OSError) -> None:
        why = "it is closed" if cause.errno == errno.EBADF else cause.strerror or str(cause)
        super().__init__(f"the output cannot be written: {why}")
        self.reader_left = cause.errno in _READER_LEFT
        self.no_room = cause.errno in NO_ROOM


@contextmanager
def standard_streams() -> Iterator[None]:
    """Around the whole program: what cannot be written is an OutputError, or lost.

    Inside the block standard output tells a fault as OutputError, once for what is lost by it.
    What standard error does not take is lost in silence: there is no place to say so. At the end
    all is written or lost. Else Python, which writes once more when it ends, would print a
    traceback and end with status 120.
    """
    _open_what_is_closed()
    output = _Output(sys.stdout)
    with redirect_stdout(output), redirect_stderr(_Lossy(sys.stderr)):
        try:
            yield
        finally:
            with suppress(OutputError):
                output.flush()


def _open_what_is_closed() -> None:
    """A stream that the caller closed must not become the next file that is opened."""
    for number, mode in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            opened = os.open(os.devnull, mode)  # The lowest number that is free: this one.
            os.set_inheritable(opened, True)  # noqa: FBT003  (takes no name)
    if sys.stdout is None:
        # Nothing can be written to what is open for reading: a closed output is no output.
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")


class _Lossy:
    """A text stream that loses what it cannot write, and goes on."""

    def __init__(self, stream: TextIO) -> None:
        self.behind = self._stream = stream

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever the stream has)
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        """Writes the text, or into the buffer."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def flush(self) -> None:
        """Writes what is in the buffer."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    def _lose(self, _cause: OSError) -> None:
        """Empties the buffer into nowhere: it would fail again, when Python ends at the latest."""
        number = self._stream.fileno()
        kept, nowhere = os.dup(number), os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(nowhere, number)
            self._stream.flush()
        finally:
            os.dup2(kept, number)
            os.close(kept)
            os.close(nowhere)


class _Output(_Lossy):
    """The same, and says so."""

    def _lose(self, cause: OSError) -> None:
        super()._lose(cause)
        raise OutputError(cause) from cause
