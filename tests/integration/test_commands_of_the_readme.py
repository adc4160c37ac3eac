"""The demonstration and the measurements run by themselves and end well."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

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


def test_of_twenty_late_callers_three_are_run() -> None:
    found = json.loads(run("loadtest.late_callers", "--json"))
    # As many as end before the last caller leaves; more when the sender itself stood still.
    assert found["executed"] <= (1000 + found["sent_within_ms"]) / 300
    # A machine that is busy with other things may make an answer late.
    assert len(found["answered_ms"]) <= found["executed"]
    assert len(found["answered_ms"]) + len(found["refused_ms"]) == 20


def test_the_hop_is_measured_for_every_variant() -> None:
    found = json.loads(run("loadtest.hop", "--rounds", "1", "--seconds", "0.1", "--json"))
    cells = found["cells"]
    assert {cell["variant"] for cell in cells} == {"in-process", "bare", "direct", "router"}
    assert {(cell["payload"], cell["callers"]) for cell in cells} == {
        (payload, callers) for payload in ("tiny", "600kB") for callers in (1, 8, 64)
    }
    assert (found["wake_us"] is None) == (len(os.sched_getaffinity(0)) == 1)


def test_two_trees_are_put_side_by_side() -> None:
    [direct, router] = json.loads(
        run("loadtest.pair", ".", ".", "--callers", "1", "--rounds", "1", "--json")
    )
    assert (direct["way"], router["way"]) == ("direct", "router")
    for row in (direct, router):
        assert row["paired_us"] == pytest.approx(row["new_us"] - row["old_us"])


def check_loads(found: dict[str, Any], loads: list[str]) -> None:
    """Every call ended in one way, and no figure is impossible."""
    assert list(found["loads"]) == loads
    assert all(rate > 0 for rate in found["capacity_per_s"].values())
    for step in found["loads"].values():
        seen = step["summary"]
        ended = {**seen["refused"], **seen["missed"]}
        assert seen["offered"] == seen["answered"] + sum(ended.values()) > 0
        assert (step["of_capacity"] > 0) == (seen["answered"] > 0)
        assert step["in_vain"] >= 0
        assert step["sender"] > 0


def test_the_overload_sweep_covers_every_load() -> None:
    words = ("--model", "mlp", "--seconds", "0.3", "--exact", "--json")
    found = json.loads(run("loadtest.overload", *words))
    assert found["normal_after_s"] <= 4.0
    assert all(step["exact"] > 0 for step in found["loads"].values())
    assert list(found["capacity_per_s"]) == ["mlp"]
    check_loads(found, ["0.5", "1.0", "1.5", "2.0", "4.0", "10.0"])


def test_the_overload_sweep_meets_fresh_meshes_with_any_models_beside_neighbours() -> None:
    said = run(
        *("loadtest.overload", "--model", "mix", "--lengths", "4,8", "--deadline", "5000"),
        *("--multiples", "0.2,0.4", "--seconds", "0.3", "--capacity", "100"),
        *("--fresh", "--burners", "1", "--json"),
    )
    found = json.loads(said)
    assert (found["start"], found["burners"]) == ("fresh", 1)
    assert list(found["capacity_per_s"]) == ["mlp", "encoder"]
    check_loads(found, ["0.2", "0.4"])


def test_a_workload_is_offered_to_a_mesh_and_to_the_simulator() -> None:
    said = run(
        *("loadtest.workload", "loadtest/workloads/small.toml", "--sweep", "0.1,0.2"),
        *("--duration", "1", "--compare", "--json"),
    )
    for found, load in zip(json.loads(said), (0.1, 0.2), strict=True):
        assert found["load"] == pytest.approx(load)
        assert found["summary"]["offered"] > 0
        assert 0 <= found["attainment"] <= 1
        assert all(0 <= share <= 1 for share in found["simulated"])
        assert -100 <= found["gap_pp"] <= 100


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


def test_an_idle_worker_is_tried_after_each_thing_that_may_lock_it_out() -> None:
    words = ("--model", "mlp", "--multiple", "8", "--calls", "5", "--seconds", "0.3", "--json")
    found = json.loads(run("loadtest.lock_out", *words))
    assert [one["trial"] for one in found] == ["constant", "mixed", "hiccup", "overload"]
    for one in found:
        assert one["calls"] == 5 == one["answered"] + sum(one["left_out"].values())
        assert 0 <= one["able"] <= 5
        assert (one["share"] is None) == (one["able"] == 0)


def test_the_mesh_takes_turns_with_servers_that_only_batch() -> None:
    words = ("--rounds", "1", "--seconds", "0.3", "--callers", "2", "--length", "4", "--json")
    found = json.loads(run("loadtest.batch_rate", *words))
    assert list(found["per_s"]) == ["mesh", "all at once", "after 2 ms"]
    assert all(per_s > 0 for per_s in found["per_s"].values())
    assert found["share"] > 0
    assert found["rows_a_batch"] >= 1.0


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
