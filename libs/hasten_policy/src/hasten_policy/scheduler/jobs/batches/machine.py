"""Which chunks of a batch are run now, and how it ends.

A chunk is a run of lines that are submitted, waited for and stored together. So many chunks are
open at once that their lines fill a window: a batch of a million lines holds no more of the queue
than one of a thousand. A chunk that is stored is stored for ever: what is not known to be stored is
opened again by the next owner, whose tasks find those of the first by their ids.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias


class Order(Enum):
    """What a person wants of a batch."""

    RUN = "run"
    PAUSE = "pause"
    CANCEL = "cancel"


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
        succeeded: Stored lines with an answer.
        failed: Stored lines with an error.
    """

    next: int = 0
    stored: set[int] = field(default_factory=set[int])
    succeeded: int = 0
    failed: int = 0


# --- events ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Ordered:
    """A person wants this from now on; also told once at the beginning."""

    order: Order


@dataclass(frozen=True, slots=True)
class ChunkStored:
    """The results of an open chunk are safe.

    Attributes:
        chunk: Its number.
        succeeded: Its lines with an answer.
        failed: Its lines with an error.
    """

    chunk: int
    succeeded: int
    failed: int


@dataclass(frozen=True, slots=True)
class TimeOver:
    """The batch's time is over."""


@dataclass(frozen=True, slots=True)
class CannotGoOn:
    """The lines cannot be read, or the results cannot be stored, and no repeat would help."""


BatchEvent: TypeAlias = Ordered | ChunkStored | TimeOver | CannotGoOn


# --- effects --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class OpenChunk:
    """Submit the chunk's lines, wait for their ends, store them; then tell `ChunkStored`.

    Attributes:
        chunk: Its number.
        stopped: Submit nothing: an earlier owner may have; end what has not ended, and store.
    """

    chunk: int
    stopped: bool = False


@dataclass(frozen=True, slots=True)
class StopChunk:
    """End the tasks of an open chunk that have not ended; it is stored all the same."""

    chunk: int


@dataclass(frozen=True, slots=True)
class Save:
    """Store the progress."""


@dataclass(frozen=True, slots=True)
class End:
    """Store the progress and that the batch has ended so; nothing follows."""

    how: BatchEnd


BatchEffect: TypeAlias = OpenChunk | StopChunk | Save | End


class BatchMachine:
    """Decides about one batch under one owner.

    Args:
        sizes: Lines of each chunk, by number.
        progress: How far it was under earlier owners.
        window: Lines of open chunks at most; one chunk is opened however many lines it has.

    Attributes:
        progress: How far it is now.
    """

    def __init__(self, sizes: Sequence[int], progress: Progress, *, window: int) -> None:
        self.progress = progress
        self._sizes = sizes
        self._window = window
        self._order = Order.PAUSE
        self._open: set[int] = set()
        self._open_lines = 0
        self._begun = progress.next
        self._end: BatchEnd | None = None
        self._ran = False
        self._over = False

    def on(self, event: BatchEvent) -> list[BatchEffect]:
        """What is to be done now; nothing once it has ended."""
        if self._over:
            return []
        effects: list[BatchEffect] = []
        if isinstance(event, ChunkStored):
            self._store(event)
            effects.append(Save())
        elif isinstance(event, Ordered):
            self._order = event.order
            if event.order is Order.CANCEL:
                effects += self._stop(BatchEnd.CANCELLED)
        elif isinstance(event, TimeOver):
            effects += self._stop(BatchEnd.EXPIRED)
        else:
            # What is open cannot be stored either: nothing is waited for.
            self._open.clear()
            self._end = BatchEnd.FAILED
        return effects + self._go_on()

    def _store(self, event: ChunkStored) -> None:
        progress = self.progress
        self._open.remove(event.chunk)
        self._open_lines -= self._sizes[event.chunk]
        progress.stored.add(event.chunk)
        progress.succeeded += event.succeeded
        progress.failed += event.failed
        while progress.next in progress.stored:
            progress.stored.remove(progress.next)
            progress.next += 1

    def _stop(self, how: BatchEnd) -> list[BatchEffect]:
        """Begins to end. What is open is stored with what is done; the first reason stays."""
        if self._end is not None:
            return []
        self._end = how
        stops: list[BatchEffect] = [StopChunk(chunk) for chunk in sorted(self._open)]
        # What an earlier owner had open is among the first chunks that are not stored: those that
        # this one would open now.
        return stops if self._ran else stops + self._open_more(stopped=True)

    def _go_on(self) -> list[BatchEffect]:
        effects: list[BatchEffect] = []
        if self._end is None and self._order is Order.RUN:
            self._ran = True
            effects += self._open_more()
        if self._open:
            return effects
        if self._end is None and self.progress.next < len(self._sizes):
            return effects
        self._over = True
        return [*effects, End(self._end or BatchEnd.DONE)]

    def _open_more(self, *, stopped: bool = False) -> list[BatchEffect]:
        effects: list[BatchEffect] = []
        while self._begun < len(self._sizes):
            chunk = self._begun
            if chunk in self.progress.stored or chunk < self.progress.next:
                self._begun += 1
                continue
            size = self._sizes[chunk]
            if self._open and self._open_lines + size > self._window:
                break
            self._open.add(chunk)
            self._open_lines += size
            self._begun += 1
            effects.append(OpenChunk(chunk, stopped))
        return effects
