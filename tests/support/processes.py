"""Child processes of tests that never outlive the test run, however it ends."""

import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import psutil

STOP_TIMEOUT_S = 30.0
LOG_TAIL_CHARS = 4000

# Reads "+what" and "-what" lines, what being a process id or a folder. At the end of its input,
# which comes when the test run ends in whatever way (kill -9 too), it kills and removes what is
# left. A pipe is used and not PR_SET_PDEATHSIG, because that signal comes when the *thread* ends
# that started the child.
_REAPER_SOURCE = """
import os, shutil, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
left = set()
for line in sys.stdin:
    (left.add if line[0] == "+" else left.discard)(line[1:-1])
for what in sorted(left, key=lambda what: not what.isdigit()):
    if not what.isdigit():
        shutil.rmtree(what, ignore_errors=True)
        continue
    try:
        os.kill(int(what), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""


class _Reaper:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def tell(self, sign: str, what: int | Path) -> None:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _REAPER_SOURCE],
                stdin=subprocess.PIPE,
                start_new_session=True,
            )
        assert self._process.stdin is not None
        self._process.stdin.write(f"{sign}{what}\n".encode())
        self._process.stdin.flush()


_reaper = _Reaper()


def make_folder() -> Path:
    """A new folder that is removed with the test run at the latest."""
    folder = Path(tempfile.mkdtemp(prefix="hasten-test-"))
    _reaper.tell("+", folder)
    return folder


def remove_folder(folder: Path) -> None:
    """Removes a folder of `make_folder`. Idempotent."""
    shutil.rmtree(folder, ignore_errors=True)
    _reaper.tell("-", folder)


class ChildProcess:
    """A process started by a test. Its output goes to `log_path`, but for standard error where
    `stderr` says another place.

    Its methods block; a test inside an event loop calls the slow ones (`stop`) by
    `asyncio.to_thread` when other coroutines must go on meanwhile.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        log_path: Path,
        environ: Mapping[str, str] | None = None,
        folder: Path | None = None,
        stderr: int = subprocess.STDOUT,
    ) -> None:
        self.log_path = log_path
        self._name = Path(command[0]).name
        with log_path.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=stderr,
                env=None if environ is None else dict(environ),
                cwd=folder,
                start_new_session=True,  # Ctrl-C at the terminal is for pytest alone
            )
        _reaper.tell("+", self.pid)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_status(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def log_tail(self) -> str:
        return self.log_path.read_text(errors="replace")[-LOG_TAIL_CHARS:]

    def pause(self) -> None:
        """SIGSTOP: it is there and does nothing."""
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """SIGCONT."""
        self._process.send_signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9; returns when it is gone."""
        self._process.kill()
        self._gone()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> int:
        """SIGTERM, and kill -9 after timeout_s; returns the exit status."""
        if self.exit_status is None:
            self._process.send_signal(signal.SIGCONT)
            self._process.terminate()
            try:
                self._process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self._process.kill()
        return self._gone()

    def _gone(self) -> int:
        status = self._process.wait(STOP_TIMEOUT_S)
        _reaper.tell("-", self.pid)
        return status


def is_running(pid: int) -> bool:
    """True while a process with this id runs; a dead one that nobody has reaped does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def lives(pid: int) -> bool:
    """Whether a process runs; one that has ended and that nobody has asked for does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
