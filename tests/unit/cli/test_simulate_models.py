"""`hasten simulate --models` and `--from`: measured models, and how many workers they need."""

import json
from pathlib import Path

import pytest

from hasten.common.v1.load_pb2 import ModelLoad, WorkerState
from hasten.router.v1 import router_service_pb2 as router_pb
from hasten_cli.simulating import profiles
from tests.unit.cli.test_simulate import run
from tests.unit.client.scripted_server import ScriptedServer
from tests.unit.worker_engine.test_sizes import never

SYNTHETIC = """\
name: "{name}"
backend: "synthetic"
max_batch_size: 8
dynamic_batching {{ }}
parameters {{ key: "alpha_ms" value {{ string_value: "6" }} }}
parameters {{ key: "beta_ms" value {{ string_value: "3" }} }}
"""


def worker(name: str, alpha_s: float, *, ready: bool = True) -> router_pb.WorkerView:
    model = ModelLoad(
        name="m",
        version="1",
        ready=ready,
        alpha_s=alpha_s,
        beta_s=0.002,
        best_s=alpha_s,
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
    assert model["alpha_s"] == pytest.approx(0.004, rel=1e-5)
    assert model["beta_s"] == pytest.approx(0.002, rel=1e-5)
    assert model["cv"] == 0.05
    assert said["workers"] == 1
    assert said["answer"][0].startswith("20 requests a second with 50 ms: 1 worker keeps")


def test_a_mesh_without_a_ready_model_has_nothing_to_say(mesh: ScriptedServer) -> None:
    result = run("--from", mesh.address, "--rate", "20", "--deadline", "50ms")
    assert result.exit_code == 1
    assert f"no worker of {mesh.address} serves a model" in result.stderr


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


def test_what_libraries_print_while_models_are_measured_is_passed_over(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Read by every Python process that starts.
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("print('[1]\\n{}\\nloading plugins ...')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    words = ("--models", str(repository), "--rate", "60", "--deadline", "50ms")
    result = run(*words, "--model", "quick", "--seeds", "1", "--processes", "1")
    assert result.exit_code == 0, result.output


def test_a_repository_of_which_nothing_can_be_measured_says_why(tmp_path: Path) -> None:
    words = ("--models", str(tmp_path), "--rate", "60", "--deadline", "50ms")
    empty = run(*words)
    assert empty.exit_code == 1
    assert "MODEL/VERSION/model.onnx" in empty.stderr
    (tmp_path / "broken" / "1").mkdir(parents=True)
    (tmp_path / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    broken = run(*words)
    assert broken.exit_code == 1
    assert "model broken is left out: model.onnx is not an ONNX file" in broken.stderr


def test_a_model_of_free_sizes_is_taken_at_the_first_it_was_measured_with() -> None:
    runs = [[rows, rows * size, rows * size / 1000] for size in (2, 64) for rows in (1, 4)]
    measured = profiles._profiled({"model": "m", "batch_max": 8, "profile": runs})
    assert [measured.times.seconds(rows) for rows in (1, 4)] == [0.002, 0.008]
    assert measured.cv == 0.0


def test_a_model_that_no_run_was_measured_of_is_left_out(tmp_path: Path) -> None:
    folder = tmp_path / "never" / "1"
    folder.mkdir(parents=True)
    (folder / "model.onnx").write_bytes(never().SerializeToString())
    result = run("--models", str(tmp_path), "--rate", "60", "--deadline", "50ms")
    assert result.exit_code == 1
    assert "model never is left out: no run of it was measured" in result.stderr


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
