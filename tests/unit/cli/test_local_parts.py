"""Local mode's parts: plan, ports, Redis, models, table, run folder."""

import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from hasten_cli.failures import CommandError
from hasten_cli.local import ports, redis, run_folder
from hasten_cli.local.models import models_folder, with_troubles, without_models, write_sample
from hasten_cli.local.plan import (
    Place,
    ServiceSpec,
    UpOptions,
    autoscaler_port_of,
    host_port,
    http_port_of,
    pinned,
    service_environ,
    service_specs,
    tasks_port_of,
)
from hasten_cli.local.process import Child
from hasten_cli.local.record import Trouble, record_folder, troubles
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import Service
from hasten_cli.local.table import rows
from hasten_cli.local.worker_range import WorkerRange
from hasten_client import ModelState, Worker, WorkerModel
from tests.support.processes import is_running
from tests.support.waiting import eventually, eventually_sync

ENVIRON = {
    "PATH": "/bin",
    "HASTEN_ADDRESS": "elsewhere:1",
    "HASTEN_WORKER_LANES": "3",
    "HASTEN_ROUTER_SEED": "1",
    "HASTEN_WORKER_ID": "mine",
}
URL = "redis://:secret@127.0.0.1:1/0"


def specs(
    options: UpOptions, folder: Path, environ: Mapping[str, str] | None = None
) -> list[ServiceSpec]:
    """The router, the schedulers, the workers."""
    planned = service_specs(options, Place(folder, URL, folder, environ or {}))
    return [spec for spec in planned if spec.kind != "autoscaler"]


def autoscaler(options: UpOptions, folder: Path) -> ServiceSpec:
    """The one that stops first."""
    return service_specs(options, Place(folder, URL, folder, {}))[0]


def test_the_autoscaler_advises_unless_it_is_told_how_many_workers_there_may_be(
    tmp_path: Path,
) -> None:
    advising = autoscaler(UpOptions(models=tmp_path, autoscaler_rule="hpa"), tmp_path).environ
    assert "HASTEN_AUTOSCALER_MODE" not in advising
    assert advising["HASTEN_AUTOSCALER_POLICY__RULE"] == "hpa"
    assert advising["HASTEN_AUTOSCALER_ADDRESS"] == "127.0.0.1:8005"
    options = UpOptions(models=tmp_path, autoscale=WorkerRange(0, 4), autoscaler_port=0)
    acting = autoscaler(options, tmp_path).environ
    assert acting["HASTEN_AUTOSCALER_MODE"] == "act"
    assert acting["HASTEN_AUTOSCALER_DRIVER_ADDRESS"] == str(tmp_path / "pool.sock")
    bounds = [acting[f"HASTEN_AUTOSCALER_BOUNDS__WORKERS_{end}"] for end in ("MIN", "MAX")]
    assert bounds == ["0", "4"]
    facts = {"address": "127.0.0.1:41"}
    again = pinned(autoscaler(options, tmp_path), facts)
    assert again.environ["HASTEN_AUTOSCALER_ADDRESS"] == "127.0.0.1:41"
    assert (autoscaler_port_of(0), autoscaler_port_of(9001)) == (0, 9005)


def test_a_service_sees_its_own_variables_and_those_of_no_other(tmp_path: Path) -> None:
    options = UpOptions(models=tmp_path, workers=2, schedulers=0)
    router, first, second = specs(options, tmp_path, ENVIRON)
    assert first.environ["HASTEN_WORKER_ID"] == "worker-1"
    assert second.environ["HASTEN_WORKER_ID"] == "worker-2"
    assert first.environ["HASTEN_WORKER_LANES"] == "3"
    assert "HASTEN_ADDRESS" not in first.environ
    assert "HASTEN_ROUTER_SEED" not in first.environ
    assert router.environ["HASTEN_ROUTER_SEED"] == "1"
    assert "HASTEN_WORKER_LANES" not in router.environ
    assert service_environ(ENVIRON, "", tmp_path).keys() == {"PATH", "PYTHONUNBUFFERED", "TMPDIR"}


def test_event_logs_are_asked_for_only_when_the_user_does(tmp_path: Path) -> None:
    for record in (None, tmp_path / "logs"):
        options = UpOptions(models=tmp_path, workers=1, schedulers=0, record=record)
        router, worker = specs(options, tmp_path)
        asked = str(record) if record else None
        assert worker.environ.get("HASTEN_WORKER_RECORD") == asked
        assert router.environ.get("HASTEN_ROUTER_RECORD") == asked


def test_the_limit_of_messages_is_one_for_the_whole_mesh(tmp_path: Path) -> None:
    theirs = {
        "HASTEN_WORKER_GRPC__MESSAGE_BYTES_MAX": "5000",
        "HASTEN_ROUTER_GRPC__MESSAGE_BYTES_MAX": "6000",
    }
    for asked, told in ((None, ["5000", "6000"]), (2**20, [str(2**20)] * 2)):
        options = UpOptions(models=tmp_path, workers=1, schedulers=0, message_bytes_max=asked)
        router, worker = specs(options, tmp_path, theirs)
        environ = {**worker.environ, **router.environ}
        assert [environ[name] for name in theirs] == told


def test_a_folder_for_event_logs_is_made_or_refused(tmp_path: Path) -> None:
    assert record_folder(None) is None
    assert record_folder(tmp_path / "new" / "logs") == tmp_path / "new" / "logs"
    assert (tmp_path / "new" / "logs").is_dir()
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/logs")):
        with pytest.raises(CommandError, match=r"--record .* cannot be used") as refused:
            record_folder(folder)
        assert refused.value.code == 2
        assert refused.value.next_step


def test_what_was_not_recorded_is_found_in_the_logs_of_the_services(tmp_path: Path) -> None:
    (tmp_path / "router.log").write_text(
        '{"event": "recording.impossible", "reason": "no room", "level": "error"}\n'
        "recording.ended, says somebody else\n"
    )
    (tmp_path / "worker-1.log").write_text(
        '{"event": "recording.ended", "reason": "reached 9 bytes", "log": "w.hlog", '
        '"level": "warning"}\n'
    )
    assert list(troubles(tmp_path)) == [
        Trouble("router does not record: no room", failed=True),
        Trouble(
            "worker-1 stopped recording: reached 9 bytes; what came before is in w.hlog",
            failed=False,
        ),
    ]


def test_the_password_of_redis_is_on_no_command_line(tmp_path: Path) -> None:
    options = UpOptions(models=tmp_path)
    planned = specs(options, tmp_path)
    assert len(planned) == 4
    assert not any("secret" in word for spec in planned for word in spec.argv)


def test_the_first_of_the_schedulers_has_the_port_that_clients_know(tmp_path: Path) -> None:
    options = UpOptions(models=tmp_path, workers=1, schedulers=2, tasks_port=0, host="0.0.0.0")  # noqa: S104
    _, first, second, _ = specs(options, tmp_path)
    assert (first.name, second.name) == ("scheduler-1", "scheduler-2")
    assert first.environ["HASTEN_SCHEDULER_ADDRESS"] == "0.0.0.0:0"
    assert second.environ["HASTEN_SCHEDULER_ADDRESS"] == "127.0.0.1:0"
    assert first.environ["HASTEN_SCHEDULER_REDIS_URL"] == URL
    again = pinned(first, {"address": "0.0.0.0:41"})
    assert again.environ["HASTEN_SCHEDULER_ADDRESS"] == "0.0.0.0:41"
    assert (tasks_port_of(8001), tasks_port_of(0)) == (8003, 0)
    assert (http_port_of(8001), http_port_of(0)) == (8000, 0)


def test_a_restarted_router_asks_for_the_ports_it_had(tmp_path: Path) -> None:
    options = UpOptions(models=tmp_path, host="0.0.0.0", port=0, metrics_port=0)  # noqa: S104
    spec = specs(options, tmp_path)[0]
    got = {"address": "0.0.0.0:41", "http_address": "0.0.0.0:40", "metrics_address": "0.0.0.0:42"}
    again = pinned(spec, got)
    assert again.environ["HASTEN_ROUTER_ADDRESS"] == "0.0.0.0:41"
    assert again.environ["HASTEN_ROUTER_HTTP_ADDRESS"] == "0.0.0.0:40"
    assert again.environ["HASTEN_ROUTER_METRICS_ADDRESS"] == "0.0.0.0:42"
    assert pinned(spec, {}).environ == spec.environ


def test_a_claimed_port_is_refused_to_the_next_and_free_again_afterwards() -> None:
    port = ports.free_port()
    with (
        ports.claimed("127.0.0.1", port, option="--port"),
        pytest.raises(CommandError, match="another `hasten up`"),
        ports.claimed("127.0.0.1", port, option="--port"),
    ):
        pass
    with ports.claimed("127.0.0.1", port, option="--port"):
        pass


def test_a_port_that_is_shared_by_its_listener_is_in_use_all_the_same() -> None:
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        with (
            pytest.raises(CommandError, match=f"port {port} on 127.0.0.1 is in use"),
            ports.claimed("127.0.0.1", port, option="--port"),
        ):
            pass


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with (
        pytest.raises(CommandError, match=r"cannot listen on port 9 of 192\.0\.2\.1") as caught,
        ports.claimed("192.0.2.1", 9, option="--port"),
    ):
        pass
    assert "--host" in caught.value.next_step


def test_an_ipv6_address_gets_its_brackets() -> None:
    assert host_port("::1", 8001) == host_port("[::1]", 8001) == "[::1]:8001"
    assert host_port("127.0.0.1", 1) == "127.0.0.1:1"


def test_port_zero_is_always_free() -> None:
    with (
        ports.claimed("127.0.0.1", 0, option="--port"),
        ports.claimed("127.0.0.1", 0, option="--port"),
    ):
        pass


def test_redis_is_taken_from_path_first(tmp_path: Path) -> None:
    program = tmp_path / "redis-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    assert redis.find_redis(str(tmp_path)) == str(program)
    assert redis.find_redis("/nonexistent").endswith(("redis-server", "valkey-server"))


@pytest.mark.integration
def test_a_guard_that_stands_still_does_not_spoil_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(run_folder, "_GUARD_STOP_S", 0.1)
    with RunFolder() as folder:
        assert folder._guard is not None
        os.kill(folder._guard.pid, signal.SIGSTOP)
    assert not is_running(folder._guard.pid)
    assert not list(tmp_path.iterdir())


@pytest.mark.integration
async def test_redis_answers_only_to_its_own_password_and_keeps_a_log() -> None:
    with RunFolder() as folder:
        endpoint = redis.RedisEndpoint(ports.free_port())
        config = redis.write_config(endpoint, folder.path)
        assert config.stat().st_mode & 0o077 == 0
        assert endpoint.password not in repr(endpoint)
        from hasten_cli.local.plan import redis_spec

        child = Child(redis_spec(redis.find_redis(), config, os.environ), folder)
        await child.start()
        try:
            facts = await eventually(lambda: redis.answers(endpoint))
            assert facts == {"address": endpoint.address}
            assert await redis.answers(redis.RedisEndpoint(endpoint.port)) is None
            assert (folder.path / "redis" / "appendonly.aof").exists() or list(
                (folder.path / "redis").rglob("*.aof")
            )
        finally:
            await child.stop()
        assert await redis.answers(endpoint) is None


def test_the_repository_asked_for_must_be_a_folder(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="does not exist") as caught:
        models_folder(tmp_path / "none", here=tmp_path)
    assert caught.value.code == 2
    (tmp_path / "file").touch()
    with pytest.raises(CommandError, match="is a file"):
        models_folder(tmp_path / "file", here=tmp_path)


def test_a_repository_that_may_not_be_read_is_refused_with_a_next_step(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read anything
    with pytest.raises(CommandError, match="cannot be read") as raised:
        models_folder(tmp_path, here=tmp_path)
    assert f"chmod u+rx {tmp_path}" in raised.value.next_step


@pytest.mark.parametrize(
    ("control", "next_step"),
    [("explicit", "hasten models load"), ("poll", "is taken up"), ("none", "start again")],
)
def test_a_mesh_without_a_model_says_how_to_give_it_one(control: str, next_step: str) -> None:
    assert next_step in without_models(Path("/models"), control)


@pytest.mark.parametrize(
    ("control", "step"),
    [
        ("poll", "a mended one is taken up within seconds"),
        ("explicit", "then: hasten models load digits"),
        ("none", "then start again"),
    ],
)
def test_models_that_are_not_served_are_told_with_a_next_step(control: str, step: str) -> None:
    broken = [ModelState("digits", version, "UNAVAILABLE", "no ONNX") for version in ("1", "2")]
    assert with_troubles(broken, Path("/models"), control) == [
        "model digits version 1 is not served: no ONNX",
        "model digits version 2 is not served: no ONNX",
        f"next: mend or remove the folder /models/digits; {step}",
    ]
    broken.append(ModelState("words", "", "UNAVAILABLE", "no version"))
    *told, last = with_troubles(broken, Path("/models"), control)
    assert told[2] == "model words is not served: no version"
    assert last.startswith("next: mend or remove the folder /models/MODEL; ")
    assert with_troubles([], Path("/models"), control) == []


def test_without_one_the_usual_folders_are_tried_then_a_sample(tmp_path: Path) -> None:
    assert models_folder(None, here=tmp_path) is None
    (tmp_path / "examples" / "models").mkdir(parents=True)
    assert models_folder(None, here=tmp_path) == tmp_path / "examples" / "models"
    (tmp_path / "models").mkdir()
    assert models_folder(None, here=tmp_path) == tmp_path / "models"
    assert models_folder(tmp_path, here=Path("/")) == tmp_path
    assert (write_sample(tmp_path / "sample") / "echo" / "1").is_dir()


def test_the_table_shows_what_the_router_says_of_ready_workers(tmp_path: Path) -> None:
    options = UpOptions(models=tmp_path, workers=10, schedulers=0)
    front, *workers = specs(options, tmp_path)
    services = [Service(spec, state="ready") for spec in (*workers, front)]
    services[1].state = "restarting"
    services[1].restarts = 3
    seen = {
        "worker-1": _worker("worker-1", standing="slow_start", in_flight=2),
        "worker-2": _worker("worker-2", standing="ejected", in_flight=1),
    }
    router, first, second, *others = rows(services, seen)
    assert router.service == "router"
    assert router.in_flight == "3"
    assert (first.state, first.in_flight) == ("slow start", "2")
    assert first.models == "m0, m1, m2, m3 and 2 more"
    assert (second.state, second.restarts) == ("restarting", "3")
    assert [row.service for row in others][-2:] == ["worker-9", "worker-10"]


def _worker(name: str, *, standing: str, in_flight: int) -> Worker:
    return Worker(
        worker_id=name,
        address="127.0.0.1:1",
        pid=1,
        standing=standing,
        models=tuple(WorkerModel(f"m{number}", "1", ready=True) for number in range(6)),
        in_flight=in_flight,
        depth=0,
        backlog_s=0.0,
        service_s=0.0,
        report_age_s=0.0,
        answered=0,
        failed=0,
        cpu_cores=0.0,
        memory_bytes=0,
    )


@pytest.mark.integration
def test_the_guard_removes_the_folder_and_the_groups_of_a_dead_supervisor(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "keep").touch()
    source = (
        "import os, subprocess, sys\n"
        "from hasten_cli.local.run_folder import RunFolder\n"
        "folder = RunFolder().__enter__()\n"
        f"os.symlink({str(outside)!r}, folder.path / 'link')\n"
        "(folder.path / 'deep' / 'er').mkdir(parents=True)\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import signal; signal.pause()'],\n"
        "    start_new_session=True)\n"
        "ended = subprocess.Popen(['true'], start_new_session=True); ended.wait()\n"
        "folder.began(child.pid); folder.began(ended.pid); folder.ended(ended.pid)\n"
        "print(child.pid, folder.path, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    import subprocess

    ended = subprocess.run(
        [sys.executable, "-c", source],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == -signal.SIGKILL
    pid, folder = ended.stdout.split()
    eventually_sync(lambda: not Path(folder).exists())
    eventually_sync(lambda: not is_running(int(pid)))
    assert (outside / "keep").exists()
