"""The verbs against a real server that answers by script."""

import json
import os
import subprocess
import sys

import grpc
import pytest
from typer.testing import CliRunner, Result

from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from hasten_cli.main import app, main
from tests.support.ports import free_port
from tests.unit.client.scripted_server import Fail, ScriptedServer

RUNNER = CliRunner()


def run(mesh: ScriptedServer, *words: str) -> Result:
    return RUNNER.invoke(app, [*words, "--address", mesh.address])


def test_infer_prints_the_outputs(mesh: ScriptedServer) -> None:
    result = run(mesh, "infer", "m", "--input", "x=[1,2]")
    assert result.exit_code == 0, result.output
    assert result.output == "x  FP32  [1, 2]\n  [[1., 2.]]\n"


def test_infer_sends_every_option(mesh: ScriptedServer) -> None:
    options = ["--deadline", "20s", "--priority", "high", "--tenant", "blue", "--version", "1"]
    result = run(mesh, "infer", "m", "-i", "x=@random", *options, "--timing", "--json")
    assert result.exit_code == 0, result.output
    seen = mesh.seen[0]
    assert seen.request.model_version == "1"
    assert seen.request.parameters["priority"].int64_param == 1
    assert seen.request.parameters["tenant"].string_param == "blue"
    assert seen.time_left_s is not None
    assert seen.time_left_s < 21
    said = json.loads(result.output)
    assert said["outputs"][0]["shape"] == [1, 2]
    assert said["timing"]["worker_id"] == "worker-1"
    assert said["model"] == "m"


def test_infer_draws_where_the_time_went(mesh: ScriptedServer) -> None:
    result = run(mesh, "infer", "m", "-i", "x=@ones", "--timing")
    assert "where the time went" in result.output
    assert "postprocess           70 us" in result.output
    assert "worker worker-1, batch of 4" in result.output


def test_infer_without_an_input_says_what_the_model_takes(mesh: ScriptedServer) -> None:
    result = run(mesh, "infer", "m")
    assert result.exit_code == 2
    assert "x  FP32  [-1, 2]" in result.stderr
    assert "next: hasten infer m --input 'x=[[1,1]]' --address" in result.stderr
    assert not mesh.seen


def test_many_requests_are_summed_up_with_their_failures(mesh: ScriptedServer) -> None:
    fail = Fail(grpc.StatusCode.RESOURCE_EXHAUSTED, reason="QUEUE_FULL", pushback="-1")
    mesh.script.extend([fail, fail])
    result = run(mesh, "infer", "m", "-i", "x=@ones", "--count", "10")
    assert result.exit_code == 0
    assert "8 answered: p50" in result.output
    assert "failed: 2 QUEUE_FULL" in result.output
    mesh.script.append(fail)
    said = json.loads(run(mesh, "infer", "m", "-i", "x=@ones", "--count", "5", "--json").output)
    assert (said["count"], said["answered"], said["failed"]) == (5, 4, {"QUEUE_FULL": 1})
    assert set(said["latency_ms"]) == {"p50", "p90", "p99"}


def test_a_refusal_says_what_why_and_the_next_step(mesh: ScriptedServer) -> None:
    mesh.script.append(
        Fail(grpc.StatusCode.DEADLINE_EXCEEDED, "needs 9 ms", reason="DEADLINE_INFEASIBLE")
    )
    result = run(mesh, "infer", "m", "-i", "x=@ones")
    assert result.exit_code == 1
    assert result.stderr == (
        "error: DEADLINE_INFEASIBLE: needs 9 ms\n"
        "  next: allow more time: --deadline, or send a smaller input\n"
    )
    assert result.stdout == ""


def test_a_refusal_is_json_for_programs(mesh: ScriptedServer) -> None:
    mesh.answers["ModelMetadata"] = Fail(
        grpc.StatusCode.NOT_FOUND, "no m", reason="MODEL_NOT_FOUND", metadata={"model": "m"}
    )
    result = run(mesh, "infer", "m", "-i", "x=1", "--json")
    assert result.exit_code == 1
    error = json.loads(result.stderr)["error"]
    assert (error["reason"], error["status"]) == ("MODEL_NOT_FOUND", "NOT_FOUND")
    assert error["metadata"] == {"model": "m"}
    assert "hasten models list" in error["next_step"]


def test_nobody_there_is_exit_code_three() -> None:
    address = f"127.0.0.1:{free_port()}"  # Nobody else's, as that of a server that left may be.
    result = RUNNER.invoke(app, ["models", "list", "--address", address])
    assert result.exit_code == 3
    assert f"nobody answers at {address}" in result.stderr
    assert "hasten up" in result.stderr


def test_the_address_comes_from_the_environment_too(mesh: ScriptedServer) -> None:
    result = RUNNER.invoke(app, ["models", "list"], env={"HASTEN_ADDRESS": mesh.address})
    assert result.exit_code == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["infer", "m", "--deadline", "50"], "write a number and its unit, as 50ms"),
        (["infer", "m", "--deadline", "-1s"], "no duration"),
        (["infer", "m", "--count", "0"], "--count"),
        (["infer", "m", "-i", "x=1", "--priority", "urgent"], "high, normal, low, batch"),
        (["infer", "m", "-i", "x=1", "--address", "nowhere"], "host:port"),
        (["models", "list", "--address", ":8001"], "host:port"),
        (["workers", "drain"], "worker"),
        (["up", "--control", "magic"], "magic"),
        (["up", "--workers", "0"], "--workers"),
        (["up", "--message-limit", "big"], "as 64MiB or 1GB"),
        (["up", "--message-limit", "2GiB"], "between 4096 and 2147483647 bytes"),
        (["up", "--message-limit", "1KiB"], "between 4096 and 2147483647 bytes"),
        (["up", "--models", "/nonexistent/models"], "does not exist"),
        (["up", "--port", "9000", "--metrics-port", "9000"], "both 9000"),
        (["up", "--port", "9001", "--metrics-port", "9000"], "both 9000"),
        (["up", "--http-port", "9001", "--port", "9001"], "both 9001"),
        (["dance"], "dance"),
    ],
)
def test_wrong_use_is_exit_code_two_and_named(words: list[str], part: str) -> None:
    result = RUNNER.invoke(app, words)
    assert result.exit_code == 2, result.output
    assert part in result.output


def test_models_are_listed(mesh: ScriptedServer) -> None:
    result = run(mesh, "models", "list")
    assert [line.split() for line in result.output.splitlines()] == [
        ["model", "version", "state", "reason"],
        ["m", "1", "READY"],
        ["n", "UNAVAILABLE", "no", "file"],
    ]
    said = json.loads(run(mesh, "models", "list", "--json").output)
    assert said["models"][1] == {
        "name": "n",
        "version": "",
        "state": "UNAVAILABLE",
        "reason": "no file",
    }


def test_no_models_is_said(mesh: ScriptedServer) -> None:
    mesh.answers["RepositoryIndex"] = pb.RepositoryIndexResponse()
    assert "no models" in run(mesh, "models", "list").output
    assert json.loads(run(mesh, "models", "list", "--json").output) == {"models": []}


def test_a_model_is_shown_with_what_it_did_and_how_to_try_it(mesh: ScriptedServer) -> None:
    result = run(mesh, "models", "show", "m")
    assert "batching up to 8 rows" in result.output
    assert "x     FP32      [-1, 2]" in result.output
    assert "version 1: 6 rows in 2 batches, 0 failed, compute 1.00 ms" in result.output
    assert "hasten infer m --input" in result.output
    said = json.loads(run(mesh, "models", "show", "m", "--json").output)
    assert said["config"]["max_batch_size"] == 8
    assert said["inputs"][0]["name"] == "x"


def test_models_are_loaded_and_unloaded(mesh: ScriptedServer) -> None:
    assert run(mesh, "models", "load", "m").output == "m loaded\n"
    assert json.loads(run(mesh, "models", "unload", "m", "--json").output)["done"] == "unloaded"
    mesh.answers["RepositoryModelLoad"] = Fail(
        grpc.StatusCode.FAILED_PRECONDITION, "not now", reason="CONTROL_MODE"
    )
    result = run(mesh, "models", "load", "m")
    assert result.exit_code == 1
    assert "hasten up --control explicit" in result.stderr


def test_workers_are_listed(mesh: ScriptedServer) -> None:
    header, line = run(mesh, "workers", "list").output.splitlines()
    assert header.split()[0] == "worker"
    for part in ("worker-1", "slow start", "250 ms", "m:1 (not ready)", "1 MiB"):
        assert part in line
    (worker,) = json.loads(run(mesh, "workers", "list", "--json").output)["workers"]
    assert worker["in_flight"] == 3


def test_a_worker_is_drained_and_calls_that_were_left_are_a_failure(mesh: ScriptedServer) -> None:
    assert run(mesh, "workers", "drain", "worker-1").output == "worker-1 is drained and idle\n"
    mesh.answers["DrainWorker"] = router_pb.DrainWorkerResponse(abandoned=2)
    result = run(mesh, "workers", "drain", "worker-1", "--patience", "1s", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stderr)["error"]["abandoned"] == 2
    asked = router_pb.DrainWorkerRequest.FromString(mesh.requests["DrainWorker"])
    assert asked.patience_us == 1_000_000


def test_a_worker_asked_for_workers_says_whom_to_ask(mesh: ScriptedServer) -> None:
    del mesh.answers["ListWorkers"]
    result = run(mesh, "workers", "list")
    assert result.exit_code == 1
    assert "ask a router" in result.stderr


def test_version_names_what_is_installed() -> None:
    said = json.loads(RUNNER.invoke(app, ["version", "--json"]).output)
    assert {"python", "hasten-cli", "grpcio"} <= said.keys()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["up"],
        ["infer"],
        ["simulate"],
        ["models"],
        ["models", "load"],
        ["workers", "drain"],
        ["version"],
    ],
)
def test_every_verb_has_help(words: list[str]) -> None:
    result = RUNNER.invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage:" in result.output


def test_help_loads_none_of_the_heavy_packages() -> None:
    source = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from hasten_cli.main import app\n"
        "assert CliRunner().invoke(app, ['infer', '--help']).exit_code == 0\n"
        "heavy = {'grpc', 'numpy', 'pydantic', 'google.protobuf', 'asyncio', 'rich', 'psutil',\n"
        "         'hasten_sim', 'hasten_policy'}\n"
        "sys.exit(', '.join(sorted(heavy & set(sys.modules))) or 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_shell_completes_verbs(shell: str) -> None:
    variables = {
        "bash": {"COMP_WORDS": "hasten wor", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "hasten wor"},
        "fish": {"_TYPER_COMPLETE_ARGS": "hasten wor", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }[shell]
    ended = subprocess.run(
        ["hasten"],
        executable=os.path.join(os.path.dirname(sys.executable), "hasten"),  # noqa: PTH118, PTH120
        env={**os.environ, "_HASTEN_COMPLETE": f"complete_{shell}", **variables},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "workers" in ended.stdout, ended.stderr


@pytest.mark.parametrize(
    ("words", "part", "verb"),
    [
        (("up", "--port", "80000"), "'--port'", "hasten up"),
        (("up", "--bogus"), "--bogus", "hasten up"),
        (("infer",), "'model'", "hasten infer"),
        (("workers", "nothing"), "nothing", "hasten workers"),
    ],
)
def test_with_json_a_wrong_option_is_told_as_json(
    words: tuple[str, ...], part: str, verb: str
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "hasten_cli.main", *words, "--json"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    error = json.loads(ended.stderr)["error"]
    assert part in error["message"]
    assert error["next_step"] == f"see {verb} --help"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("up --workers zero", "Invalid value for '--workers': 'zero' is no whole number"),
        ("up --workers 65", "Invalid value for '--workers': 65 is not between 1 and 64"),
        ("simulate x --workers 0", "Invalid value for '--workers': 0 is less than 1"),
        ("simulate x --load much", "Invalid value for '--load': 'much' is no number"),
    ],
)
def test_a_wrong_option_is_told_as_every_other_error(
    words: str, message: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hasten", *words.split()])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    verb = words.split(maxsplit=1)[0]
    assert capsys.readouterr().err == f"error: {message}\n  next: see hasten {verb} --help\n"


def test_without_a_verb_the_help_is_no_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["hasten", "models"])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.startswith("Usage: hasten models")
