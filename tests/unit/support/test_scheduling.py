"""Tests that share something run in one process."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.support.scheduling import Schedule, unit_of


@pytest.mark.parametrize(
    ("source", "unit"),
    [
        ("", "tests/test_a.py"),
        ("pytestmark = pytest.mark.integration", "tests/test_a.py"),
        ('pytestmark = [pytest.mark.integration, pytest.mark.xdist_group("a mesh")]', "a mesh"),
        ("pytestmark = [pytest.mark.apart]", "tests/test_a.py::test_one[x::y]"),
    ],
)
def test_a_file_or_its_group_is_handed_out_together_unless_its_tests_share_nothing(
    tmp_path: Path, source: str, unit: str
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text(source)
    assert unit_of("tests/test_a.py::test_one[x::y]", tmp_path) == unit


class Process:
    """As much of a process of xdist as a schedule talks to."""

    def __init__(self, name: str) -> None:
        self.gateway = SimpleNamespace(id=name)
        self.shutting_down = False
        self.given: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.given += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_xdist_hands_a_group_to_one_process_and_each_test_once(tmp_path: Path) -> None:
    tests = [f"test_{file}.py::test_{number}" for number in range(3) for file in "abc"]
    for file in "ab":
        (tmp_path / f"test_{file}.py").write_text('pytestmark = pytest.mark.xdist_group("mesh")')
    (tmp_path / "test_c.py").write_text("pytestmark = pytest.mark.apart")
    config = SimpleNamespace(
        rootpath=tmp_path,
        option=SimpleNamespace(loadscopereorder=True),
        getvalue=lambda _: ["2*popen"],
    )
    schedule = Schedule(config)  # type: ignore[arg-type]  # as much as it asks
    processes = [Process("gw0"), Process("gw1")]
    for process in processes:
        schedule.add_node(process)  # type: ignore[arg-type]  # as above
        schedule.add_node_collection(process, tests)  # type: ignore[arg-type]  # as above
    schedule.schedule()
    ran: dict[str, str] = {}
    while busy := [process for process in processes if process.given]:
        for process in busy:
            index = process.given.pop(0)
            assert tests[index] not in ran
            ran[tests[index]] = process.gateway.id
            schedule.mark_test_complete(process, index)  # type: ignore[arg-type]  # as above
    assert ran.keys() == set(tests)
    assert len({where for test, where in ran.items() if "test_c" not in test}) == 1
    assert all(process.shutting_down for process in processes)
