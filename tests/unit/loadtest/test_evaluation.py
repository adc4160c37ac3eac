"""Every page of docs/evaluation can be made, and the index knows it."""

from pathlib import Path

import pytest

from hasten_sim.workload import load
from loadtest import scale
from loadtest.evaluation.command import FOLDER, PAGES, main
from loadtest.evaluation.page import read_record
from loadtest.evaluation.setting import WORKLOADS


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_made(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["--only", name, "--quick", "--processes", "1", "--to", str(tmp_path)])
    record = read_record(tmp_path / f"{name}.md")
    assert record is not None
    assert record.claims
    index = (tmp_path / "README.md").read_text()
    printed = capsys.readouterr().out
    for claim in record.claims:
        assert claim.found in index
        assert f"{name}: {'met' if claim.met else 'NOT MET'}: {claim.says}" in printed


def test_pages_made_before_stay_in_the_index(tmp_path: Path) -> None:
    for name in ("edf", "promise_real"):
        main(["--only", name, "--quick", "--to", str(tmp_path)])
    index = (tmp_path / "README.md").read_text()
    assert index.index("[promise_real](promise_real.md)") < index.index("[edf](edf.md)")


def test_figures_of_a_smoke_test_never_reach_the_docs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--quick"])
    assert "--quick needs --to" in capsys.readouterr().err


def test_a_long_run_is_watched() -> None:
    scenario = load(WORKLOADS / "small.toml").scenario(duration_s=2)
    run = scale.watched_run(scenario)
    assert run.requests == sum(run.figures.offered_by_s) > 0
    assert list(run.memory_mb) == list(scale.SHARES)
    written = scale.written(scenario, run)
    assert f"| requests | {run.requests:,} |" in written.body


def test_the_committed_pages_are_those_of_the_command() -> None:
    for path in FOLDER.glob("*.md"):
        record = read_record(path)
        if path.stem != "README":
            assert record is not None
            assert (
                record.name
                == path.stem
                in {*PAGES, "autoscaling", "forecasts", "placement", "scale"}
            )
