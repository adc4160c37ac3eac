"""The command that offers a workload file; see tests/integration for a whole run."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from loadtest import workload
from loadtest.attainment import Found, table
from loadtest.calibrate import Overhead
from loadtest.summary import Summary
from tests.unit.sim_workload.texts import WORKLOADS

SUMMARY = Summary(
    200, 150, {"OVERLOADED": 40}, {"SHED_BEFORE_START": 10}, (1, 2), (3, 4), (0.1, 0.5)
)
TIMES = {"p50": 1.0, "p90": 1.5, "p99": 2.0, "p99.9": 3.0}


def found(*simulated: float) -> Found:
    overhead = Overhead(0.001, 0.002, 0.003) if simulated else None
    return Found(1.5, 10.0, SUMMARY, TIMES, TIMES, 0.5, overhead, simulated)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["workload", *arguments])
    return workload.main()


def test_attainment_counts_refusals_as_misses_and_the_gap_is_in_points() -> None:
    one = found(0.76, 0.78)
    assert one.attainment == 0.75
    assert one.gap_pp == pytest.approx(2.0)
    assert one.as_json()["goodput_per_s"] == 15.0
    assert found().gap_pp is None


def test_the_table_names_reasons_and_with_a_comparison_the_gap() -> None:
    plain = table([found()])
    assert "40 OVERLOADED, 10 SHED_BEFORE_START" in plain
    assert "gap" not in plain
    compared = table([found(0.77), found(0.74)])
    assert "+2.0pp" in compared
    assert "-1.0pp" in compared
    assert "gap: mean 1.50 pp, max 2.00 pp" in compared
    assert "a call 2.00 + 3.00 ms, a batch 1.00 ms" in compared


def test_rows_during_which_the_sender_was_late_itself_are_marked_and_left_out_once() -> None:
    calm, late = found(0.76), replace(found(0.95), sender_late_ms=50.0)
    said = table([calm, late])
    assert "1.50x!" in said
    assert "gap: mean 10.50 pp, max 20.00 pp" in said
    assert "gap without these rows: mean 1.00 pp, max 1.00 pp" in said
    assert "!" not in table([calm])


def test_a_faulty_file_ends_with_its_faults_and_status_2(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "bad.toml").write_text("name = 'bad'\n")
    assert run(monkeypatch, str(tmp_path / "bad.toml")) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert "bad.toml: duration_s: missing" in said.err


def test_a_workload_that_cannot_be_offered_here_ends_with_the_reasons_and_status_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(WORKLOADS / "crash.toml")) == 2
    assert "crash.toml: faults: nothing goes wrong on purpose here" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options", [("--sweep", "1,-2"), ("--load", "0"), ("--workers", "0"), ("--duration", "-1")]
)
def test_loads_workers_and_duration_must_be_above_0(
    options: tuple[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, str(WORKLOADS / "local.toml"), *options) == 2
    assert "expected a number above 0" in capsys.readouterr().err
