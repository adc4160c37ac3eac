"""A log gives the same effects again, and a change is found where it is."""

import gzip
import json
from pathlib import Path
from random import Random
from typing import Any

import pytest

from hasten_policy.eventlog import encode
from hasten_policy.machines import MACHINES
from hasten_policy.router.events import RouterEffect, RouterEvent
from hasten_policy.router.machine import RouterMachine
from hasten_policy.router.policy import RouterPolicy
from hasten_policy.timers import WakeAt
from hasten_policy.worker.events import LoadAsked, WorkerEffect, WorkerEvent
from hasten_policy.worker.machine import WorkerMachine
from hasten_sim.replay import replay
from tests.unit.recording.harness import (
    ROUTER,
    SEED,
    lines_of,
    record_router,
    record_worker,
    rewrite,
)

LOGS = Path(__file__).parent / "logs"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "router.hlog"
    record_router(path)
    return path


def test_a_routers_log_gives_the_same_effects_again(log: Path) -> None:
    outcome = replay(log)
    assert outcome.same
    assert (outcome.kind, outcome.end, outcome.truncated) == ("router", "closed", False)
    assert outcome.events == len(lines_of(log)) - 2 > 300
    effects = [json.loads(line.split("\t")[1]) for line in lines_of(log)[1:-1]]
    assert outcome.effects == sum(map(len, effects)) > 300
    kinds = {name for each in effects for effect in each for name in effect}
    assert {"Send", "Deliver", "Refuse", "WakeAt"} <= kinds
    assert outcome.policy["slow_start_s"] == 0.0
    assert outcome.about["id"] == "it"
    assert 0.5 < outcome.seconds < 5.0


def test_a_workers_log_gives_the_same_effects_again(tmp_path: Path) -> None:
    path = tmp_path / "worker.hlog"
    record_worker(path)
    outcome = replay(path)
    assert outcome.same
    assert outcome.kind == "worker"
    told = "".join(lines_of(path)[1:])
    for part in ("LoadAsked", "ReportAsked", "StartBatch", "Deliver", '{"Raised":["ValueError"'):
        assert part in told
    # A report takes one sample of the load, not two.
    assert told.count('"LoadAsked"') == told.count('"ReportAsked"') == 100


def test_random_choices_hang_on_the_seed_and_the_memory_on_the_checkpoint(log: Path) -> None:
    lines = lines_of(log)

    def reseed(lines: list[str]) -> None:
        lines[0] = lines[0].replace(f'"seed":{SEED}', '"seed":8')

    rewrite(log, reseed)
    assert not replay(log).same
    log.write_bytes(gzip.compress("".join([lines[0], *lines[2:]]).encode()))
    assert not replay(log).same


@pytest.mark.parametrize("kind", ["router", "worker"])
def test_a_log_of_before_replays(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes((LOGS / f"{kind}_of_november_2026.hlog").read_bytes())
    outcome = replay(path)
    assert outcome.same
    assert outcome.end == "closed"
    assert outcome.events == len(lines_of(path)) - 2 > 60


@pytest.mark.parametrize(("asked", "number"), [("LoadAsked", 0), ("ReportAsked", 1)])
def test_a_difference_in_a_log_of_before_is_said_in_todays_words(
    asked: str, number: int, tmp_path: Path
) -> None:
    path = tmp_path / "log"
    path.write_bytes((LOGS / "worker_of_november_2026.hlog").read_bytes())

    def change(lines: list[str]) -> None:
        index = [at for at, line in enumerate(lines) if at and "Asked" in line][number]
        lines[index] = lines[index].replace('"LoadSample":[', '"LoadSample":[7')

    rewrite(path, change)
    found = replay(path).first_difference
    assert found is not None
    assert found.told.startswith(f"{asked}(link_id={1 - number}")
    (then,), (now,) = found.then, found.now
    # The log of then does not have what a load has gained since.
    said = now.replace(", waiting_batch=0, arrived_batch=0, backlog_guests_s=0.0, refused=0", "")
    assert then == said.replace("LoadSample(seq=", "LoadSample(seq=7")
    assert now.startswith("Send")


# --- differences ----------------------------------------------------------------------


def test_a_changed_policy_differs_where_its_first_effect_does(tmp_path: Path) -> None:
    path = tmp_path / "log"
    events = record_router(path)
    changed = ROUTER.but({"theta_max": 0.5, "theta_start": (0.5, 0.5, 0.5, 0.5)})
    machine = RouterMachine(changed, rng=Random(SEED))
    lines = lines_of(path)[1:]
    expected = 0
    for number, (event, line) in enumerate(zip(events, lines, strict=False), start=1):
        told, _, then = line.rstrip("\n").partition("\t")
        now = machine.on(event, now_s=json.loads(told)[0])
        if encode(now) != then:
            expected = number
            break

    def change(lines: list[str]) -> None:
        header = json.loads(lines[0])
        header["policy"].update(theta_max=0.5, theta_start=[0.5] * 4)
        lines[0] = json.dumps(header) + "\n"

    rewrite(path, change)
    found = replay(path).first_difference
    assert found is not None
    assert found.event == expected > 5
    assert found.told.startswith("CallArrived(call_id=")
    assert found.then != found.now


@pytest.mark.parametrize("number", [1, 2, 137, 300])
def test_changed_code_differs_at_the_event_it_changes(
    log: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Changed(RouterMachine):
        def on(self, event: RouterEvent, *, now_s: float) -> list[RouterEffect]:
            effects = super().on(event, now_s=now_s)
            handled.append(event)
            return [*effects, WakeAt(0.1 + 0.2)] if len(handled) == number else effects

    handled: list[Any] = []
    monkeypatch.setattr("hasten_policy.machines.RouterMachine", Changed)
    found = replay(log).first_difference
    assert found is not None
    assert found.event == number
    assert found.now == (*found.then, "WakeAt(at_s=0.30000000000000004)")


def test_one_bit_of_one_number_is_a_difference(log: Path) -> None:
    def change(lines: list[str]) -> None:
        told, _, outcome = lines[200].partition("\t")
        effects = json.loads(outcome)
        effects.append({"WakeAt": [0.30000000000000004]})
        lines[200] = f"{told}\t{encode(effects)}\n"

    rewrite(log, change)
    found = replay(log).first_difference
    assert found is not None
    assert found.event == 200


def test_a_machine_that_raises_now_differs_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log"
    record_worker(path)

    class Broken(WorkerMachine):
        def on(self, event: WorkerEvent, *, now_s: float) -> list[WorkerEffect]:
            if isinstance(event, LoadAsked):
                raise ZeroDivisionError(f"no link {event.link_id} at {now_s}")
            return super().on(event, now_s=now_s)

    monkeypatch.setattr("hasten_policy.machines.WorkerMachine", Broken)
    found = replay(path).first_difference
    assert found is not None
    assert found.told == "LoadAsked(link_id=1)"
    assert found.now == (
        f'Raised(error="ZeroDivisionError", message="no link 1 at {found.now_s}")',
    )


def test_a_field_that_effects_have_gained_is_no_difference(log: Path) -> None:
    def drop_started(lines: list[str]) -> None:
        header = json.loads(lines[0])
        header["fields"]["Refusal"].remove("started")
        lines[0] = json.dumps(header) + "\n"
        for number, line in enumerate(lines):
            lines[number] = line.replace(",false]}]}]\n", "]}]}]\n")

    before = lines_of(log)
    rewrite(log, drop_started)
    assert lines_of(log)[1:] != before[1:]
    assert replay(log).same


# --- files that are not whole, or are none --------------------------------------------


def test_a_log_that_was_cut_off_is_replayed_as_far_as_it_goes(log: Path) -> None:
    whole = log.read_bytes()
    events = replay(log).events
    counts: list[int] = []
    for size in range(2000, len(whole), 97):
        log.write_bytes(whole[:size])
        outcome = replay(log)
        assert outcome.same
        assert outcome.truncated
        counts.append(outcome.events)
    assert counts == sorted(counts)
    assert events - 30 < counts[-1] <= events


@pytest.mark.parametrize("size", [0, 10, 100, 500])
def test_a_log_that_was_cut_off_in_its_header_is_refused(log: Path, size: int) -> None:
    log.write_bytes(log.read_bytes()[:size])
    with pytest.raises(ValueError, match="cut off before its first second"):
        replay(log)


def test_a_flipped_bit_is_never_taken_for_a_change_of_the_code(log: Path) -> None:
    whole = bytearray(log.read_bytes())
    damaged = 0
    for at in range(0, len(whole), 41):
        whole[at] ^= 4
        log.write_bytes(whole)
        whole[at] ^= 4
        try:
            outcome = replay(log)
        except ValueError:
            damaged += 1
        else:
            assert outcome.same or outcome.truncated
    assert damaged > 100


def test_damage_is_told_with_its_place(log: Path) -> None:
    whole = bytearray(log.read_bytes())
    whole[-6] ^= 1
    log.write_bytes(whole)
    with pytest.raises(ValueError, match=r"the log is damaged after line \d+: "):
        replay(log)


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"", "the file is empty"),
        (b"\x7fELF\x02\x01\x01", "no event log of Hasten"),
        (b"time,rate\n0,1\n", "no event log of Hasten"),
        (gzip.compress(b"time,rate\n0,1\n", mtime=0), "no event log of Hasten"),
        (gzip.compress(b'{"hasten_event_log":2}\n', mtime=0), "format 2"),
        (gzip.compress(b"x" * 3000, mtime=0), "cut off before its first second"),
    ],
)
def test_a_foreign_file_is_refused_with_a_sentence(
    tmp_path: Path, content: bytes, part: str
) -> None:
    path = tmp_path / "log"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=part):
        replay(path)


@pytest.mark.parametrize(
    ("line", "part"),
    [
        ('[1.0,{"Slept":[]}]\t[]\n', "event 2 cannot be replayed: .* 'Slept'"),
        ("{}\n", "event 2 cannot be replayed: it is neither an event nor the end"),
        ("{\n", "event 2 cannot be replayed: "),
    ],
)
def test_a_line_that_is_none_is_told_with_its_number(log: Path, line: str, part: str) -> None:
    def change(lines: list[str]) -> None:
        lines[2] = line

    rewrite(log, change)
    with pytest.raises(ValueError, match=part):
        replay(log)


def test_a_line_without_an_end_does_not_fill_the_memory(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hasten_sim.replay.LINE_BYTES_MAX", 20_000)

    def change(lines: list[str]) -> None:
        lines[1] = "[" + " " * 30_000 + lines[1][1:]

    rewrite(log, change)
    with pytest.raises(ValueError, match="line 2 is longer than 20000 bytes"):
        replay(log)


def test_progress_is_told_in_bytes_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "log"
    record_router(path, 1000, policy=RouterPolicy())
    told: list[int] = []
    replay(path, told.append)
    assert told
    assert 0 < told[-1] <= path.stat().st_size


def test_every_kind_of_machine_can_be_replayed() -> None:
    assert set(MACHINES) == {"autoscaler", "router", "scheduler", "worker"}
