"""The folder of one run, and the guard that removes it if the supervisor is killed."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from hasten_cli.local import guard

_GUARD_STOP_S = 5.0


class RunFolder:
    """A private temporary folder with the logs and data of one run.

    In a `with` block: the folder is gone at its end, and also when this process is killed.

    Attributes:
        path: The folder.
    """

    def __init__(self) -> None:
        self.path = Path()
        self._guard: subprocess.Popen[bytes] | None = None

    @property
    def logs(self) -> Path:
        """Folder of the services' logs."""
        return self.path / "logs"

    def __enter__(self) -> Self:
        # Only this user may enter it: the password of Redis is inside.
        self.path = Path(tempfile.mkdtemp(prefix="hasten-up-"))
        self._guard = subprocess.Popen(
            [sys.executable, "-I", "-S", guard.__file__, str(self.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            start_new_session=True,
        )
        self.logs.mkdir()
        (self.path / "tmp").mkdir()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        self._tell("done")
        if self._guard is not None and self._guard.stdin is not None:
            self._guard.stdin.close()
            try:
                self._guard.wait(_GUARD_STOP_S)
            except subprocess.TimeoutExpired:
                # It has nothing to do any more; on a starved machine it may not even have begun.
                self._guard.kill()
                self._guard.wait()

    def began(self, group: int) -> None:
        """A process group was started; the guard kills it if this process is killed."""
        self._tell(f"+{group}")

    def ended(self, group: int) -> None:
        """The process group has ended."""
        self._tell(f"-{group}")

    def _tell(self, word: str) -> None:
        if self._guard is None or self._guard.stdin is None:
            return
        try:
            self._guard.stdin.write(f"{word}\n".encode())
            self._guard.stdin.flush()
        except BrokenPipeError:
            # Somebody killed the guard. The parent-death signal of the children remains.
            return
