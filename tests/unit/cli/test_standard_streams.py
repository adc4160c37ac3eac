"""What a command does when a standard stream is full, closed, or read by nobody."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

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
