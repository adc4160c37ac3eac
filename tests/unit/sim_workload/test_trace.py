from pathlib import Path

import pytest

from hasten_sim.workload import Workload, WorkloadError, load
from tests.unit.sim_workload.texts import MODEL, text

TWO_MODELS = MODEL.replace('"model"', '"a"') + MODEL.replace('"model"', '"b"')


def replayed(folder: Path, csv: str, more: str = "", duration_s: float = 10) -> Workload:
    (folder / "trace.csv").write_text(csv)
    arrivals = f"[arrivals]\nprocess = 'trace'\nfile = 'trace.csv'\n{more}\n"
    written = text(arrivals=arrivals, models=TWO_MODELS, duration_s=duration_s)
    (folder / "workload.toml").write_text(written)
    return load(folder / "workload.toml")


def pairs(workload: Workload, load: float | None = None) -> list[tuple[float, int]]:
    return [(a.at_s, a.model) for a in workload.scenario(load=load).arrivals(1)]


def times(workload: Workload, load: float | None = None) -> list[float]:
    return [at_s for at_s, _ in pairs(workload, load)]


def test_times_and_models_are_replayed_as_they_are(tmp_path: Path) -> None:
    found = replayed(tmp_path, "at_s,model\n0.5,b\n0.5,a\n1.25,b\n\n9.999,a\n10,a\n")
    assert pairs(found) == [(0.5, 1), (0.5, 0), (1.25, 1), (9.999, 0)]


def test_without_a_model_column_models_come_by_their_shares(tmp_path: Path) -> None:
    csv = "at_s\n" + "\n".join(str(number / 1000) for number in range(9000))
    models = [model for _, model in pairs(replayed(tmp_path, csv))]
    assert len(models) == 9000
    assert sum(models) == pytest.approx(4500, abs=150)


def test_a_replay_may_be_sped_up_repeated_doubled_and_thinned(tmp_path: Path) -> None:
    csv = "at_s\n1\n2\n3\n4\n"
    assert times(replayed(tmp_path, csv, "speed_up = 2")) == [0.5, 1, 1.5, 2]
    assert times(replayed(tmp_path, csv, "scale = 2")) == [1, 1, 2, 2, 3, 3, 4, 4]
    assert times(replayed(tmp_path, csv, "scale = 0.5")) == [2, 4]
    # After the last arrival a mean gap of 1 s passes before the trace begins anew.
    assert times(replayed(tmp_path, csv, "repeat = true")) == [1, 2, 3, 4, 6, 7, 8, 9]


def test_a_load_is_reached_by_speeding_the_replay_up(tmp_path: Path) -> None:
    csv = "at_s\n" + "\n".join(str(number / 10) for number in range(1, 101))
    found = replayed(tmp_path, csv, "repeat = true\nrate_per_s = 20")
    assert len(times(found)) == pytest.approx(200, abs=2)
    capacity = found.capacity_per_s()
    assert found.scenario(load=0.5).offered_per_s == pytest.approx(capacity / 2)
    assert len(times(found, 0.5)) == pytest.approx(capacity / 2 * 10, abs=2)


@pytest.mark.parametrize(
    ("csv", "fault"),
    [
        ("", "line 1: found '', expected 'at_s' or 'at_s,model'"),
        ("time\n1\n", "line 1: found 'time', expected 'at_s' or 'at_s,model'"),
        ("at_s\n", "has no arrivals"),
        ("at_s\n1\nx\n2\n", "line 3: at_s: found 'x', expected seconds from the start"),
        ("at_s\n1\n-1\n", "line 3: at_s: found '-1', expected seconds from the start"),
        ("at_s\n1\nnan\n", "line 3: at_s: found 'nan', expected seconds from the start"),
        ("at_s\n2\n1\n", "line 3: at_s: found 1.0, expected at least the line before, 2.0"),
        ("at_s,model\n1,a\n2\n", "line 3: found 1 columns, expected 2"),
        ("at_s\n1,a\n", "line 2: found 2 columns, expected 1"),
        (
            "at_s,model\n1,a\n2,c\n3,c\n",
            "line 3: found the model 'c', expected one of models: a, b",
        ),
    ],
)
def test_a_malformed_line_is_named(tmp_path: Path, csv: str, fault: str) -> None:
    with pytest.raises(WorkloadError) as caught:
        replayed(tmp_path, csv)
    (found,) = caught.value.faults
    assert "trace.csv" in found
    assert found.endswith(fault)


def test_all_malformed_lines_are_named_up_to_ten(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError) as caught:
        replayed(tmp_path, "at_s\n" + "x\n" * 30)
    assert len(caught.value.faults) == 10


def test_a_trace_that_is_not_there_is_named(tmp_path: Path) -> None:
    arrivals = "[arrivals]\nprocess = 'trace'\nfile = 'none.csv'\n"
    (tmp_path / "workload.toml").write_text(text(arrivals=arrivals))
    with pytest.raises(WorkloadError, match=r"none\.csv: cannot be read: No such file"):
        load(tmp_path / "workload.toml")


def test_load_rate_and_speed_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(WorkloadError, match="arrivals: expected at most one of load, rate_per_s"):
        replayed(tmp_path, "at_s\n1\n", "load = 1\nspeed_up = 2")
