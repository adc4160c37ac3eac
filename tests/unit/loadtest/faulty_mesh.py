"""A queue, its owners and its clients in one list of steps, with a bug of one's choice.

Everything happens in steps drawn by chance: submits and looks, claims, answers, stops of owners,
crashes of the store, lost replies. With no bug it keeps every promise, whatever the steps; the bugs
are those that queues of this kind have had.
"""

import random
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum

from loadtest.task_history import (
    Acted,
    Executed,
    History,
    Reply,
    Seen,
    Sighting,
    Submitted,
)


class Bug(Enum):
    NONE = "none"
    NO_ATTEMPT_CHECK = "an answer counts whatever attempt it is of, and whoever brings it"
    COMPLETION_BEFORE_RESULT = "a task is done before its answer is stored"
    NO_EPOCH_CHECK = "an owner of before may still act"
    ACKNOWLEDGED_BEFORE_STORED = "a submit is answered before it would survive a crash"
    ID_WITHOUT_CONTENT = "a repeat is known by its id alone"
    RETRY_BY_THE_LIBRARY = "the client library repeats a claim whose reply was lost"


@dataclass
class Task:
    content: str
    state: Seen = Seen.WAITING
    attempt: str = ""
    answer: str = ""
    answered_content: str = ""


@dataclass
class Running:
    """An attempt that an owner believes to run."""

    task_id: str
    content: str
    attempt: str
    executed: str = ""
    settling: bool = False


@dataclass
class Owner:
    epoch: int
    attempts: list[Running] = field(default_factory=list)
    stopped: bool = False

    @property
    def name(self) -> str:
        return f"owner-{self.epoch}"


class FaultyMesh:
    """Plays steps and writes down what clients saw."""

    def __init__(self, seed: int, bug: Bug, ids: int = 30) -> None:
        self.history = History()
        self._chance = random.Random(seed)
        self._bug = bug
        self._ids = ids
        self._tasks: dict[str, Task] = {}
        self._unsaved: set[str] = set()
        self._owners = [Owner(1)]
        self._contents: Counter[str] = Counter()
        self._attempts = 0
        self._executions = 0
        self._now_s = 0.0

    def play(self, steps: int) -> History:
        """So many steps, then all is well until nothing is left to do; then everyone looks."""
        kinds = [
            *[self._submit] * 6,
            *[self._look] * 4,
            *[self._claim] * 8,
            *[self._execute] * 8,
            *[self._settle] * 8,
            self._hand_over,
            self._old_owner_goes_on,
            self._store_crashes,
        ]
        for _ in range(steps):
            self._now_s += 1.0
            self._chance.choice(kinds)()
        self._newest.stopped = False
        for _ in range(self._ids * 20):
            self._now_s += 1.0
            self._claim(lossless=True)
            self._execute()
            self._settle()
        for task_id in sorted({one.task_id for one in self.history.submitted}):
            self._now_s += 1.0
            self._see(task_id)
        return self.history

    @property
    def _newest(self) -> Owner:
        return self._owners[-1]

    def _lost(self) -> bool:
        return self._chance.random() < 0.1

    def _submit(self) -> None:
        task_id = f"t-{self._chance.randrange(self._ids)}"
        # Now and then somebody takes an id for something else.
        content = f"{task_id}/{'other' if self._chance.random() < 0.15 else 'own'}"
        task = self._tasks.get(task_id)
        same = task is not None and (task.content == content or self._bug is Bug.ID_WITHOUT_CONTENT)
        if task is not None and not same:
            self.history.submitted.append(Submitted(task_id, content, Reply.REFUSED))
            return
        if task is None:
            self._tasks[task_id] = Task(content)
            if self._bug is Bug.ACKNOWLEDGED_BEFORE_STORED:
                self._unsaved.add(task_id)
        reply = Reply.UNKNOWN if self._lost() else Reply.OK
        self.history.submitted.append(Submitted(task_id, content, reply))

    def _look(self) -> None:
        if self.history.submitted:
            self._see(self._chance.choice(self.history.submitted).task_id)

    def _see(self, task_id: str) -> None:
        task = self._tasks.get(task_id, Task("", Seen.MISSING))
        done = task.state is Seen.DONE
        self.history.sightings.append(
            Sighting(
                task_id,
                task.state,
                task.answer if done else "",
                task.answered_content if done else "",
                self._now_s,
                self._now_s + 0.5,
            )
        )

    def _claim(self, *, lossless: bool = False, by: Owner | None = None) -> None:
        owner = by or self._newest
        if owner.stopped or not self._may_act(owner):
            return
        taken = self._take(owner)
        if self._bug is Bug.RETRY_BY_THE_LIBRARY and not lossless and self._lost():
            # Whoever repeats a claim names the attempt, and is given the same task again. A library
            # that repeats the command by itself is given the next one.
            taken = self._take(owner)
        if taken is not None:
            owner.attempts.append(taken)

    def _take(self, owner: Owner) -> Running | None:
        waiting = [name for name, task in self._tasks.items() if task.state is Seen.WAITING]
        if not waiting:
            return None
        task_id = self._chance.choice(waiting)
        task = self._tasks[task_id]
        self._attempts += 1
        task.state, task.attempt = Seen.RUNNING, f"{owner.name}/{self._attempts}"
        self.history.acted.append(Acted(0, owner.name, owner.epoch))
        return Running(task_id, task.content, task.attempt)

    def _execute(self) -> None:
        for owner in self._owners:
            fresh = [running for running in owner.attempts if not running.executed]
            if fresh:
                running = self._chance.choice(fresh)
                self._executions += 1
                # Of two executions no two answers are alike.
                running.executed = f"answer {self._executions}"
                self.history.executed.append(Executed(running.task_id))

    def _settle(self, by: Owner | None = None) -> None:
        owner = by or self._newest
        ready = [running for running in owner.attempts if running.executed]
        if owner.stopped or not ready:
            return
        running = self._chance.choice(ready)
        if not self._may_act(owner):
            owner.attempts.remove(running)
            return
        task = self._tasks.get(running.task_id)
        self.history.acted.append(Acted(0, owner.name, owner.epoch))
        if task is not None and self._counts(task, running):
            task.state = Seen.DONE
            if self._bug is Bug.COMPLETION_BEFORE_RESULT and not running.settling:
                # The second half comes with another step, if the owner lives until then.
                running.settling = True
                return
            task.answer, task.answered_content = running.executed, running.content
        owner.attempts.remove(running)

    def _counts(self, task: Task, running: Running) -> bool:
        if self._bug is Bug.NO_ATTEMPT_CHECK:
            return True
        return task.attempt == running.attempt and (task.state is Seen.RUNNING or running.settling)

    def _may_act(self, owner: Owner) -> bool:
        return owner is self._newest or self._bug in {Bug.NO_EPOCH_CHECK, Bug.NO_ATTEMPT_CHECK}

    def _hand_over(self) -> None:
        """The owner stands still; another one adopts what it ran."""
        self._newest.stopped = True
        self._owners.append(Owner(self._newest.epoch + 1))
        for task in self._tasks.values():
            if task.state is Seen.RUNNING:
                task.state, task.attempt = Seen.WAITING, ""

    def _old_owner_goes_on(self) -> None:
        old = self._chance.choice(self._owners)
        if old is not self._newest:
            old.stopped = False
            self._claim(by=old)
            self._settle(by=old)

    def _store_crashes(self) -> None:
        for task_id in self._unsaved:
            self._tasks.pop(task_id, None)
        self._unsaved.clear()
