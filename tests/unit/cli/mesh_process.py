"""`hasten up` as a real process, over stand-in services."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

from tests.support.processes import is_running
from tests.support.services import PATIENT
from tests.support.waiting import eventually_sync

STAND_INS = Path(__file__).parent / "stand_ins"
START_S_MAX = 60.0
STOP_S_MAX = 40.0


def up_command(*options: str) -> list[str]:
    return [sys.executable, "-m", "hasten_cli.main", "up", *options]


def stand_in_environ(tmp: Path, **more: str) -> dict[str, str]:
    """An environment in which the services are stand-ins and temporary files go to `tmp`."""
    return {**os.environ, "PYTHONPATH": str(STAND_INS), "TMPDIR": str(tmp), **more}


class MeshProcess:
    """`with MeshProcess(folder, "--workers", "2") as mesh`; killed, with its own, at the end.

    The services are stand-ins, or the real ones with `real=True`. It runs in an empty folder.
    `out` is where its standard output goes, a file by default.
    """

    def __init__(
        self,
        tmp: Path,
        *options: str,
        environ: dict[str, str] | None = None,
        real: bool = False,
        out: Path | None = None,
    ) -> None:
        self.tmp = tmp / "tmp"
        self.here = tmp / "here"
        for folder in (self.tmp, self.here):
            folder.mkdir(exist_ok=True)
        self._environ = {**stand_in_environ(self.tmp), **(environ or {})}
        if real:
            del self._environ["PYTHONPATH"]
            self._environ.update(PATIENT)
        self._options = options
        self._out = out or tmp / "stdout.txt"
        self._err = tmp / "stderr.txt"
        self._process: subprocess.Popen[bytes] | None = None
        self._family: dict[int, psutil.Process] = {}

    def __enter__(self) -> Self:
        with self._out.open("wb") as out, self._err.open("wb") as err:
            self._process = subprocess.Popen(
                up_command(*self._options),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self._environ,
                cwd=self.here,
                start_new_session=True,
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.remember_family()
        process = self._running()
        if process.poll() is None:
            process.kill()
        process.wait(STOP_S_MAX)
        # The guard cleans up after a kill; a test that failed must not leave it to luck.
        for one in self._family.values():
            if one.is_running():
                one.kill()

    @property
    def pid(self) -> int:
        return self._running().pid

    @property
    def stdout(self) -> str:
        return self._out.read_text()

    @property
    def stderr(self) -> str:
        return self._err.read_text()

    def ready(self) -> dict[str, Any]:
        """The facts of the JSON line."""

        def line() -> str:
            assert self._running().poll() is None, f"it ended: {self.stderr}"
            return self.stdout if self.stdout.endswith("\n") else ""

        said = eventually_sync(line, START_S_MAX, what="hasten up is ready")
        self.remember_family()
        facts: dict[str, Any] = json.loads(said)
        return facts

    def remember_family(self) -> set[int]:
        """Notes all descendants that are alive now, so that they can be missed later."""
        try:
            for child in psutil.Process(self.pid).children(recursive=True):
                self._family[child.pid] = child
        except psutil.NoSuchProcess:
            pass
        return set(self._family)

    def signal(self, number: signal.Signals) -> None:
        self._running().send_signal(number)

    def wait(self) -> int:
        """Its exit code."""
        return self._running().wait(STOP_S_MAX)

    def nothing_left(self) -> bool:
        """True when no remembered process runs and no temporary file is there."""
        alive = [pid for pid in self._family if is_running(pid)]
        assert not alive, f"still running: {alive}"
        left = sorted(str(path) for path in self.tmp.rglob("*"))
        assert not left, f"files left: {left}"
        return True

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process
