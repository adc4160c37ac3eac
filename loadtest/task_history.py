"""What clients and observers saw of tasks, and whether it can be: accepted once, answered once.

The history is written while a mesh is being broken and decided afterwards, as Jepsen does
(https://jepsen.io): the checker knows the promises, and nothing of how they are kept.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

EXECUTIONS_MAX: Final = 1.05
"""Of a task, in the mean: more are wasted work."""
EXAMPLES: Final = 5
"""Tasks that a fault names."""


class Reply(Enum):
    """How a call came back."""

    OK = "ok"
    REFUSED = "refused"
    """It says that nothing was done."""
    UNKNOWN = "unknown"
    """Nobody knows whether it was carried out: its reply was lost, or said so."""


class Seen(Enum):
    """What a client was shown of a task."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    MISSING = "missing"

    @property
    def final(self) -> bool:
        """It can be seen as nothing else later."""
        return self in {Seen.DONE, Seen.FAILED}


@dataclass(slots=True)
class Submitted:
    """A client submitted a task, and this came back."""

    task_id: str
    content: str
    reply: Reply


@dataclass(slots=True)
class Sighting:
    """A client looked at a task.

    Attributes:
        task_id: The task.
        seen: What it was.
        evidence: DONE: what tells this answer from that of another execution. FAILED: the reason.
        content: DONE: that of the task which the answer belongs to; "" where it cannot be told.
        asked_s: When the client asked.
        told_s: When it was told; one that asked later than another was told saw what came later.
    """

    task_id: str
    seen: Seen
    evidence: str
    content: str
    asked_s: float
    told_s: float


@dataclass(slots=True)
class Executed:
    """A worker says that it ran a task."""

    task_id: str


@dataclass(slots=True)
class Acted:
    """The store carried out what an owner asked for; in the order of the store."""

    shard: int
    owner: str
    epoch: int


@dataclass(slots=True)
class History:
    """All that was seen. The sightings at the end, when all is well again, come last."""

    submitted: list[Submitted] = field(default_factory=list)
    sightings: list[Sighting] = field(default_factory=list)
    executed: list[Executed] = field(default_factory=list)
    acted: list[Acted] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the checker found.

    Attributes:
        faults: Sentences, each about a promise that was broken; empty when none was.
        accepted: Tasks that a client was told are accepted.
        done: Of those, seen to be done at the end.
        failed: Of those, failed with a reason.
        waiting: Of those, still waiting.
        lost: Of those, none of the above.
        second_results: Tasks that were shown with two results.
        executions: Of a task, in the mean over those that were executed; 0 when none was.
    """

    faults: tuple[str, ...]
    accepted: int
    done: int
    failed: int
    waiting: int
    lost: int
    second_results: int
    executions: float


def check(history: History, *, executions_max: float = EXECUTIONS_MAX) -> Verdict:
    """Decides whether the history keeps every promise."""
    seen: defaultdict[str, list[Sighting]] = defaultdict(list)
    for sighting in history.sightings:
        seen[sighting.task_id].append(sighting)
    accepted = {one.task_id: one.content for one in history.submitted if one.reply is Reply.OK}
    last = {task_id: _last(seen[task_id]) for task_id in accepted}
    lost = {task_id: end for task_id, end in last.items() if not _accounted_for(end)}
    second = [task_id for task_id, told in seen.items() if _second_result(told)]
    ran = defaultdict[str, int](int)
    for execution in history.executed:
        ran[execution.task_id] += 1
    executions = sum(ran.values()) / len(ran) if ran else 0.0
    faults = [
        *_named("accepted and lost", [f"{name} ({_end(end)})" for name, end in lost.items()]),
        *_named("shown with a second result", second),
        *_named("ended, and then something else", [t for t, s in seen.items() if _came_back(s)]),
        *_named("accepted with two contents", _two_contents(history.submitted)),
        *_named("answered for another content", _other_answers(accepted, seen)),
        *_named("refused, and there all the same", _half_stored(history)),
        *_named("acted on after a later owner had", _old_owners(history.acted)),
    ]
    if executions > executions_max:
        faults.append(f"{executions:.3f} executions a task, more than {executions_max:g}")
    states = [end.seen for end in last.values() if end is not None]
    return Verdict(
        faults=tuple(faults),
        accepted=len(accepted),
        done=states.count(Seen.DONE),
        failed=states.count(Seen.FAILED),
        waiting=states.count(Seen.WAITING),
        lost=len(lost),
        second_results=len(second),
        executions=executions,
    )


def _named(what: str, names: Iterable[str]) -> list[str]:
    told = sorted(set(names))
    if not told:
        return []
    return [f"{len(told)} {what}: {', '.join(told[:EXAMPLES])}"]


def _last(sightings: list[Sighting]) -> Sighting | None:
    return max(sightings, key=lambda sighting: sighting.asked_s, default=None)


def _end(end: Sighting | None) -> str:
    return "never seen" if end is None else f"{end.seen.value} at last"


def _accounted_for(end: Sighting | None) -> bool:
    """Done with an answer, failed with a reason, or waiting. One that runs when nothing has been
    broken for long is run by nobody.
    """
    if end is None or end.seen in {Seen.MISSING, Seen.RUNNING}:
        return False
    return end.seen is Seen.WAITING or bool(end.evidence)


def _second_result(sightings: list[Sighting]) -> bool:
    return len({one.evidence for one in sightings if one.seen is Seen.DONE}) > 1


def _came_back(sightings: list[Sighting]) -> bool:
    """Something else was seen by one who asked after another had been told of the end."""
    for end in (Seen.DONE, Seen.FAILED):
        told_s = min((one.told_s for one in sightings if one.seen is end), default=float("inf"))
        if any(one.seen is not end and one.asked_s > told_s for one in sightings):
            return True
    return False


def _two_contents(submitted: list[Submitted]) -> list[str]:
    contents: defaultdict[str, set[str]] = defaultdict(set)
    for one in submitted:
        if one.reply is Reply.OK:
            contents[one.task_id].add(one.content)
    return [task_id for task_id, known in contents.items() if len(known) > 1]


def _other_answers(accepted: dict[str, str], seen: dict[str, list[Sighting]]) -> list[str]:
    return [
        task_id
        for task_id, content in accepted.items()
        for one in seen.get(task_id, ())
        if one.seen is Seen.DONE and one.content not in {"", content}
    ]


def _half_stored(history: History) -> list[str]:
    """Every client was told that nothing of it was stored, and something was."""
    refused = {one.task_id for one in history.submitted if one.reply is Reply.REFUSED}
    refused -= {one.task_id for one in history.submitted if one.reply is not Reply.REFUSED}
    there = {one.task_id for one in history.sightings if one.seen is not Seen.MISSING}
    return list(refused & (there | {one.task_id for one in history.executed}))


def _old_owners(acted: list[Acted]) -> list[str]:
    newest: dict[int, tuple[int, str]] = {}
    old = []
    for act in acted:
        epoch, owner = newest.get(act.shard, (act.epoch, act.owner))
        if act.epoch < epoch or (act.epoch == epoch and act.owner != owner):
            old.append(f"shard {act.shard} by {act.owner} with epoch {act.epoch}")
        else:
            newest[act.shard] = (act.epoch, act.owner)
    return old
