"""Measurements that would start mesh after mesh end well on one that stands for all of them."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from loadtest import computing, hop, late_callers, lock_out
from loadtest.repository import write_mean, write_synthetic
from tests.integration.one_mesh import OneMesh
from tests.support.services import PATIENT_UNFROZEN

pytestmark = pytest.mark.integration

Run = Callable[..., Any]


@pytest.fixture(scope="module", autouse=True)
def _patient() -> Iterator[None]:
    """A worker that stands still is neither left out of a count nor given up."""
    with pytest.MonkeyPatch.context() as variables:
        for name, text in PATIENT_UNFROZEN.items():
            variables.setenv(name, text)
        yield


@pytest.fixture(scope="module")
def one_mesh(_patient: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OneMesh]:
    models: Path = tmp_path_factory.mktemp("models")
    computing.write(models, computing.MLP, computing.ENCODER)
    write_synthetic(models, "slow", alpha_ms=late_callers.RUN_MS, beta_ms=0, batch_max=1)
    for name, width in (("mean", 16), (lock_out.HOP, 16), *_of_hop()):
        write_mean(models, name, width=width)
    with ExitStack() as stack:
        yield OneMesh(stack, models)


def _of_hop() -> list[tuple[str, int]]:
    return [(f"mean{width}", width) for width in hop.WIDTHS.values()]


@pytest.fixture
def run(one_mesh: OneMesh, capsys: pytest.CaptureFixture[str]) -> Run:
    def command(*words: str, meshes: int = 1) -> Any:
        found = one_mesh.run(*words, capsys=capsys)
        assert len(one_mesh.asked) == meshes
        return found

    return command


def test_of_twenty_late_callers_three_are_run(run: Run) -> None:
    found = run("loadtest.late_callers", "--json")
    # As many as end before the last caller leaves; more when the sender itself stood still.
    assert found["executed"] <= (1000 + found["sent_within_ms"]) / 300
    # A machine that is busy with other things may make an answer late.
    assert len(found["answered_ms"]) <= found["executed"]
    assert len(found["answered_ms"]) + len(found["refused_ms"]) == 20


def test_the_hop_is_measured_for_every_variant(run: Run) -> None:
    found = run("loadtest.hop", "--rounds", "1", "--seconds", "0.1", "--json")
    cells = found["cells"]
    assert {cell["variant"] for cell in cells} == {"in-process", "bare", "direct", "router"}
    assert {(cell["payload"], cell["callers"]) for cell in cells} == {
        (payload, callers) for payload in ("tiny", "600kB") for callers in (1, 8, 64)
    }
    assert (found["wake_us"] is None) == (len(os.sched_getaffinity(0)) == 1)


def test_http_is_compared_with_grpc(run: Run) -> None:
    found = run("loadtest.http_rate", "--rounds", "1", "--seconds", "0.1", "--json")
    assert [(row["payload"], row["way"]) for row in found] == [
        ("tiny", "grpc"),
        ("tiny", "binary"),
        ("tiny", "json"),
        ("600kB", "grpc"),
        ("600kB", "binary"),
    ]
    assert all(row["per_s"] > 0 for row in found)


def test_two_trees_are_put_side_by_side(run: Run, one_mesh: OneMesh, tmp_path: Path) -> None:
    other = tmp_path / ".venv" / "bin" / "python"
    other.parent.mkdir(parents=True)
    other.touch()
    words = (str(tmp_path), ".", "--callers", "1", "--rounds", "1", "--json")
    [direct, router] = run("loadtest.pair", *words, meshes=2)
    assert [asked["python"] for asked in one_mesh.asked] == [str(other), ".venv/bin/python"]
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


def test_the_overload_sweep_covers_every_load(run: Run) -> None:
    words = ("--model", "mlp", "--seconds", "0.3", "--exact", "--json")
    found = run("loadtest.overload", *words)
    assert found["normal_after_s"] <= 4.0
    assert all(step["exact"] > 0 for step in found["loads"].values())
    assert list(found["capacity_per_s"]) == ["mlp"]
    check_loads(found, ["0.5", "1.0", "1.5", "2.0", "4.0", "10.0"])


def test_the_overload_sweep_meets_fresh_meshes_with_any_models_beside_neighbours(run: Run) -> None:
    found = run(
        *("loadtest.overload", "--model", "mix", "--lengths", "4,8", "--deadline", "5000"),
        *("--multiples", "0.2,0.4", "--seconds", "0.3", "--capacity", "100"),
        *("--fresh", "--burners", "1", "--json"),
        meshes=2,
    )
    assert (found["start"], found["burners"]) == ("fresh", 1)
    assert list(found["capacity_per_s"]) == ["mlp", "encoder"]
    check_loads(found, ["0.2", "0.4"])


def test_a_workload_is_offered_to_a_mesh_and_to_the_simulator(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with ExitStack() as stack:
        its_own = OneMesh(stack)
        said = its_own.run(
            *("loadtest.workload", "loadtest/workloads/small.toml", "--sweep", "0.1,0.2"),
            *("--duration", "1", "--compare", "--json"),
            capsys=capsys,
        )
        assert [asked["workers"] for asked in its_own.asked] == [2, 2]
    for found, load in zip(said, (0.1, 0.2), strict=True):
        assert found["load"] == pytest.approx(load)
        assert found["summary"]["offered"] > 0
        assert 0 <= found["attainment"] <= 1
        assert all(0 <= share <= 1 for share in found["simulated"])
        assert -100 <= found["gap_pp"] <= 100


def test_an_idle_worker_is_tried_after_each_thing_that_may_lock_it_out(run: Run) -> None:
    words = ("--model", "mlp", "--multiple", "8", "--calls", "5", "--seconds", "0.3", "--json")
    found = run("loadtest.lock_out", *words, meshes=5)
    assert [one["trial"] for one in found] == ["constant", "mixed", "hiccup", "overload"]
    for one in found:
        assert one["calls"] == 5 == one["answered"] + sum(one["left_out"].values())
        assert 0 <= one["able"] <= 5
        assert (one["share"] is None) == (one["able"] == 0)


def test_the_mesh_takes_turns_with_servers_that_only_batch(run: Run) -> None:
    words = ("--rounds", "1", "--seconds", "0.3", "--callers", "2", "--length", "4", "--json")
    found = run("loadtest.batch_rate", *words)
    assert list(found["per_s"]) == ["mesh", "all at once", "after 2 ms"]
    assert all(per_s > 0 for per_s in found["per_s"].values())
    assert found["share"] > 0
    assert found["rows_a_batch"] >= 1.0
