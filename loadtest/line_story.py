"""The story of an inspection line, told from the command line: a camera is asked each 200 ms, hard;
the owner of the schedule is killed in the middle.

    python -m loadtest.line_story [--json]

Starts a mesh of its own with two schedulers and two workers, bulk beside the line, and says what it
saw: the timeline of the turns, and how often each was run. Ends with status 1 when a promise was
broken: a turn was made twice, or has no outcome, or was late while an owner lived.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Final

from hasten_client import ScheduleClient, Task, TaskClient
from loadtest.mesh import Mesh
from loadtest.repository import write_synthetic
from loadtest.story import ANSWER_S, hasten, kill_owner, story_mesh

PERIOD: Final = timedelta(milliseconds=200)
BEFORE: Final = 10
"""Turns that are done before the owner is killed, and after another one has taken over."""
FIRST_TURNS: Final = 2
"""Workers have not run the model yet; these may be late."""
OWNER_LESS_S: Final = 6.0
"""Turns of so long after the death of the owner may be late: its lease of 3 s, and what follows."""
WAIT_S: Final = 120.0
LOOK_S: Final = 0.2
BULK: Final = 2000


@dataclass(frozen=True, slots=True)
class TurnSeen:
    """One turn.

    Attributes:
        at: Its time.
        outcome: State of its task, with the reason where it failed; "left out" without a task.
        runs: Times that its task was given to a worker.
    """

    at: datetime
    outcome: str
    runs: int


@dataclass(frozen=True, slots=True)
class Told:
    """What the story saw.

    Attributes:
        lines: The timeline.
        turns: Turns, from the first to the last that was made.
        done: In time.
        around_death: Not done, while no owner lived.
        runs_max: Most runs of one turn.
        faults: Promises that were broken, one sentence each.
    """

    lines: tuple[str, ...]
    turns: int
    done: int
    around_death: int
    runs_max: int
    faults: tuple[str, ...]


def tell(folder: Path, *, before: int = BEFORE) -> Told:
    """Runs the story."""
    models = folder / "models"
    write_synthetic(models, "inspect", alpha_ms=10, beta_ms=0, batch_max=1)
    write_synthetic(models, "score", alpha_ms=4, beta_ms=1, batch_max=8)
    with story_mesh(models) as mesh:
        return _tell(mesh, before)


def _tell(mesh: Mesh, before: int) -> Told:
    address = mesh.schedulers[0]
    for model in ("inspect", "score"):
        hasten(address, "submit", model, "-i", "INPUT=[[1,2]]", "--wait")
    create = ("schedule", "create", "cam", "inspect", "-i", "INPUT=[[1,2]]", "--label", "line=1")
    hasten(address, *create, "--every", "200ms", "--deadline", "200ms", "--hard")
    bulk = ("submit", "score", "-i", "INPUT=[[1,2]]", "--priority", "batch", "--tenant", "bulk")
    hasten(address, *bulk, "--count", str(BULK))
    with ScheduleClient(address) as schedules:
        _until(lambda: schedules.get("cam", deadline_s=ANSWER_S).done >= before)
    killed = datetime.now(UTC)
    address = kill_owner(mesh, address)
    beyond = killed + timedelta(seconds=OWNER_LESS_S)
    with ScheduleClient(address) as schedules, TaskClient(address) as tasks:
        _until(lambda: _done_since(tasks, beyond) >= before)
        hasten(address, "schedule", "pause", "cam")
        _until(lambda: not schedules.get("cam", deadline_s=ANSWER_S).open_ids)
        started = schedules.get("cam", deadline_s=ANSWER_S).started
        return judge(list(_turns(tasks)), killed, started)


def judge(turns: list[TurnSeen], killed: datetime, started: int) -> Told:
    """What is to be said of these turns, in the order of their times, of which so many were started
    as the schedule counts them.
    """
    gone = killed - PERIOD, killed + timedelta(seconds=OWNER_LESS_S)
    faults: list[str] = []
    if len({turn.at for turn in turns}) != len(turns):
        faults.append("a turn was made twice")
    if turns[0].at + PERIOD * (len(turns) - 1) != turns[-1].at:
        faults.append("turns do not follow each other")
    late = [turn for turn in turns[FIRST_TURNS:] if turn.outcome != "done"]
    faults += [
        f"the turn of {_clock(turn.at)} was {turn.outcome}"
        for turn in late
        if not gone[0] <= turn.at <= gone[1]
    ]
    made = sum(turn.outcome != "left out" for turn in turns)
    if started != made:
        faults.append(f"the schedule counts {started} runs, there are {made}")
    return Told(
        lines=tuple(timeline(turns, killed)),
        turns=len(turns),
        done=sum(turn.outcome == "done" for turn in turns),
        around_death=len(late),
        runs_max=max(turn.runs for turn in turns),
        faults=tuple(faults),
    )


def timeline(turns: list[TurnSeen], killed: datetime) -> Iterator[str]:
    """A line for each row of turns with the same outcome, and one for the death of the owner."""
    said = False
    for (after, outcome), row in groupby(turns, lambda turn: (turn.at > killed, turn.outcome)):
        if after and not said:
            said = True
            yield f"{_clock(killed)}  the owner is killed"
        same = list(row)
        times = f"to {_clock(same[-1].at)}" if len(same) > 1 else ""
        yield f"{_clock(same[0].at)}  {outcome:<26} {len(same):>3} turns {times}".rstrip()


def _turns(tasks: TaskClient) -> Iterator[TurnSeen]:
    """All turns between the first and the last that was made."""
    # The pause at the end took back those that had been handed over before their time.
    made = {_time_of(task.request_id): task for task in _runs(tasks) if task.state != "cancelled"}
    at, last = min(made), max(made)
    while at <= last:
        task = made.get(at)
        outcome = "left out" if task is None else _outcome(tasks, task)
        yield TurnSeen(at, outcome, 0 if task is None else task.runs)
        at += PERIOD


def _runs(tasks: TaskClient) -> list[Task]:
    found: list[Task] = []
    token = ""
    while True:
        page = tasks.page(
            labels={"line": "1"}, page_size=1000, page_token=token, deadline_s=ANSWER_S
        )
        found += page.tasks
        token = page.next_page_token
        if not token:
            return found


def _outcome(tasks: TaskClient, task: Task) -> str:
    if task.state != "failed":
        return task.state
    error = tasks.get(task.request_id, deadline_s=ANSWER_S).error
    return f"failed: {error.reason if error is not None else ''}"


def _done_since(tasks: TaskClient, since: datetime) -> int:
    done = (task for task in _runs(tasks) if task.state == "done")
    return sum(_time_of(task.request_id) > since for task in done)


def _time_of(request_id: str) -> datetime:
    return datetime.fromisoformat(request_id.rpartition("/")[2])


def _clock(at: datetime) -> str:
    return at.strftime("%H:%M:%S.%f")[:-4]


def _until(holds: Callable[[], bool]) -> None:
    ends_s = time.monotonic() + WAIT_S
    while not holds():
        if time.monotonic() > ends_s:
            raise RuntimeError(f"it did not come so far in {WAIT_S:.0f} s")
        time.sleep(LOOK_S)


def main() -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="one JSON object on stdout")
    said = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        told = tell(Path(folder))
    if said.json:
        print(json.dumps(asdict(told)))
        return int(bool(told.faults))
    print("\n".join(told.lines))
    print(
        f"{told.turns} turns: {told.done} done in time, {told.around_death} not while no owner "
        f"lived; most runs of a turn: {told.runs_max}"
    )
    for fault in told.faults:
        print(f"broken: {fault}")
    return int(bool(told.faults))


if __name__ == "__main__":
    sys.exit(main())
