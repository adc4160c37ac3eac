from pathlib import Path

import pytest

from hasten_sim.workload import Workload, WorkloadError, load
from tests.unit.sim_workload.texts import text


def on_top(folder: Path, above: str, below: str) -> Workload:
    (folder / "below.toml").write_text(below)
    (folder / "above.toml").write_text('extends = "below.toml"\n' + above)
    return load(folder / "above.toml")


def test_tables_are_merged_and_lists_are_replaced(tmp_path: Path) -> None:
    below = text("warmup_s = 1\npolicies = ['a', 'b']\n[mesh]\nworkers = 3\nlanes = 2")
    found = on_top(tmp_path, "name = 'above'\npolicies = ['c']\n[mesh]\nworkers = 5", below)
    mesh = found.scenario().mesh
    assert (found.name, found.policies) == ("above", ("c",))
    assert (mesh.workers, mesh.lanes, found.table.warmup_s) == (5, 2, 1)


def test_a_rate_replaces_a_load_and_another_process_the_whole_table(tmp_path: Path) -> None:
    gamma = "[arrivals]\nprocess = 'gamma'\ncv = 4\nload = 2\n"
    found = on_top(tmp_path, "[arrivals]\nrate_per_s = 7", text(arrivals=gamma))
    assert found.table.arrivals.model_dump() == {
        "process": "gamma",
        "cv": 4.0,
        "load": None,
        "rate_per_s": 7.0,
    }
    poisson = "[arrivals]\nprocess = 'poisson'\nload = 1\n"
    found = on_top(tmp_path, poisson, text(arrivals=gamma))
    assert found.scenario().offered_per_s == pytest.approx(found.capacity_per_s())


def test_a_file_may_extend_one_that_extends_another(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "lowest.toml").write_text(text("[mesh]\nworkers = 9"))
    found = on_top(tmp_path, "warmup_s = 2", "extends = 'deep/lowest.toml'\nname = 'middle'")
    assert (found.name, found.scenario().mesh.workers, found.table.warmup_s) == ("middle", 9, 2)


def test_files_that_extend_each_other_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match=r"below\.toml: extends: above\.toml extends this"):
        on_top(tmp_path, "", "extends = 'above.toml'")


def test_a_base_that_is_missing_or_wrong_is_named(tmp_path: Path) -> None:
    (tmp_path / "above.toml").write_text("extends = 'none.toml'")
    with pytest.raises(WorkloadError, match=r"none\.toml: cannot be read"):
        load(tmp_path / "above.toml")
    (tmp_path / "above.toml").write_text("extends = 3")
    with pytest.raises(WorkloadError, match=r"above\.toml: extends: found 3, expected a file name"):
        load(tmp_path / "above.toml")
    with pytest.raises(WorkloadError, match=r"below\.toml: is not TOML"):
        on_top(tmp_path, "", "= 3")
