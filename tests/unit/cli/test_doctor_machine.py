"""What `hasten doctor` says of GPU, native transport, open files, disk and memory."""

from pathlib import Path

import pytest

from hasten_cli.doctor import machine, runs
from tests.unit.cli.test_doctor import told


@pytest.mark.parametrize(
    ("gpus", "providers", "status"),
    [
        (["H200"], [runs.CUDA], "ok"),
        (["H200"], ["CPUExecutionProvider"], "warn"),
        ([], [runs.CUDA], "warn"),
        ([], ["CPUExecutionProvider"], "ok"),
    ],
)
def test_gpu_and_provider_go_together(gpus: list[str], providers: list[str], status: str) -> None:
    assert told(runs.gpu_findings(lambda: gpus, lambda: providers)) == [("gpu", status)]


def test_the_native_transport_is_there_or_says_how_to_get_it() -> None:
    assert told(runs.transport_findings(lambda: "")) == [("native transport", "ok")]
    (missing,) = runs.transport_findings(lambda: "it is not there (no: module): make setup does it")
    assert missing.what == "routers serve in Python: it is not there (no: module)"
    assert missing.next_step == "make setup does it"


@pytest.mark.parametrize(
    ("hard", "status"), [(-1, "ok"), (20_000, "ok"), (4096, "warn"), (512, "fail")]
)
def test_open_files_are_graded_by_the_hard_limit(hard: int, status: str) -> None:
    assert told(machine.file_findings(lambda: (256, hard))) == [("open files", status)]


@pytest.mark.parametrize(
    ("mib", "disk", "memory", "shared"),
    [(4096, "ok", "ok", "ok"), (300, "warn", "warn", "ok"), (10, "fail", "fail", "warn")],
)
def test_room_is_graded(mib: int, disk: str, memory: str, shared: str, tmp_path: Path) -> None:
    free = mib * 2**20
    assert told(machine.disk_findings(tmp_path, lambda _: free)) == [("disk", disk)]
    assert told(machine.memory_findings(lambda: free)) == [("memory", memory)]
    assert told(machine.shared_findings(tmp_path, lambda _: free)) == [("shared memory", shared)]


def test_memory_is_what_the_container_leaves(tmp_path: Path) -> None:
    machine_bytes = machine.memory_available_bytes(tmp_path)
    assert machine_bytes > 0
    (tmp_path / "memory.max").write_text("1000\n")
    (tmp_path / "memory.current").write_text("400\n")
    assert machine.memory_available_bytes(tmp_path) == 600
    (tmp_path / "memory.max").write_text("max\n")
    assert machine.memory_available_bytes(tmp_path) > 1000
    gone = tmp_path / "gone"
    assert told(machine.shared_findings(gone, lambda _: 0)) == [("shared memory", "warn")]
