"""Which chunks of a batch are run now, and how it ends.

A chunk is a run of lines that are submitted, waited for and stored together. So many chunks are
open at once that their lines fill a window: a batch of a million lines holds no more of the queue
than one of a thousand. A chunk that is stored is stored for ever: what is not known to be stored is
opened again by the next machine, whose tasks are found by their keys, and whose results by theirs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum

from hasten_policy.reasons import Refusal
from hasten_policy.scheduler.jobs.events import (
    Ask,
    CancelTasks,
    JobEffect,
    JobEvent,
    Started,
    SubmitTasks,
    TaskEnded,
    TaskWish,
    Told,
    WakeAt,
    Wanted,
    Write,
)


class BatchEnd(Enum):
    """How a batch ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


@dataclass(slots=True)
class Progress:
    """How far a batch is; what its owner stores.

    Attributes:
        next: All chunks before this one are stored.
        stored: Chunks after it that are stored.
        begun: All chunks before this one were opened.
        succeeded: Stored lines with an answer.
        failed: Stored lines with an error.
        end: How it ended; None before.
        failure: Why it could not go on.
    """

    next: int = 0
    stored: set[int] = field(default_factory=set[int])
    begun: int = 0
    succeeded: int = 0
    failed: int = 0
    end: BatchEnd | None = None
    failure: Refusal | None = None


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """What never changes about a batch.

    Attributes:
        sizes: Lines of each chunk, by number.
        window: Lines of open chunks at most; one chunk is opened however many lines it has.
        ends_s: When it ends, done or not.
        priority: Class of its tasks.
    """

    sizes: Sequence[int]
    window: int
    ends_s: float
    priority: int


# --- what it asks (all slow), and the answers ------------------------------------------------


@dataclass(slots=True)
class ReadChunk:
    """Read the chunk's lines: `ChunkRead`, or `ChunkStored` if its results are there, or
    `CannotGoOn`.
    """

    chunk: int


@dataclass(slots=True)
class StoreChunk:
    """Store the results of a chunk, all of whose tasks have ended: `ChunkStored`, or
    `CannotGoOn`.
    """

    chunk: int


@dataclass(slots=True)
class TellEnd:
    """Have those told who asked for it that the batch ends so: `EndTold`."""

    how: BatchEnd


@dataclass(slots=True)
class ChunkRead:
    """The lines of a chunk are known."""

    chunk: int


@dataclass(slots=True)
class ChunkStored:
    """The results of a chunk are safe.

    Attributes:
        chunk: Its number.
        succeeded: Its lines with an answer.
        failed: Its lines with an error.
    """

    chunk: int
    succeeded: int
    failed: int


@dataclass(slots=True)
class EndTold:
    """Those who asked will be told."""


@dataclass(slots=True)
class CannotGoOn:
    """The lines of a chunk cannot be read, and no repeat would help."""

    chunk: int
    refusal: Refusal


def key_of(chunk: int, line: int) -> str:
    """The key of the task of a chunk's line, counted within the chunk."""
    return f"{chunk}.{line}"


def place_of(key: str) -> tuple[int, int]:
    """Chunk and line of a key."""
    chunk, _, line = key.partition(".")
    return int(chunk), int(line)


class BatchMachine:
    """Decides about one batch.

    Args:
        facts: About the batch.
        progress: How far it was under earlier machines.

    Attributes:
        progress: How far it is now.
    """

    def __init__(self, facts: BatchFacts, progress: Progress) -> None:
        self.progress = progress
        self._facts = facts
        self._wanted = Wanted.PAUSED
        self._open: dict[int, set[str]] = {}
        self._open_lines = 0
        self._at = progress.next
        self._end: BatchEnd | None = None
        self._telling = False

    def on(self, event: JobEvent, *, now_s: float) -> list[JobEffect]:
        """What is to be done now."""
        if isinstance(event, TaskEnded):
            return self._task_ended(event.task)
        effects: list[JobEffect] = []
        if isinstance(event, Told):
            effects += self._answered(event.answer)
        elif isinstance(event, Started):
            self._wanted = event.wanted
            effects.append(WakeAt(self._facts.ends_s))
            if event.wanted is Wanted.CANCELLED:
                effects += self._stop(BatchEnd.CANCELLED)
        if self.progress.end is not None:
            return effects
        if now_s >= self._facts.ends_s:
            effects += self._stop(BatchEnd.EXPIRED)
        return effects + self._go_on()

    def _answered(self, answer: object) -> list[JobEffect]:
        if isinstance(answer, ChunkRead):
            return self._submit(answer.chunk)
        if isinstance(answer, ChunkStored):
            self._store(answer)
            return [Write()]
        if isinstance(answer, CannotGoOn):
            self._close(answer.chunk)
            self.progress.failure = answer.refusal
            # Its tasks may have been submitted by a machine that could read it.
            keys = self._keys(answer.chunk)
            return [CancelTasks(keys), *self._stop(BatchEnd.FAILED)]
        assert isinstance(answer, EndTold)  # noqa: S101  (nothing else was asked)
        assert self._end is not None  # noqa: S101  (it was told)
        self.progress.end = self._end
        return [Write(self._end.value)]

    # --- chunks -------------------------------------------------------------------------

    def _submit(self, chunk: int) -> list[JobEffect]:
        """Submits a chunk's lines. Of a batch that is ending, this finds those that were submitted
        before, done ones with their answers; whatever has not ended is ended at once.
        """
        facts = self._facts
        keys = self._keys(chunk)
        self._open[chunk] = set(keys)
        deadline_s = facts.ends_s if self._end is None else math.inf
        wishes = tuple(TaskWish(key, deadline_s, facts.priority) for key in keys)
        effects: list[JobEffect] = [SubmitTasks(wishes)]
        if self._end is not None:
            effects.append(CancelTasks(keys))
        return effects

    def _keys(self, chunk: int) -> tuple[str, ...]:
        return tuple(key_of(chunk, line) for line in range(self._facts.sizes[chunk]))

    def _task_ended(self, key: str) -> list[JobEffect]:
        chunk, _ = place_of(key)
        pending = self._open.get(chunk)
        if not pending or key not in pending:
            return []
        pending.remove(key)
        return [] if pending else [Ask(StoreChunk(chunk), slow=True)]

    def _store(self, event: ChunkStored) -> None:
        progress = self.progress
        self._close(event.chunk)
        progress.stored.add(event.chunk)
        progress.succeeded += event.succeeded
        progress.failed += event.failed
        while progress.next in progress.stored:
            progress.stored.remove(progress.next)
            progress.next += 1

    def _close(self, chunk: int) -> None:
        del self._open[chunk]
        self._open_lines -= self._facts.sizes[chunk]

    # --- what is next ---------------------------------------------------------------------

    def _stop(self, how: BatchEnd) -> list[JobEffect]:
        """Begins to end. What was begun is stored with what is done; the first reason stays, and
        of a batch whose chunks are all stored there is none but that it is done.
        """
        if self._end is not None or self._all_stored:
            return []
        self._end = how
        keys = [key for chunk in sorted(self._open) for key in sorted(self._open[chunk])]
        return [CancelTasks(tuple(keys))] if keys else []

    def _go_on(self) -> list[JobEffect]:
        effects: list[JobEffect] = self._open_more()
        if self._open or self._telling:
            return effects
        if self._end is None and not self._all_stored:
            return effects
        self._telling = True
        self._end = self._end or BatchEnd.DONE
        return [*effects, Ask(TellEnd(self._end), slow=True)]

    @property
    def _all_stored(self) -> bool:
        return self.progress.next == len(self._facts.sizes)

    def _open_more(self) -> list[JobEffect]:
        """Opens what the window has room for: anew what was begun, more while that is wanted."""
        progress, sizes = self.progress, self._facts.sizes
        goes_on = self._end is None and self._wanted is Wanted.ACTIVE
        until = len(sizes) if goes_on else progress.begun
        effects: list[JobEffect] = []
        while self._at < until:
            chunk = self._at
            if chunk >= progress.next and chunk not in progress.stored:
                if self._open and self._open_lines + sizes[chunk] > self._facts.window:
                    break
                self._open[chunk] = set()
                self._open_lines += sizes[chunk]
                effects.append(Ask(ReadChunk(chunk), slow=True))
            self._at += 1
        if self._at > progress.begun:
            progress.begun = self._at
            effects.append(Write())
        return effects
