"""`hasten simulate`: what it prints, refuses and leaves behind."""

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from rich.console import Console
from typer.testing import CliRunner, Result

from hasten.common.v1.load_pb2 import ModelLoad, WorkerState
from hasten.router.v1 import router_service_pb2 as router_pb
from hasten_cli.commands import simulate as command
from hasten_cli.main import app
from hasten_cli.simulating import progress, shipped
from tests.support.waiting import eventually_sync
from tests.unit.client.scripted_server import ScriptedServer

RUNNER = CliRunner()
QUICK = ("--duration", "0.4s", "--seeds", "2", "--processes", "1")
SYNTHETIC = """\
name: "{name}"
backend: "synthetic"
max_batch_size: 8
dynamic_batching {{ }}
parameters {{ key: "alpha_ms" value {{ string_value: "6" }} }}
parameters {{ key: "beta_ms" value {{ string_value: "3" }} }}
"""


def run(*words: str) -> Result:
    return RUNNER.invoke(app, ["simulate", *words])


# --- workloads ------------------------------------------------------------------------


def test_a_shipped_workload_is_run_by_name_with_its_own_sweep() -> None:
    result = run("small", *QUICK)
    assert result.exit_code == 0, result.output
    assert "\N{MULTIPLICATION SIGN} the capacity hasten keeps" in result.stdout
    assert "load 0.5" in result.stdout
    assert "load 1.2" in result.stdout
    assert "goodput@99" in result.stdout
    assert result.stderr == ""


def test_the_printed_command_gives_the_same_again(tmp_path: Path) -> None:
    first = run("small", "--sweep", "load=0.5:1:0.5", "--seed", "3", *QUICK, "--json")
    said = json.loads(first.stdout)
    words = shlex.split(said["command"])
    assert words[:3] == ["hasten", "simulate", "small"]
    assert said["seeds"] == [3, 4]
    again = run(*words[2:], "--json", "--processes", "2", "--report", str(tmp_path / "r.html"))
    assert again.stdout == first.stdout
    assert said["command"] in (tmp_path / "r.html").read_text()


def test_policies_are_compared_on_the_same_seeds() -> None:
    result = run("small", "--policy", "hasten", "--policy", "fifo", "--load", "2", *QUICK)
    assert result.exit_code == 0, result.output
    assert "compared on the same seeds" in result.stdout
    assert re.search(r"fifo +load 2 +hasten +-\d", result.stdout)


def test_a_workload_may_be_a_path(tmp_path: Path) -> None:
    source = shipped.find("small").read_text().replace('name = "small"', 'name = "mine"')
    path = tmp_path / "mine.toml"
    path.write_text(source)
    said = json.loads(run(str(path), "--load", "0.5", *QUICK, "--json").stdout)
    assert said["workload"] == "mine"
    assert said["cells"][0]["load"] == 0.5


def test_workers_and_routers_can_be_swept_together() -> None:
    result = run("small", "--sweep", "workers=2,3", "--sweep", "routers=1:2:1", *QUICK, "--json")
    cells = json.loads(result.stdout)["cells"]
    assert [(cell["workers"], cell["routers"]) for cell in cells] == [
        (2, 1),
        (2, 2),
        (3, 1),
        (3, 2),
    ]


@pytest.mark.parametrize(
    ("words", "message", "step"),
    [
        ((), "nothing to simulate", "take one of"),
        (("smal",), "there is no workload smal", "did you mean small?"),
        (("no_such",), "there is no workload no_such", "take a path, or one of"),
        (("small", "--policy", "hastn"), "--policy hastn", "hasten simulate --policies"),
        (("small", "--policy", "hasten,router.nothing=1"), "nothing", "--policies"),
        (("small", "--sweep", "load=2:1:1"), "neither a span", "load=0.5:3:0.5"),
        (("small", "--sweep", "speed=1,2"), "expected one of load", "load=0.5:3:0.5"),
        (("small", "--sweep", "workers=1.5"), "expected a whole number", "workers=1,2,4"),
        (("small", "--sweep", "load=0,1"), "must be positive", "load=0.5:3:0.5"),
        (("small", "--sweep", "load=0:9:0.0001"), "at most 200", "load=0.5:3:0.5"),
        (("small", "--sweep", "load=1,2", "--load", "1"), "contradict", "drop one"),
        (("small", "--sweep", "load=1", "--sweep", "load=2"), "twice", "in one"),
        (("small", "--load", "-1"), "must be positive", "load=0.5:3:0.5"),
        (("small", "--rate", "5"), "--rate", "--help"),
        (("small", "--kill-one"), "--kill-one", "--help"),
        (("small", "--find", "routers"), "only workers", "--find workers"),
        (("small", "--find", "workers", "--slo", "0"), "--slo 0", "--slo 99"),
        (("small", "--find", "workers", "--workers", "2"), "chooses the workers", "drop"),
        (("small", "--report", "/no/such/folder/r.html"), "no folder", "mkdir -p"),
        (("small", "--report", "."), "is a folder", "name a file"),
        (("crash", "--duration", "1s"), "would not happen", "--duration"),
        (("balancing_silent_slow", "--workers", "1"), "worker", ""),
        (("--models", "examples/models"), "--rate and a --deadline", "--rate 200"),
        (("--models", "x", "--rate", "1", "--deadline", "1s"), "--models x does not exist", ""),
        (("--models", "x", "--from", "y:1", "--rate", "1", "--deadline", "1s"), "two sources", ""),
        (("--models", "x", "--load", "2"), "--load", "--help"),
        (("small", "--models", "x"), "WORKLOAD", "--help"),
    ],
)
def test_what_makes_no_sense_is_refused_with_a_next_step(
    words: tuple[str, ...], message: str, step: str
) -> None:
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert step in result.stderr
    assert result.stdout == ""


def test_every_fault_of_a_workload_file_is_told(tmp_path: Path) -> None:
    path = tmp_path / "bad.toml"
    path.write_text('name = "bad"\nduration_s = -1\nnonsense = 2\n')
    result = run(str(path))
    assert result.exit_code == 2
    assert "duration_s" in result.stderr
    assert "nonsense" in result.stderr
    assert "docs/workloads.md" in result.stderr


# --- --find ---------------------------------------------------------------------------


def test_the_least_number_of_workers_is_searched_step_by_step() -> None:
    result = run("small", "--find", "workers", "--slo", "90", "--seeds", "1", "--processes", "1")
    assert result.exit_code == 0, result.output
    *steps, answer = result.stdout.splitlines()
    assert steps[0].startswith("hasten: 2 workers, ")
    assert re.fullmatch(r"hasten: 3 workers keep [\d.]+ % in time \(asked for: 90 %\)", answer)


def test_a_search_without_success_ends_with_status_1(tmp_path: Path) -> None:
    path = tmp_path / "hopeless.toml"
    # A batch of one row takes 11 ms.
    path.write_text(shipped.find("small").read_text().replace("\nms = 100", "\nms = 5"))
    words = ("--find", "workers", "--duration", "0.2s", "--load", "0.1")
    result = run(str(path), *words, "--seeds", "1", "--processes", "1", "--json")
    assert result.exit_code == 1, result.output
    said = json.loads(result.stdout)
    assert said["policies"][0]["workers"] is None
    assert len(said["policies"][0]["steps"]) >= 2
    assert "keeps 99 % in time" in json.loads(result.stderr)["error"]["message"]


# --- --policies and completion --------------------------------------------------------


def test_all_policies_are_listed_with_what_they_do() -> None:
    found = {(one["kind"], one["name"]): one["description"] for one in _policies()}
    assert ("bundle", "hasten") in found
    assert ("balancer", "round_robin") in found
    assert all(found.values())
    assert "round_robin" in run("--policies").stdout


def _policies() -> list[dict[str, str]]:
    said: dict[str, list[dict[str, str]]] = json.loads(run("--policies", "--json").stdout)
    return said["policies"]


def test_the_shell_completes_workloads_and_policies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "smart.toml").touch()
    (tmp_path / "small_talk").mkdir()
    (tmp_path / "small.txt").touch()
    assert command.workload_names("sma") == ["small", "small_talk/", "smart.toml"]
    assert "hasten" in command.policy_texts("ha")
    assert "hasten,balancer=round_robin" in command.policy_texts("hasten,balancer=ro")
    assert command.policy_texts("hasten,nothing") == []


# --- what-if --------------------------------------------------------------------------


def worker(name: str, alpha_s: float, *, ready: bool = True) -> router_pb.WorkerView:
    model = ModelLoad(
        name="m",
        version="1",
        ready=ready,
        alpha_s=alpha_s,
        beta_s=0.002,
        best_s=(alpha_s + 0.002) / 1.2,
        batch_max=8,
    )
    state = WorkerState(worker_id=name, lanes=1, models=[model])
    return router_pb.WorkerView(state=state, standing="ready")


def test_a_running_mesh_is_asked_for_its_profiles(mesh: ScriptedServer) -> None:
    mesh.answers["ListWorkers"] = router_pb.ListWorkersResponse(
        workers=[worker("a", 0.004), worker("b", 0.004), worker("c", 9.0, ready=False)]
    )
    words = ("--from", mesh.address, "--rate", "20", "--deadline", "50ms", "--seeds", "1")
    result = run(*words, "--processes", "1", "--json")
    assert result.exit_code == 0, result.output
    said = json.loads(result.stdout)
    (model,) = said["models"]
    # The reported line is that of the admission quantile; its median is 1.2 times less.
    assert model["alpha_s"] == pytest.approx(0.004 / 1.2, rel=1e-5)
    assert model["beta_s"] == pytest.approx(0.002 / 1.2, rel=1e-5)
    assert 0.05 < model["cv"] < 0.2
    assert said["workers"] == 1
    assert said["answer"][0].startswith("20 requests a second with 50 ms: 1 worker keeps")


def test_a_mesh_without_a_ready_model_has_nothing_to_say(mesh: ScriptedServer) -> None:
    result = run("--from", mesh.address, "--rate", "20", "--deadline", "50ms")
    assert result.exit_code == 1
    assert "no model was measured" in result.stderr


def test_nobody_at_the_address_is_status_3() -> None:
    result = run("--from", "127.0.0.1:1", "--rate", "20", "--deadline", "50ms")
    assert result.exit_code == 3
    assert "nobody answers at 127.0.0.1:1" in result.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("quick", "other"):
        (tmp_path / name / "1").mkdir(parents=True)
        (tmp_path / name / "config.pbtxt").write_text(SYNTHETIC.format(name=name))
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    return tmp_path


def test_a_repository_is_measured_and_the_question_answered(repository: Path) -> None:
    words = ("--models", str(repository), "--rate", "60", "--deadline", "50ms", "--kill-one")
    result = run(*words, "--outage", "2s", "--model", "quick", "--seeds", "1", "--processes", "1")
    assert result.exit_code == 0, result.output
    assert "quick: 9.00 ms a batch of 1, 30.0 ms of 8" in result.stderr
    assert "tried 1 worker: " in result.stderr
    first, second = result.stdout.strip().splitlines()[:2]
    assert first.startswith("60 requests a second with 50 ms: 1 worker keeps ")
    assert second.startswith("When the one worker dies: 0 % until it is back; 2 workers survive")
    assert "while one is dead %" in result.stdout
    assert "note: model broken is left out: " in result.stdout


def test_a_model_that_is_not_there_is_named_with_those_that_are(repository: Path) -> None:
    words = ("--models", str(repository), "--rate", "60", "--deadline", "50ms", "--json")
    result = run(*words, "--model", "fast")
    assert result.exit_code == 2
    assert json.loads(result.stderr)["error"]["next_step"] == "there are other, quick"


def test_a_share_must_be_a_number(repository: Path) -> None:
    words = ("--models", str(repository), "--rate", "60", "--deadline", "50ms", "--json")
    result = run(*words, "--model", "quick=much")
    assert result.exit_code == 2
    assert "no share" in json.loads(result.stderr)["error"]["message"]


# --- around ---------------------------------------------------------------------------


def test_the_bar_shows_the_run_as_it_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.StringIO()
    terminal = Console(file=written, force_terminal=True, width=120)
    monkeypatch.setattr(progress, "console", lambda *, stderr: terminal if stderr else None)
    with progress.bar() as bar:
        bar.more(2)
        bar.done("hasten,order=[bold]edf at 1x load, seed 1")
    assert "1/2" in written.getvalue()
    assert "[bold]edf" in written.getvalue()


def test_ctrl_c_ends_it_without_a_trace() -> None:
    words = ("overload", "--policy", "hasten", "--seeds", "4", "--processes", "2")
    process = subprocess.Popen(
        [sys.executable, "-m", "hasten_cli.main", "simulate", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        begun = psutil.Process(process.pid)
        # Two that work, and the one that keeps track of semaphores.
        children = eventually_sync(lambda: len(found := begun.children()) == 3 and found)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130
    assert (stdout, stderr) == ("", "")
    _, alive = psutil.wait_procs(children, timeout=60)
    assert not alive
