"""The yardstick of a measured line."""

import pytest

from loadtest.yardstick import main


def test_the_capacity_and_a_row_for_each_rate_are_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["2", "1.8", "--lag", "1.5", "--rates", "100,944"]) == 0
    capacity, _, _, _, below, above = capsys.readouterr().out.splitlines()
    assert capacity == "capacity 472/s"
    assert below.startswith("| 100 | 0.21 | ")
    offered, _, in_time, share, rows = (cell.strip() for cell in above.strip("|").split("|"))
    assert offered == "944"
    assert 460 <= float(in_time) <= 490
    assert 0.97 <= float(share) <= 1.04
    assert 10 <= float(rows) <= 12


def test_a_line_that_no_model_has_is_refused_by_key(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["2", "-1"]) == 2
    assert "beta_ms: found -1" in capsys.readouterr().err
