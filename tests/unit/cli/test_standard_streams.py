"""What a command does when a standard stream is full, closed, or read by nobody."""

import contextlib
import errno
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hasten_cli.failures import CommandError, reported
from hasten_runtime.standard_streams import OutputError

COMMANDS = (
    "version",
    "--help",
    "models --help",
    "simulate --policies",
    "simulate small --duration 0.2s --seeds 1 --processes 1",
)
FULL = "the output cannot be written: No space left on device"
CLOSED = "the output cannot be written: it is closed"
NEXT = "make room there and run it again"
# What fails at once without a buffer fails only at the end of the process with one.
BUFFERED = {**os.environ, "PYTHONUNBUFFERED": ""}
DESCRIPTORS = {"stdin": "0<&-", "stdout": "1>&-", "stderr": "2>&-"}


def hasten(words: str, *, redirected: str) -> "subprocess.CompletedProcess[str]":
    """The command by way of a shell, with what it says of the streams written as a shell does."""
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -m hasten_cli.main {words} {redirected}', sys.executable],
        env=BUFFERED,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize("words", COMMANDS)
@pytest.mark.parametrize(
    ("redirected", "says"), [(">/dev/full", f"error: {FULL}\n  next: {NEXT}\n"), (">&-", "")]
)
def test_an_output_that_takes_nothing_is_one_error(words: str, redirected: str, says: str) -> None:
    ended = hasten(words, redirected=redirected)
    assert ended.stderr == (says or f"error: {CLOSED}\n")
    assert ended.returncode == 1


@pytest.mark.parametrize(("redirected", "message"), [(">/dev/full", FULL), (">&-", CLOSED)])
@pytest.mark.parametrize("words", ["version --json", "simulate --policies --json"])
def test_with_json_the_error_is_json(words: str, redirected: str, message: str) -> None:
    ended = hasten(words, redirected=redirected)
    assert json.loads(ended.stderr)["error"]["message"] == message
    assert ended.stderr.count("\n") == 1
    assert ended.returncode == 1


@pytest.mark.parametrize("words", [*COMMANDS, "simulate --policies --json"])
def test_a_reader_that_has_left_is_no_error(words: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "hasten_cli.main", *words.split()],
            env=BUFFERED,
            stdout=writing,
            stderr=subprocess.PIPE,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(writing)
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", ">/dev/full 2>&1", "1>&- 2>&-"])
@pytest.mark.parametrize(("words", "code"), [("dance", 2), ("infer", 2), ("models", 2)])
def test_an_error_that_cannot_be_told_keeps_its_status(
    words: str, code: int, redirected: str
) -> None:
    ended = hasten(words, redirected=redirected)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", "")


def test_what_failed_is_told_and_not_that_its_output_was_lost(tmp_path: Path) -> None:
    hopeless = "--find workers --slo 100 --load 40 --duration 0.1s --seeds 1 --processes 1"
    ended = hasten(f"simulate small {hopeless}", redirected=f">{tmp_path / 'out'}")
    assert ended.returncode == 1, ended.stderr
    assert ended.stderr.startswith("error: ")
    lost = hasten(f"simulate small {hopeless}", redirected=">/dev/full")
    assert lost.returncode == 1
    assert lost.stderr.count("error: ") == 1


@pytest.mark.parametrize("closed", DESCRIPTORS.values(), ids=DESCRIPTORS)
def test_no_file_takes_the_place_of_a_closed_stream(closed: str, tmp_path: Path) -> None:
    """The report would be written there together with what is printed."""
    report = tmp_path / "report.html"
    ended = hasten(
        f"simulate small --duration 0.2s --seeds 1 --processes 2 --report {report}",
        redirected=closed,
    )
    assert ended.returncode == (1 if closed == DESCRIPTORS["stdout"] else 0), ended.stderr
    assert "Traceback" not in ended.stderr
    if report.exists():
        assert report.read_text().startswith("<!doctype html>")


class Unwritten(io.StringIO):
    """A buffered output that takes everything and cannot write it."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def flush(self) -> None:
        if self.getvalue():
            self.truncate(0)
            raise OutputError(OSError(self._number, os.strerror(self._number)))


@pytest.mark.parametrize(
    ("ends", "number", "code", "says"),
    [
        (None, errno.ENOSPC, 1, f"error: {FULL}\n  next: {NEXT}\n"),
        (None, errno.EPIPE, 0, ""),
        (SystemExit(0), errno.ENOSPC, 1, f"error: {FULL}\n  next: {NEXT}\n"),
        # What it found out is its status, as that of a replay that differs.
        (SystemExit(1), errno.EPIPE, 1, ""),
        (SystemExit(1), errno.ENOSPC, 1, f"error: {FULL}\n  next: {NEXT}\n"),
        (CommandError("no", code=3), errno.ENOSPC, 3, "error: no\n"),
        (KeyboardInterrupt(), errno.ENOSPC, 130, ""),
    ],
)
def test_one_thing_is_told_and_the_status_fits(
    ends: BaseException | None, number: int, code: int, says: str
) -> None:
    def act() -> None:
        with reported(as_json=False), reported(as_json=False):
            sys.stdout.write("something")
            if ends is not None:
                raise ends
        raise SystemExit(0)

    with (
        contextlib.redirect_stdout(Unwritten(number)),
        contextlib.redirect_stderr(io.StringIO()) as said,
        pytest.raises(SystemExit) as ended,
    ):
        act()
    assert (ended.value.code, said.getvalue()) == (code, says)
