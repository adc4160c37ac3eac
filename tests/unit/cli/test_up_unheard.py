"""`hasten up` whose output nobody gets, or gets on a terminal that cannot draw: it goes on."""

import contextlib
import errno
import io
import json
import os
import pty
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

import psutil
import pytest

from hasten_cli.local.voice import JsonVoice, PlainVoice, Summary, TerminalVoice, Voice
from hasten_runtime.standard_streams import OutputError
from tests.support.waiting import eventually_sync
from tests.unit.cli.mesh_process import MeshProcess, stand_in_environ, up_command

ANY_PORT = ("--port", "0", "--metrics-port", "0")
GOES_ON = "the output cannot be written: No space left on device; the mesh goes on"


class Nowhere(io.StringIO):
    """An output that takes nothing, for the reason given."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def write(self, _text: str, /) -> NoReturn:
        raise OutputError(OSError(self._number, os.strerror(self._number)))

    def isatty(self) -> bool:
        return True


class Ready(Summary):
    """Of nothing: what is said does not matter here."""

    def as_json(self) -> dict[str, object]:
        return {}

    def lines(self) -> list[str]:
        return ["up"]


READY = Ready("a", "h", "m", (), "r", "d", "t", "e", "n")


def spoken(voice: Voice, number: int) -> str:
    """What is on standard error when standard output takes nothing."""
    with (
        contextlib.redirect_stdout(Nowhere(number)),
        contextlib.redirect_stderr(io.StringIO()) as e,
    ):
        voice.ready(READY)
        voice.say("worker-1 is back")
        voice.say("worker-2 is back")
        voice.show((), {})
        voice.close()
    return e.getvalue()


def test_a_full_disk_is_told_once_where_it_can_be_told() -> None:
    assert spoken(PlainVoice(), errno.ENOSPC) == f"error: {GOES_ON}\n"
    said = [json.loads(line) for line in spoken(JsonVoice(), errno.ENOSPC).splitlines()]
    assert said[0] == {"said": GOES_ON}
    assert [one["said"] for one in said[1:]] == ["worker-1 is back", "worker-2 is back"]


def test_a_reader_who_left_is_not_told() -> None:
    assert spoken(PlainVoice(), errno.EPIPE) == ""
    assert GOES_ON not in spoken(JsonVoice(), errno.EPIPE)


def test_a_terminal_that_is_gone_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert spoken(TerminalVoice(), errno.EIO) == ""


@pytest.mark.integration
@pytest.mark.parametrize("options", [ANY_PORT, ("--json", *ANY_PORT)], ids=["plain", "json"])
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
def test_on_a_full_disk_the_mesh_comes_up_and_ends_in_order(
    tmp_path: Path, options: Sequence[str], unbuffered: str
) -> None:
    environ = {"PYTHONUNBUFFERED": unbuffered}
    with MeshProcess(tmp_path, *options, environ=environ, out=Path("/dev/full")) as mesh:
        eventually_sync(lambda: GOES_ON in mesh.stderr)
        eventually_sync(lambda: len(mesh.remember_family()) == 7)
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        assert mesh.stderr.count(GOES_ON) == 1
        assert "Traceback" not in mesh.stderr
        assert mesh.nothing_left()


@pytest.mark.integration
@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}], ids=["dumb", "none"])
def test_a_terminal_that_cannot_redraw_gets_plain_lines(
    tmp_path: Path, environ: dict[str, str]
) -> None:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        up_command(*ANY_PORT),
        env=stand_in_environ(tmp_path, **environ),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while b"Ctrl-C stops it" not in shown:
                shown += os.read(ours, 65_536)
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(OSError):  # The other side was closed: it has ended.
                while piece := os.read(ours, 65_536):
                    shown += piece
            assert process.wait(60) == 0
        finally:
            if process.poll() is None:
                for one in psutil.Process(process.pid).children(recursive=True):
                    one.kill()
                process.kill()
            os.close(ours)
    text = shown.decode()
    for part in ("Hasten is up on 127.0.0.1:", "router on 127.0.0.1:", "nothing is left"):
        assert part in text
    assert "\x1b" not in text
