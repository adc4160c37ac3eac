"""A long trial in rounds, each kept in a file as soon as it is judged: it can be ended and resumed.

Each round has a mesh, clients and a history of its own, and a seed that follows from its number: so
memory and disk are those of one round, and a round that broke a promise can be had again alone.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from loadtest.task_history import Verdict

SUMMED: Final = ("accepted", "done", "failed", "waiting", "lost", "second_results")


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        number: From 0.
        verdict: What the checker found.
        hits: Kills and stops.
    """

    number: int
    verdict: Verdict
    hits: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All rounds together.

    Attributes:
        rounds: Number of rounds.
        hits: Kills and stops.
        verdict: Sums; executions as the mean over all tasks.
    """

    rounds: int
    hits: int
    verdict: Verdict


class OtherTrial(ValueError):  # noqa: N818  (what it is about)
    """The file is that of a trial of another shape."""


def soak(
    path: Path,
    shape: Mapping[str, Any],
    rounds: int,
    run: Callable[[int], tuple[Verdict, int]],
) -> Iterator[Round]:
    """The rounds, those that the file has first.

    Args:
        path: The file: a line about the trial, then a line a round.
        shape: What all rounds have in common, and tells this trial from others.
        rounds: How many.
        run: One of them, by number: the verdict, and kills and stops.

    Raises:
        OtherTrial: The file has another shape.
    """
    kept = _kept(path, shape)
    yield from kept[:rounds]
    for number in range(len(kept), rounds):
        verdict, hits = run(number)
        made = Round(number, verdict, hits)
        _append(path, asdict(made))
        yield made


def totals(rounds: list[Round]) -> Totals:
    """All of them together."""
    verdicts = [each.verdict for each in rounds]
    sums = {name: sum(getattr(each, name) for each in verdicts) for name in SUMMED}
    tasks = sum(each.accepted for each in verdicts)
    runs = sum(each.executions * each.accepted for each in verdicts)
    faults = [f"round {each.number}: {fault}" for each in rounds for fault in each.verdict.faults]
    verdict = Verdict(tuple(faults), executions=runs / tasks if tasks else 0.0, **sums)
    return Totals(len(rounds), sum(each.hits for each in rounds), verdict)


def _kept(path: Path, shape: Mapping[str, Any]) -> list[Round]:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _append(path, shape)
        return []
    whole, _, _ = path.read_text().rpartition("\n")
    lines = [json.loads(line) for line in whole.splitlines()]
    if not lines or lines[0] != shape:
        raise OtherTrial(f"{path} has a trial of another shape; remove it, or name another file")
    # A line that was being written when the trial was ended is made anew.
    path.write_text(whole + "\n")
    return [_round(line) for line in lines[1:]]


def _round(line: Mapping[str, Any]) -> Round:
    said = dict(line["verdict"])
    return Round(line["number"], Verdict(tuple(said.pop("faults")), **said), line["hits"])


def _append(path: Path, line: Mapping[str, Any]) -> None:
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
