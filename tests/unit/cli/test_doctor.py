"""`hasten doctor`: each check with a fake at its port, and how what they find is told."""

import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hasten.inference.v2 import inference_pb2 as pb
from hasten_cli.doctor import checks, verb
from hasten_cli.doctor.consul import ask_consul, consul_findings
from hasten_cli.doctor.examine import examine
from hasten_cli.doctor.finding import FINDINGS_MAX, Check, Finding, Status, bounded, fail, ok, warn
from hasten_cli.doctor.ports import Holder, holder_of, kind_of, port_findings
from hasten_cli.doctor.redis import RedisSeen, ask_redis, program_findings, redis_findings
from hasten_cli.doctor.repository import inspect_repository, repository_findings
from hasten_cli.doctor.router import Mesh, ask_router, router_findings
from hasten_cli.failures import CommandError
from hasten_cli.local.models import write_sample
from hasten_cli.main import app
from hasten_client import HastenError, ModelState, Unimplemented, Unreachable, Worker
from hasten_runtime.load_store import StoreUnavailable
from tests.support.ports import free_port
from tests.unit.client.scripted_server import ScriptedServer

RUNNER = CliRunner()
HELP = """\
Usage: hasten doctor [OPTIONS]

Check what this machine and a mesh need, and say the next step.

Each finding is ok, warn or fail: ports, router, workers, models, Redis, Consul, clock, GPU, native
transport, open files, disk, memory. Nothing is started, loaded or changed. It takes ten seconds at
most. The exit code is 1 when something fails. The ports are looked at where the router's address
is on this machine.

Options:
-a, --address <str> Router that should answer, host:port. [default: localhost:8001, if one runs]
[env var: HASTEN_ADDRESS]
--redis URL Redis that the services use, as redis://host:6379/0. [default: the program that `hasten
up` starts] [env var: HASTEN_REDIS_URL]
--consul ADDRESS Consul agent that the services use, host:port. [default: none, as `hasten up`]
--models <path> Models that the workers serve or will serve. [default: ./models, ./examples/models,
or a sample] [env var: HASTEN_MODELS]
--json Print JSON for programs.
-h, --help Show this message and exit.
"""


def told(findings: Iterable[Finding]) -> list[tuple[str, str]]:
    """Check and status of each; whoever has nothing to do has no next step, and the others one."""
    found = list(findings)
    assert all(bool(one.next_step) == (one.status != Status.OK) for one in found)
    return [(one.check, one.status.value) for one in found]


def test_help_is_as_it_is_written() -> None:
    result = RUNNER.invoke(app, ["doctor", "--help"], prog_name="hasten")
    assert result.output.split() == HELP.split()


# Carrying out and telling.


def test_a_check_that_fails_itself_is_a_finding_and_the_others_go_on() -> None:
    def crash() -> list[Finding]:
        raise RuntimeError("a\nbug")

    def refuse() -> list[Finding]:
        raise CommandError("it is not there", next_step="put it there")

    looks: dict[str, Callable[[], list[Finding]]] = {
        "crash": crash,
        "refuse": refuse,
        "well": lambda: [ok("well", "it is")],
    }
    found = examine([Check(*look) for look in looks.items()], within_s=60.0)
    assert told(found) == [("crash", "fail"), ("refuse", "fail"), ("well", "ok")]
    assert found[0].what == "the check itself failed: RuntimeError: a bug"
    assert (found[1].what, found[1].next_step) == ("it is not there", "put it there")


def test_a_check_that_hangs_is_a_finding() -> None:
    for_ever = threading.Event()

    def hang() -> list[Finding]:
        for_ever.wait()
        return []

    try:
        (late,) = examine([Check("hang", hang)], within_s=0.01)
    finally:
        for_ever.set()
    assert told([late]) == [("hang", "fail")]
    assert "did not end within 0.01 s" in late.what


def test_many_findings_of_one_check_are_bounded_gravest_first() -> None:
    many = [warn("m", str(number), "mend it") for number in range(40)]
    found = bounded([*many, fail("m", "worst", "mend it")])
    assert len(found) == FINDINGS_MAX
    assert found[0].what == "worst"
    assert found[-1].what == "and 22 more findings"


@pytest.mark.parametrize("term", ["dumb", "xterm"])
def test_off_a_terminal_findings_are_plain_lines(
    term: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TERM", term)
    found = [ok("disk", "9 GiB free"), fail("port 8001", "in use", "stop it")]
    monkeypatch.setattr(verb, "checks", lambda _: [Check("all", lambda: found)])
    options = checks.DoctorOptions(None, None, None, None, tmp_path)
    assert verb.doctor(options, as_json=False) == 1
    assert capsys.readouterr().out == (
        "ok    disk       9 GiB free\n"
        "fail  port 8001  in use\n"
        "                 next: stop it\n"
        "1 ok, 0 warn, 1 fail\n"
    )
    found.pop()
    assert verb.doctor(options, as_json=True) == 0
    assert json.loads(capsys.readouterr().out) == {
        "ok": 1,
        "warn": 0,
        "fail": 0,
        "findings": [{"check": "disk", "status": "ok", "what": "9 GiB free", "next_step": ""}],
    }
    assert verb.summary(Counter({Status.OK: 3})) == "all 3 findings are ok"


def test_only_what_the_operator_named_is_looked_at(tmp_path: Path) -> None:
    def names(address: str | None, consul: str | None) -> list[str]:
        options = checks.DoctorOptions(address, None, consul, None, tmp_path)
        return [check.name for check in checks.checks(options)]

    assert names(None, None)[:3] == ["ports", "router", "redis"]
    assert names("elsewhere:8001", "there:8500")[:3] == ["router", "redis", "consul"]
    assert checks.port_here("[::1]:9001") == 9001
    assert checks.port_here("localhost:x") is None


# The checks.


def test_ports_are_free_or_say_who_has_them_and_which_option_helps() -> None:
    holders = {
        8001: Holder("a gRPC server", "python3 (pid 7)", is_hasten=True),
        8002: Holder("an HTTP server", "", is_hasten=False),
    }
    found = list(port_findings(8001, holders.get))
    assert told(found) == [
        ("port 8001", "ok"),
        ("port 8000", "ok"),
        ("port 8002", "fail"),
        ("port 8003", "ok"),
        ("port 8005", "ok"),
    ]
    assert found[2].what == "in use by an HTTP server; `hasten up` wants it (metrics)"
    assert "--metrics-port" in found[2].next_step


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (b"HTTP/1.1 404 Not Found\r\n", "an HTTP server"),
        (b"\x00\x00\x12\x04\x00\x00\x00\x00\x00", "a gRPC server"),
        (b"-ERR unknown command\r\n", "a Redis"),
        (b"220 mail", "a server of another kind"),
        (b"", "a program that says nothing"),
    ],
)
def test_what_answers_at_a_port_is_told_by_its_first_bytes(answer: bytes, kind: str) -> None:
    assert kind_of(answer) == kind


def test_a_real_port_is_free_or_held() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        server.close()
        assert holder_of(number) is None
    with ScriptedServer() as mesh:
        found = holder_of(int(mesh.address.rpartition(":")[2]))
    assert found is not None
    assert found.kind == "a gRPC server"


def worker(standing: str) -> Worker:
    return Worker(
        worker_id=f"w-{standing}",
        address="127.0.0.1:9",
        pid=1,
        standing=standing,
        models=(),
        in_flight=0,
        depth=0,
        backlog_s=0.0,
        service_s=0.0,
        report_age_s=0.0,
        answered=0,
        failed=0,
        cpu_cores=0.0,
        memory_bytes=0,
    )


def router(mesh: Mesh | HastenError, *, is_named: bool = True) -> list[Finding]:
    def ask(address: str) -> Mesh:
        assert address == "there:1"
        if isinstance(mesh, HastenError):
            raise mesh
        return mesh

    return list(router_findings("there:1", ask, is_named=is_named))


def test_a_ready_mesh_is_well_but_for_the_model_it_could_not_load() -> None:
    models = (
        ModelState("m", "1", "READY", ""),
        ModelState("n", "2", "UNAVAILABLE", "no file"),
        ModelState("o", "1", "UNAVAILABLE", "unloaded"),
    )
    found = router(Mesh("hasten 1", ready=True, workers=(worker("ready"),), models=models))
    assert told(found) == [
        ("router", "ok"),
        ("workers", "ok"),
        ("models of the mesh", "fail"),
        ("models of the mesh", "ok"),
    ]
    assert found[2].what == "model n version 2 is not served: no file"


def test_a_router_that_is_not_ready_says_why() -> None:
    (alone,) = router(Mesh("hasten 1", ready=False, workers=(), models=()))
    assert alone.what == "hasten 1 at there:1 is not ready: it sees no worker"
    ejected = router(Mesh("hasten 1", ready=False, workers=(worker("ejected"),), models=()))
    assert told(ejected) == [("router", "fail"), ("workers", "warn")]
    assert "w-ejected (ejected)" in ejected[1].what
    lacking = router(Mesh("hasten 1", ready=False, workers=(worker("ready"),), models=()))
    assert "/health/ready" in lacking[0].next_step


def test_an_address_where_nobody_is_fails_only_if_it_was_named() -> None:
    gone = Unreachable("refused")
    assert told(router(gone)) == [("router", "fail")]
    assert told(router(gone, is_named=False)) == [("router", "warn")]
    assert told(router(HastenError("broken"))) == [("router", "fail")]
    (other,) = router(Unimplemented("404"))
    assert other.what == "what answers at there:1 is no router of Hasten (404)"


def test_a_server_that_answers_is_asked_for_real(mesh: ScriptedServer) -> None:
    mesh.answers["ServerMetadata"] = pb.ServerMetadataResponse(name="hasten", version="1")
    mesh.answers["ServerReady"] = pb.ServerReadyResponse(ready=True)
    seen = ask_router(mesh.address)
    assert (seen.server, seen.ready) == ("hasten 1", True)
    assert [one.worker_id for one in seen.workers] == ["worker-1"]
    assert [one.name for one in seen.models] == ["m", "n"]


GOOD = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}


def redis(seen: RedisSeen | Exception, url: str = "redis://u:secret@there:1/0") -> list[Finding]:
    async def ask(_: str) -> RedisSeen:
        if isinstance(seen, Exception):
            raise seen
        return seen

    found = list(redis_findings(url, ask))
    assert not any("secret" in one.what + one.next_step for one in found)
    return found


def test_a_redis_that_keeps_data_is_well() -> None:
    found = redis(RedisSeen("7.0.15", GOOD, 0.2, 0.1))
    assert told(found) == [
        ("redis", "ok"),
        ("redis persistence", "ok"),
        ("redis eviction", "ok"),
        ("clock", "ok"),
    ]
    assert found[0].what == "version 7.0.15 at redis://there:1/0"


def test_each_setting_of_redis_that_loses_data_is_told() -> None:
    losing = {"appendonly": "no", "maxmemory-policy": "allkeys-lru", "maxmemory": "1000"}
    found = redis(RedisSeen("6.2.1", losing, -30.0, 0.1))
    assert told(found) == [
        ("redis", "fail"),
        ("redis persistence", "warn"),
        ("redis eviction", "fail"),
        ("clock", "warn"),
    ]
    assert found[1].next_step == "set `appendonly yes`"
    assert "30.0 s ahead of that of Redis" in found[3].what
    unbounded = redis(RedisSeen("7.4", {**losing, "maxmemory": "0"}, 1.4, 0.5))
    assert told(unbounded)[2:] == [("redis eviction", "warn"), ("clock", "ok")]
    asked = redis(RedisSeen("", None, 0.0, 0.0))
    assert told(asked)[:2] == [("redis", "warn"), ("redis persistence", "warn")]


def test_a_redis_that_does_not_answer_is_one_finding() -> None:
    assert told(redis(StoreUnavailable("Redis did not answer"))) == [("redis", "fail")]
    assert told(redis(ValueError("no scheme"))) == [("redis", "fail")]
    nobody = f"redis://127.0.0.1:{free_port()}/0"
    assert told(redis_findings(nobody, ask_redis)) == [("redis", "fail")]
    assert told(redis_findings("nonsense", ask_redis)) == [("redis", "fail")]


def test_a_server_that_takes_connections_and_says_nothing_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for module in ("consul", "redis", "router", "ports"):
        monkeypatch.setattr(f"hasten_cli.doctor.{module}.ANSWER_S_MAX", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        assert told(redis_findings(f"redis://{address}", ask_redis)) == [("redis", "fail")]
        assert told(consul_findings(address, ask_consul)) == [("consul", "fail")]
        assert told(router_findings(address, ask_router, is_named=True)) == [("router", "fail")]
        found = holder_of(server.getsockname()[1])
    assert found is not None
    assert found.kind == "a program that says nothing"


@pytest.mark.parametrize(
    ("printed", "status"),
    [
        ("Redis server v=7.0.15 sha=0:0 malloc=jemalloc-5.3.0", "ok"),
        ("Valkey server v=8.0.1 sha=0", "ok"),
        ("Redis server v=6.0.16", "fail"),
        ("", "warn"),
    ],
)
def test_the_program_that_up_would_start_has_a_version(printed: str, status: str) -> None:
    assert told(program_findings(lambda: "/r", lambda _: printed)) == [("redis", status)]


def test_consul_answers_leads_or_does_not() -> None:
    def found(said: str | OSError, address: str = "there:8500") -> list[Finding]:
        async def ask(_: str) -> str:
            if isinstance(said, OSError):
                raise said
            return said

        return list(consul_findings(address, ask))

    assert told(found("10.0.0.1:8300")) == [("consul", "ok")]
    assert told(found("")) == [("consul", "fail")]
    assert told(found("x", "ftp://there:1")) == [("consul", "fail")]
    (late,) = found(TimeoutError())
    assert "no answer within 2 s" in late.what


def test_a_repository_is_looked_at_without_loading(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_sample(tmp_path / "models")
    bad = tmp_path / "models" / "bad" / "1"
    bad.mkdir(parents=True)
    (bad / "model.onnx").write_bytes(b"no onnx")
    (tmp_path / "models" / "empty").mkdir()
    (tmp_path / "models" / "echo" / "v2").mkdir()
    caplog.set_level("INFO")
    found = list(repository_findings(None, tmp_path, inspect_repository))
    assert told(found) == [("models", status) for status in ("ok", "fail", "fail", "warn")]
    assert found[3].what.startswith("model echo: folder 'v2' is ignored: a version is")
    assert not caplog.records
    whats = {one.what for one in found[1:]}
    assert any("model bad version 1 would not be served: model.onnx" in what for what in whats)
    assert any("model empty would not be served: the model has no version" in w for w in whats)


def test_a_repository_may_be_missing_or_empty(tmp_path: Path) -> None:
    assert told(repository_findings(None, tmp_path, inspect_repository)) == [("models", "ok")]
    assert told(repository_findings(tmp_path, tmp_path, lambda _: [])) == [("models", "warn")]
    with pytest.raises(CommandError):
        list(repository_findings(tmp_path / "gone", tmp_path, inspect_repository))
