"""The demonstration and the measurements run by themselves and end well."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from loadtest import computing, plain
from loadtest.alike import differs
from loadtest.concurrent_callers import answers_at_once
from loadtest.yardstick_server import started
from tests.support.services import PATIENT_UNFROZEN

pytestmark = [pytest.mark.integration, pytest.mark.apart]

ROOT = Path(__file__).resolve().parent.parent.parent


def run(*words: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-m", *words],
        cwd=ROOT,
        # A worker that stands still is neither left out of a count nor given up.
        env={**os.environ, **PATIENT_UNFROZEN},
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def test_the_demonstration_shows_answers_timing_and_overload() -> None:
    said = run("examples.demo", "--seconds", "1")
    for model in ("digits", "risk", "tickets"):
        assert model in said
    for part in ("right", "admission", "compute", "answered in time", "refused early", "in vain"):
        assert part in said


def test_the_cost_of_a_decision_is_printed_for_every_pool() -> None:
    found = json.loads(run("loadtest.bench_decision", "--calls", "2000", "--json"))
    assert list(found) == ["4", "16", "64", "256", "1024"]


def test_the_first_reply_after_make_up_is_timed() -> None:
    found = json.loads(run("loadtest.first_reply", "--runs", "1", "--json"))
    assert 0 < found["ready_s"][0] <= found["reply_s"][0]


def test_real_models_are_asked_in_time_and_at_once(tmp_path: Path) -> None:
    computing.write(tmp_path, "mlp")
    content = (tmp_path / "mlp" / "1" / "model.onnx").read_bytes()
    checksum = hashlib.sha256(content).hexdigest()
    (tmp_path / f"perceptron-{checksum[:12]}.onnx").write_bytes(content)
    (tmp_path / "table.toml").write_text(
        f"""
        [[package]]
        name = "kept"
        version = "1.0"
        model = [{{ name = "perceptron", what = "nothing", file = "-", sha256 = "{checksum}" }}]
        """
    )
    said = run(
        *("loadtest.real_models", "--table", str(tmp_path / "table.toml"), "--json"),
        *("--models-cache", str(tmp_path), "--calls", "3"),
    )
    [row] = json.loads(said)["models"]
    assert (row["name"], row["served"], row["batched"]) == ("perceptron", True, True)
    assert row["equal"] == row["asked"] == 48, row["wrong"]
    for multiple in ("3", "8", "20"):
        left_out = sum(row["refused"][multiple].values())
        assert row["in_time"][multiple] == pytest.approx(1 - left_out / 3)


@pytest.mark.parametrize("wait_ms", ["0", "20"])
def test_the_server_that_only_batches_answers_each_caller_with_his_own_row(
    tmp_path: Path, wait_ms: str
) -> None:
    computing.write(tmp_path, "mlp")
    model = tmp_path / "mlp" / "1" / "model.onnx"
    asked = [computing.inputs("mlp", 0, seed=seed) for seed in range(8)]
    session = plain.session_of(model)
    with started("loadtest.batching_server", str(model), wait_ms) as (address, _):
        answers = answers_at_once(address, "mlp", asked, deadline_s=60.0)
    for inputs, answer in zip(asked, answers, strict=True):
        assert not isinstance(answer, str), answer
        assert not differs(answer, plain.outputs_of(session, inputs))
