import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from hasten_worker.engine.config.text import config_from_text
from hasten_worker.engine.facts import ModelFacts
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.engine.settings import TrialLimits
from hasten_worker.engine.trial.client import Trial
from hasten_worker.engine.trial.task import Task
from tests.support.waiting import eventually_sync
from tests.unit.worker_engine import zoo
from tests.unit.worker_engine.running import PLAN


def task_of(
    folder: Path,
    content: bytes | None,
    config: str = "",
    *,
    run_s_max: float = 60.0,
    rows_s: float = 5.0,
    warm_up: bool = True,
) -> Task:
    version = folder / "1"
    version.mkdir(exist_ok=True)
    if content is not None:
        (version / "model.onnx").write_bytes(content)
    return Task(
        folder=folder,
        version="1",
        file_name="model.onnx",
        written=config_from_text(config),
        plan=PLAN,
        batch_max_default=8,
        run_s_max=run_s_max,
        search_s=5.0,
        rows_s=rows_s,
        warm_up=warm_up,
    )


def refusal(trial: Trial, task: Task) -> str:
    with pytest.raises(ModelRefused) as caught:
        trial.examine(task)
    return str(caught.value)


def test_a_good_model_comes_back_as_facts(trial: Trial, tmp_path: Path) -> None:
    facts = trial.examine(task_of(tmp_path, zoo.add()))
    assert [(tensor.name, tensor.kind, tensor.dims) for tensor in facts.inputs] == [
        ("X", "tensor(float)", (-1, 4))
    ]
    assert [tensor.name for tensor in facts.outputs] == ["Y"]
    assert facts.memory_bytes > 0
    assert ModelFacts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_a_scalar_is_told_from_a_missing_shape(trial: Trial, tmp_path: Path) -> None:
    scalar = trial.examine(task_of(tmp_path, zoo.identity(TensorProto.FLOAT, ())))
    assert scalar.inputs[0].dims == ()
    config = 'max_batch_size: 2 input { name: "X" dims: 3 } output { name: "Y" dims: 3 }'
    shapeless = trial.examine(task_of(tmp_path, zoo.identity(TensorProto.FLOAT, None), config))
    assert shapeless.inputs[0].dims is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "there is no file 'model.onnx'"),
        (b"", "model.onnx is empty: it is not a valid ONNX model"),
        (b"not a model" * 100, "cannot be parsed"),
        (zoo.add()[:-40], "model.onnx"),
        (b"\x30\0\0\0ORTM" + bytes(80), "is in onnxruntime's own format"),
        (
            zoo.model(
                [helper.make_node("Add", ["X", "X"], ["Y"])],
                [zoo.value("X", ["n"])],
                [zoo.value("Y", ["n"])],
                opset=9999,
            ).SerializeToString(),
            "9999",
        ),
        (
            zoo.model(
                [helper.make_node("Wonder", ["X"], ["Y"], domain="my.own")],
                [zoo.value("X", ["n"])],
                [zoo.value("Y", ["n"])],
            ).SerializeToString(),
            "my.own",
        ),
        (
            zoo.model(
                [helper.make_node("EPContext", ["X"], ["Y"], domain="com.microsoft")],
                [zoo.value("X", ["n"])],
                [zoo.value("Y", ["n"])],
            ).SerializeToString(),
            "EPContext",
        ),
        (zoo.zip_map(), "zipmap=False"),
    ],
    ids=["missing", "empty", "text", "truncated", "ort", "opset", "domain", "engine", "map"],
)
def test_a_bad_file_is_refused_with_a_reason(
    trial: Trial, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    sentence = refusal(trial, task_of(tmp_path, content))
    assert reason in sentence
    assert str(tmp_path) not in sentence


def test_a_configuration_that_disagrees_is_refused(trial: Trial, tmp_path: Path) -> None:
    task = task_of(tmp_path, zoo.add(), 'max_batch_size: 4 input { name: "Z" }')
    assert "lists input 'Z'" in refusal(trial, task)


def test_external_data_inside_of_the_folder_are_loaded(trial: Trial, tmp_path: Path) -> None:
    task = task_of(tmp_path, zoo.with_external_data("weights.bin"))
    (tmp_path / "1" / "weights.bin").write_bytes(zoo.EXTERNAL_WEIGHTS)
    assert trial.examine(task).inputs[0].name == "X"


@pytest.mark.parametrize(
    "location",
    [
        "../weights.bin",
        "/etc/passwd",
        "a/../../weights.bin",
        "",
        ".",
        "..",
        "./weights.bin",
        "a\\b",
    ],
)
def test_external_data_elsewhere_are_refused(trial: Trial, tmp_path: Path, location: str) -> None:
    task = task_of(tmp_path, zoo.with_external_data(location))
    (tmp_path / "weights.bin").write_bytes(zoo.EXTERNAL_WEIGHTS)
    (tmp_path / "1" / "weights.bin").write_bytes(zoo.EXTERNAL_WEIGHTS)
    assert "external data of 'W' lie at" in refusal(trial, task)


@pytest.mark.parametrize(
    ("offset", "length", "reason"),
    [
        (0, 17, "end at byte 17 of 'weights.bin', which has 16"),
        (8, None, "size"),
        (17, None, "end at byte 17"),
        (-1, None, "offset is '-1'"),
    ],
)
def test_external_data_beyond_their_file_are_refused(
    trial: Trial, tmp_path: Path, offset: int, length: int | None, reason: str
) -> None:
    content = zoo.with_external_data("weights.bin", offset=offset, length=length)
    task = task_of(tmp_path, content)
    (tmp_path / "1" / "weights.bin").write_bytes(zoo.EXTERNAL_WEIGHTS)
    assert reason in refusal(trial, task)


def test_external_data_in_an_inner_graph_are_found(trial: Trial, tmp_path: Path) -> None:
    inner = helper.make_graph(
        [helper.make_node("Identity", ["W"], ["R"])], "then", [], [zoo.value("R", [4])]
    )
    weights = TensorProto(name="W", data_type=zoo.FLOAT, dims=[4])
    weights.data_location = TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="../secret")
    inner.initializer.append(weights)
    node = helper.make_node("If", ["X"], ["Y"], then_branch=inner, else_branch=inner)
    made = zoo.model([node], [zoo.value("X", [], TensorProto.BOOL)], [zoo.value("Y", [4])])
    assert "'../secret'" in refusal(trial, task_of(tmp_path, made.SerializeToString()))


def test_a_model_that_runs_for_ever_is_stopped(trial: Trial, tmp_path: Path) -> None:
    sentence = refusal(trial, task_of(tmp_path, zoo.loop(), run_s_max=0.2))
    assert "did not end within 0.2 s" in sentence


def test_a_model_that_drops_rows_is_found_out(trial: Trial, tmp_path: Path) -> None:
    # Rows of zeros are dropped: one row of the generated input becomes none.
    facts = trial.examine(task_of(tmp_path, zoo.non_zero_rows()))
    assert (facts.rows_max, facts.values.fill) == (0, 1)
    assert "output 'Y' has first dimension" in facts.notes[0]


def test_a_model_that_no_generated_input_fits_is_served_all_the_same(
    trial: Trial, tmp_path: Path
) -> None:
    nodes = [helper.make_node("Gather", ["T", "X"], ["Y"])]
    table = numpy_helper.from_array(np.zeros((0, 2), np.float32), "T")
    made = zoo.model(
        nodes, [zoo.value("X", ["n"], TensorProto.INT64)], [zoo.value("Y", ["n", 2])], [table]
    ).SerializeToString()
    facts = trial.examine(task_of(tmp_path, made))
    assert (facts.rows_max, facts.sizes) == (0, ())
    unbatched, unmeasured = facts.notes
    assert "it does not run with one row" in unbatched
    assert "times are learnt from real calls" in unmeasured
    assert "model_warmup" in unmeasured
    without = trial.examine(task_of(tmp_path, made, warm_up=False))
    assert (without.rows_max, without.sizes) == (0, ())
    assert "hasten.warm_up is off" in without.notes[0]


def test_a_flood_of_memory_ends_in_the_child(tmp_path: Path) -> None:
    limited = Trial(TrialLimits(timeout_s=60.0, memory_bytes=512 * 2**20))
    try:
        sentence = refusal(limited, task_of(tmp_path, zoo.memory_flood(8 * 2**30)))
        assert "failed" in sentence or "memory" in sentence or "killed" in sentence
        assert limited.examine(task_of(tmp_path, zoo.add())).inputs
    finally:
        limited.close()


def test_giving_up_ends_a_task_that_is_under_way(tmp_path: Path) -> None:
    made = Trial(TrialLimits(timeout_s=60.0))
    made.start()
    sentences: list[str] = []
    task = task_of(tmp_path, zoo.loop(), run_s_max=60.0)
    thread = threading.Thread(target=lambda: sentences.append(refusal(made, task)))
    thread.start()
    process = made._process
    assert process is not None
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    fork = eventually_sync(lambda: children.read_text().split(), what="the fork has begun")
    made.close()
    thread.join(timeout=60)
    assert not thread.is_alive()
    assert sentences
    eventually_sync(lambda: not Path(f"/proc/{fork[0]}").exists(), what="the fork has ended")
    assert "given up" in refusal(made, task)


CRASHING = """
import os, signal, sys, time
from hasten_worker.engine.trial import child as trial
from hasten_worker.engine.facts import ModelFacts
def examine(task, stage, found, extreme):
    stage("misbehaving")
    what = task.version
    if what.startswith("late"):
        found(ModelFacts((), (), 1, notes=("first",)))
        stage("going on")
        what = what.removeprefix("late ")
    if what == "abort":
        os.abort()
    if what == "exit":
        os._exit(3)
    if what == "kill":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "raise":
        raise ValueError("odd")
    if what == "talk":
        while True:
            stage("x" * 60000)
    if what == "write":
        with open(os.path.join(task.folder, "file"), "w") as file:
            file.write("x" * 100)
    if what == "hang":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True:
            time.sleep(1)
trial.examine = examine
trial.main()
"""


@pytest.fixture
def crashing() -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASHING], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    yield process
    process.communicate(timeout=60)
    assert process.returncode == 0


def answered_by(
    child: subprocess.Popen[bytes], task: dict[str, object], timeout_s: int
) -> dict[str, Any]:
    request = {"task": task, "timeout_s": timeout_s, "cpu_s": 60, "memory_bytes": 2**33}
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(json.dumps(request).encode() + b"\n")
    child.stdin.flush()
    answer: dict[str, Any] = json.loads(child.stdout.readline())
    return answer


def test_whatever_happens_to_the_fork_is_an_answer(
    crashing: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    for what, reason in (
        ("abort", "killed the process that tried it (SIGABRT) while misbehaving"),
        ("kill", "killed the process that tried it (SIGSEGV) while misbehaving"),
        ("exit", "ended the process that tried it (status 3) while misbehaving"),
        ("raise", "could not be examined: ValueError: odd"),
        ("write", "could not be examined: OSError"),
        ("talk", "took longer than"),
        ("hang", " s while misbehaving"),
    ):
        task = task_of(tmp_path, None).to_json() | {"version": what}
        refused = ""
        # The short times are for what never ends: a busy machine may need more to start a fork.
        for timeout_s in (1, 10) if what in {"talk", "hang"} else (60,):
            if reason not in refused:
                refused = answered_by(crashing, task, timeout_s)["refused"]
        assert reason in refused, what


def test_what_happens_after_a_good_run_is_a_note(
    crashing: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    for what, end in (
        ("late abort", "it killed the process that tried it (SIGABRT) while going on"),
        ("late exit", "it ended the process that tried it (status 3) while going on"),
        ("late raise", "it could not be examined: ValueError: odd"),
        ("late hang", "while going on"),
    ):
        task = task_of(tmp_path, None).to_json() | {"version": what}
        notes: list[str] = []
        for timeout_s in (1, 10) if "hang" in what else (60,):
            # A busy machine may need more than the short time to start a fork.
            if not notes:
                answer = answered_by(crashing, task, timeout_s)
                notes = answer["facts"]["notes"] if "facts" in answer else []
        first, last = notes
        assert first == "first"
        assert last.startswith("the examination ended early: ")
        assert end in last


def test_the_child_is_told_no_secrets(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HASTEN_WORKER_REDIS_URL", "redis://:canary@nowhere")
    made = Trial(TrialLimits(timeout_s=60.0))
    try:
        assert made.examine(task_of(tmp_path, zoo.add())).inputs
        process = made._process
        assert process is not None
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        assert b"PATH=" in environment
        assert b"canary" not in environment
    finally:
        made.close()
