"""The page on workload files is made from the tables that read them."""

import re
from pathlib import Path

import pytest

from hasten_policy.registry import PolicySet
from hasten_sim.simulate import simulate
from hasten_sim.workload import document, parse
from hasten_sim.workload.file_table import FileTable
from tests.unit.sim_workload.texts import WORKLOADS

PAGE = WORKLOADS.parents[1] / "docs" / "workloads.md"


def test_the_example_of_the_page_runs() -> None:
    (example,) = re.findall(r"```toml\n(.*?)```", PAGE.read_text(), re.DOTALL)
    found = parse(example, "example.toml")
    figures = simulate(found.scenario(duration_s=1), PolicySet(), 1)
    assert figures.in_time > 0
    assert found.sweep == {"load": [0.5, 1.0, 2.0]}


def test_the_page_is_current() -> None:
    assert document.main(["--check", str(PAGE)]) == 0


def test_a_stale_page_is_told_from_a_current_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stale = tmp_path / "page.md"
    assert document.main(["--check", str(stale)]) == 1
    assert "is stale" in capsys.readouterr().err
    assert document.main([]) == 0
    assert capsys.readouterr().out == PAGE.read_text()


def test_every_key_is_explained() -> None:
    schema = FileTable.model_json_schema()
    page = document.page()
    for table in [schema, *schema["$defs"].values()]:
        for key, entry in table["properties"].items():
            holds_table = "$ref" in entry or "oneOf" in entry or "const" in entry
            assert holds_table or f"| `{key}` |" in page
            assert holds_table or entry["description"].endswith(".")
