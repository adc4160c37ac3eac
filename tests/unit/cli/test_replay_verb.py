"""`hasten simulate --replay` says what it found, to people and to programs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from hasten_cli.main import app
from hasten_policy.eventlog import encode
from tests.unit.recording.harness import lines_of, record_router, rewrite

RUNNER = CliRunner()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "router-it.hlog"
    record_router(path)
    return path


def replayed(log: Path, *words: str) -> Result:
    return RUNNER.invoke(app, ["simulate", "--replay", str(log), *words])


def spoil(log: Path, number: int, count: int = 1) -> None:
    def change(lines: list[str]) -> None:
        told, _, then = lines[number].partition("\t")
        effects = [*json.loads(then), *({"WakeAt": [float(each)]} for each in range(count))]
        lines[number] = f"{told}\t{encode(effects)}\n"

    rewrite(log, change)


def test_the_same_is_exit_code_zero(log: Path) -> None:
    result = replayed(log)
    assert result.exit_code == 0
    first, second = result.stdout.splitlines()
    began = "2031-04-05T06:07:08.009+00:00"
    assert first == f"router-it.hlog: log of router 'it', begun {began} by Hasten 0.1.0"
    events = len(lines_of(log)) - 2
    assert second.startswith(f"same: {events} events over ")
    assert second.endswith(" effects, every one bit for bit")


def test_the_first_difference_is_shown_side_by_side_and_exit_code_one(log: Path) -> None:
    number = next(n for n, line in enumerate(lines_of(log)) if '{"AttemptAnswered"' in line)
    spoil(log, number)
    result = replayed(log)
    assert result.exit_code == 1
    _, differs, event, *effects = result.stdout.splitlines()
    assert differs.startswith(f"differs at event {number}, ")
    assert event.startswith("  event  AttemptAnswered(call_id=")
    assert effects[-1] == "  then   WakeAt(at_s=0.0)"
    assert all(line.startswith("  both ") for line in effects[:-1])


def test_an_event_that_did_nothing_then_says_so(log: Path) -> None:
    def change(lines: list[str]) -> None:
        number = next(n for n, line in enumerate(lines) if '{"Send"' in line)
        lines[number] = lines[number].partition("\t")[0] + "\t[]\n"

    rewrite(log, change)
    result = replayed(log)
    assert result.exit_code == 1
    assert "  then   nothing\n  now    Send(call_id=1, worker_id=" in result.stdout


def test_many_effects_are_cut_for_people_and_whole_for_programs(log: Path) -> None:
    spoil(log, 60, count=50)
    assert "more; --json prints all" in replayed(log).stdout
    said = json.loads(replayed(log, "--json").stdout)
    assert len(said["first_difference"]["then"]) >= 50


def test_programs_get_one_object(log: Path) -> None:
    result = replayed(log, "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 0
    assert said["same"] is True
    assert said["kind"] == "router"
    assert said["first_difference"] is None
    assert said["log"] == str(log)
    spoil(log, 60)
    result = replayed(log, "--json")
    said = json.loads(result.stdout)
    assert result.exit_code == 1
    assert said["same"] is False
    assert said["first_difference"]["event"] == 60


def test_what_was_cut_off_is_said(log: Path) -> None:
    log.write_bytes(log.read_bytes()[:-100])
    result = replayed(log)
    assert result.exit_code == 0
    assert "note: the log has no end: its service was killed" in result.stdout


def test_an_early_end_is_said(log: Path) -> None:
    def change(lines: list[str]) -> None:
        lines[-1] = lines[-1].replace("closed", "bytes_max")

    rewrite(log, change)
    assert "note: recording ended early: bytes_max" in replayed(log).stdout


@pytest.mark.parametrize("as_json", [False, True])
def test_what_cannot_be_replayed_is_exit_code_two(tmp_path: Path, as_json: bool) -> None:
    words = ["--json"] if as_json else []
    foreign = tmp_path / "foreign"
    foreign.write_text("time,rate\n")
    result = replayed(foreign, *words)
    assert result.exit_code == 2
    assert f"{foreign}: this is no event log of Hasten" in result.stderr
    result = replayed(tmp_path / "none", *words)
    assert result.exit_code == 2
    assert f"cannot open {tmp_path / 'none'}: No such file or directory" in result.stderr
    assert replayed(tmp_path, *words).exit_code == 2
