"""A recorder is bounded, never in the way, and says once why it ended."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from hasten_policy.eventlog import encode_header
from hasten_policy.fleet.events import WorkerLost
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.timers import WakeAt
from hasten_router.settings import RouterSettings
from hasten_runtime.recording import Recorder, open_recorder
from hasten_runtime.recording import open as opening
from hasten_runtime.recording import recorder as recording
from hasten_runtime.recording.recorder import RecorderLimits
from hasten_runtime.settings import load
from hasten_sim.replay import replay
from hasten_worker.settings import WorkerSettings
from tests.support.waiting import eventually_sync
from tests.unit.recording.harness import StuckFile, lines_of, router_recorder

MIB = 1024 * 1024
BOUND = 256 * 1024
HEADER = encode_header(RouterPolicy(), seed=1, about={})


@pytest.fixture
def said() -> Iterator[list[Any]]:
    with capture_logs() as logs:
        yield logs


def fill(recorder: Recorder, events: int) -> None:
    """Events of workers that nobody knows: the machine would answer with nothing."""
    for number in range(events):
        recorder.record(WorkerLost(f"{number * 2654435761 % 2**64:x}"), [], now_s=float(number))


def test_what_was_recorded_is_in_the_file_at_the_end(tmp_path: Path, said: list[Any]) -> None:
    path = tmp_path / "log"
    recorder = router_recorder(path)
    fill(recorder, 3)
    recorder.close()
    recorder.close()
    header, *lines = lines_of(path)
    assert header.startswith('{"hasten_event_log":1,"kind":"router"')
    assert [line.partition(",")[0] for line in lines] == ["[0.0", "[1.0", "[2.0", '{"end":"closed"']
    assert lines[-1] == '{"end":"closed","events":3}\n'
    assert not said


def test_it_is_written_while_the_service_runs(tmp_path: Path) -> None:
    path = tmp_path / "log"
    recorder = router_recorder(path)
    fill(recorder, 5)
    # As after kill -9: whatever the file holds then can be replayed.
    outcome = eventually_sync(
        lambda: found if path.stat().st_size and (found := replay(path)).events == 5 else None
    )
    assert outcome is not None
    assert outcome.same
    assert outcome.truncated
    recorder.close()
    assert not replay(path).truncated


def test_a_long_log_has_a_checksum_every_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recording, "MEMBER_BYTES", 10_000)
    monkeypatch.setattr(recording, "BLOCK_CHARS", 1000)
    path = tmp_path / "log"
    recorder = router_recorder(path)
    fill(recorder, 2000)
    recorder.close()
    assert path.read_bytes().count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") > 5
    outcome = replay(path)
    assert outcome.same
    assert outcome.events == 2000


def test_it_ends_at_its_bound_and_says_so_once(tmp_path: Path, said: list[Any]) -> None:
    path = tmp_path / "log"
    # However slowly what waits is written, the bound is what ends it.
    limits = RecorderLimits(bytes_max=BOUND, backlog_chars_max=10**9, flush_s=0.01)
    recorder = router_recorder(path, limits=limits)
    while not said:
        fill(recorder, 1000)
    fill(recorder, 1000)
    recorder.close()
    assert BOUND / 2 < path.stat().st_size <= BOUND
    (line,) = said
    assert line["event"] == "recording.ended"
    assert line["reason"] == f"the log has reached {BOUND} bytes"
    assert line["log_level"] == "warning"
    assert line["log"] == str(path)
    outcome = replay(path)
    assert outcome.same
    assert outcome.end == "bytes_max"
    assert outcome.events == line["events"] > 1000
    assert not outcome.truncated


def test_a_full_disk_ends_the_log_and_nothing_else(said: list[Any]) -> None:
    # A device that refuses every write as a full disk does.
    limits = RecorderLimits(bytes_max=10**7, flush_s=0.01)
    full = Path("/dev/full").open("wb")  # noqa: SIM115  (the recorder closes it)
    recorder = Recorder(full, "/dev/full", HEADER, limits)
    while not said:
        fill(recorder, 100)
    fill(recorder, 100)
    recorder.close()
    (line,) = said
    assert line["event"] == "recording.ended"
    assert line["reason"] == "the disk refused: No space left on device"
    assert line["log_level"] == "error"
    assert (line["events"], line["bytes"]) == (0, 0)


def test_a_disk_that_does_not_answer_holds_nobody_up(tmp_path: Path, said: list[Any]) -> None:
    path = tmp_path / "log"
    disk = StuckFile(path.open("wb"))
    limits = RecorderLimits(bytes_max=10**7, backlog_chars_max=10_000, flush_s=0.01)
    recorder = Recorder(disk, "log", HEADER, limits)  # type: ignore[arg-type]  # as much of a file as it uses
    fill(recorder, 2000)
    disk.free.set()
    recorder.close()
    (line,) = said
    assert line["reason"] == "the disk is too slow"
    outcome = replay(path)
    assert outcome.same
    assert outcome.end == "the disk is too slow"
    assert outcome.events == line["events"] < 2000


def test_what_cannot_be_encoded_ends_the_log_not_the_service(
    tmp_path: Path, said: list[Any]
) -> None:
    path = tmp_path / "log"
    recorder = router_recorder(path)
    fill(recorder, 2)
    recorder.record(WakeAt(object()), [], now_s=3.0)  # type: ignore[arg-type]  # that is the fault
    fill(recorder, 2)
    recorder.close()
    (line,) = said
    assert line["reason"].startswith("an event cannot be encoded: object is nothing")
    assert line["events"] == replay(path).events == 2


# --- where it goes --------------------------------------------------------------------


def opened(folder: Path | None, name: str = "r 1/é") -> Recorder | None:
    return open_recorder(folder, RouterPolicy(), name=name, seed=5, bytes_max=MIB)


def test_nothing_is_recorded_unless_asked_for(said: list[Any]) -> None:
    assert opened(None) is None
    assert not said


def test_a_log_is_its_owners_and_says_whose_it_is(tmp_path: Path, said: list[Any]) -> None:
    recorder = opened(tmp_path / "a" / "b")
    assert recorder is not None
    recorder.close()
    (path,) = (tmp_path / "a" / "b").iterdir()
    assert path.name.startswith("router-r_1__-")
    assert path.suffix == ".hlog"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    outcome = replay(path)
    assert outcome.about["id"] == "r 1/é"
    assert outcome.about["pid"] in path.name
    assert [line["event"] for line in said] == ["recording.began"]


def test_a_folder_that_cannot_be_used_is_said_and_no_more(tmp_path: Path, said: list[Any]) -> None:
    (tmp_path / "file").touch()
    assert opened(tmp_path / "file") is None
    assert [line["event"] for line in said] == ["recording.impossible"]


def test_a_service_that_starts_for_ever_does_not_fill_the_folder(
    tmp_path: Path, said: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "LOGS_MAX", 2)
    for name in ("a", "b"):
        recorder = opened(tmp_path, name)
        assert recorder is not None
        recorder.close()
    assert opened(tmp_path, "c") is None
    assert said[-1]["reason"] == "the folder holds 2 logs already; move some away"
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize(
    ("settings", "flags"), [(RouterSettings, ()), (WorkerSettings, ("--models-dir", "m"))]
)
def test_a_service_records_only_when_told_where(
    settings: type[RouterSettings] | type[WorkerSettings],
    flags: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    prefix = settings.model_config["env_prefix"]
    assert load(settings, flags).record is None
    # As compose files set what the user has not.
    monkeypatch.setenv(f"{prefix}RECORD", "")
    assert load(settings, flags).record is None
    monkeypatch.setenv(f"{prefix}RECORD", "/var/log/hasten")
    assert load(settings, flags).record == Path("/var/log/hasten")
    assert load(settings, flags).record_bytes_max == 256 * MIB
    assert load(settings, (*flags, "--record", "here")).record == Path("here")
    with pytest.raises(SystemExit):
        load(settings, (*flags, "--record-bytes-max", "1000"))
