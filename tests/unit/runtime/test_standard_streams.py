"""Programs whose standard streams are full, closed, or read by nobody."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.processes import ChildProcess
from tests.support.waiting import eventually_sync

SERVICE = """
import asyncio, sys
from hasten_runtime import logs, process
from hasten_runtime.standard_streams import standard_streams

async def main(stop):
    process.announce_ready(service="test", address="127.0.0.1:1")
    open({started!r}, "w").close()
    await stop.wait()

with standard_streams():
    logs.configure("test", fmt="json")
    code = process.run(main)
sys.exit(code)
"""
PRINTS = """
import os, sys
from hasten_runtime.standard_streams import OutputError, standard_streams
with standard_streams():
    try:
        print("x" * {size})
        sys.stdout.flush()
    except OutputError as error:
        print(f"{{error}}, left: {{error.reader_left}}, {{error.errno}}", file=sys.stderr)
    # What was lost is lost: it is not in the way of what comes when there is room again.
    os.dup2(os.open({found!r}, os.O_WRONLY | os.O_CREAT), 1)
    print("found")
"""
UNBUFFERED = pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])


def shell(source: str, redirected: str, *, unbuffered: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirected}', sys.executable, source],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@UNBUFFERED
@pytest.mark.parametrize("size", [1, 100_000], ids=["in the buffer", "more than the buffer"])
@pytest.mark.parametrize(
    ("redirected", "why"), [(">/dev/full", "No space left on device"), ("1>&-", "it is closed")]
)
def test_a_fault_is_told_once_and_is_no_fault_of_the_end(
    tmp_path: Path, redirected: str, why: str, size: int, unbuffered: str
) -> None:
    found = tmp_path / "found"
    ended = shell(PRINTS.format(size=size, found=str(found)), redirected, unbuffered=unbuffered)
    said = f"the output cannot be written: {why}, left: False, None\n"
    assert (ended.returncode, ended.stderr) == (0, said)
    if redirected == ">/dev/full":
        assert found.read_text() == "found\n"


@UNBUFFERED
@pytest.mark.parametrize("redirected", ["2>/dev/full", "2>&-", "2>/dev/full 0<&-", "0<&- 2>&-"])
def test_what_standard_error_does_not_take_is_lost(redirected: str, unbuffered: str) -> None:
    source = (
        "import sys\n"
        "from hasten_runtime.standard_streams import standard_streams\n"
        "with standard_streams():\n"
        "    for _ in range(3): print('e' * 10_000, file=sys.stderr, flush=True)\n"
        "    print('done')\n"
    )
    ended = shell(source, redirected, unbuffered=unbuffered)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")


@UNBUFFERED
@pytest.mark.parametrize("closed", ["0<&-", "1>&-", "2>&-", "0<&- 1>&- 2>&-"])
def test_no_file_that_is_opened_takes_the_place_of_a_closed_stream(
    tmp_path: Path, closed: str, unbuffered: str
) -> None:
    path = tmp_path / "file"
    source = (
        "import subprocess, sys\n"
        "from hasten_runtime.standard_streams import standard_streams\n"
        "with standard_streams():\n"
        f"    file = open({str(path)!r}, 'w')\n"
        "    assert file.fileno() > 2\n"
        "    print('e', file=sys.stderr, flush=True)\n"
        # A child has its streams too.
        "    child = [sys.executable, '-c', 'import sys; sys.stdout.fileno()']\n"
        "    subprocess.run(child, check=True)\n"
    )
    assert shell(source, closed, unbuffered=unbuffered).returncode == 0
    assert path.read_text() == ""


@UNBUFFERED
def test_a_service_whose_ready_line_nobody_gets_serves_and_logs_it(
    tmp_path: Path, unbuffered: str
) -> None:
    started, log = tmp_path / "started", tmp_path / "log"
    source = SERVICE.format(started=str(started))
    child = ChildProcess(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" >/dev/full 2>{log}', sys.executable, source],
        log_path=tmp_path / "shell",
        environ={**os.environ, "PYTHONUNBUFFERED": unbuffered},
    )
    try:
        eventually_sync(started.exists, what="it serves")
        os.kill(child.pid, signal.SIGTERM)
        assert eventually_sync(
            lambda: (child.exit_status,) if child.exit_status is not None else None
        ) == (0,)
    finally:
        child.stop()
    (line,) = (json.loads(line) for line in log.read_text().splitlines())
    assert line["event"] == "process.ready_not_told"
    assert "No space left on device" in line["reason"]
    assert json.loads(line["line"])["address"] == "127.0.0.1:1"


@pytest.mark.parametrize("program", ["hasten_router", "hasten_worker"])
@pytest.mark.parametrize(
    ("redirected", "code", "says"),
    [
        (">/dev/full", 1, "the output cannot be written: No space left on device"),
        (">&-", 1, "the output cannot be written: it is closed"),
        ("2>/dev/full >/dev/null", 0, ""),
    ],
)
def test_settings_that_cannot_be_printed_are_one_error(
    program: str, redirected: str, code: int, says: str
) -> None:
    source = f"import sys; from {program}.main import main; sys.exit(main())"
    words = "--check-config" + (" --models-dir=." if program == "hasten_worker" else "")
    ended = shell(source, f"{words} {redirected}", unbuffered="")
    assert ended.returncode == code
    assert ended.stderr == (f"-c: {says}\n" if says else "")
