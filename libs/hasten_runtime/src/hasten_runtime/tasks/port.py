"""The port between schedulers and the store that keeps their tasks.

One TaskQueue is one shard. Every scheduler process accepts tasks for every shard; only the owner of
a shard moves its tasks on, and every call that does so carries the ownership, which the store
checks. All times that the store keeps are the server's; what passes this port is the time left.

What is made once a task is not frozen, as making a frozen one takes several times as long; and it
is not changed once made.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from hasten_policy.scheduler.tasks import Lane
from hasten_runtime.election.port import Term
from hasten_runtime.tasks.wake import Wake

ENQUEUE_MAX = 256
"""Most tasks in one call of `enqueue`."""
MOVE_MAX = 64
"""Most tasks in one call of `claim` or `settle`."""
AHEAD_MAX = 256
"""Most tasks in one answer of `ahead`."""
DEAD_KEEP_S = 7 * 86_400.0
"""Least time for which a dead letter is kept, unless a person requeues or discards it."""


class Fenced(Exception):  # noqa: N818  (a state of the world, not a bug)
    """Somebody else owns the shard now: nothing was changed."""


class State(Enum):
    """Where a task is. Values are stored, and never change."""

    WAITING = 1
    LATER = 2
    """Waits for a time: `not_before`, or between two attempts."""
    RUNNING = 3
    DONE = 4
    FAILED = 5
    """Ended without an answer; the reason is kept."""
    DEAD = 6
    """As FAILED, and kept with its inputs as a dead letter."""
    CANCELLED = 7

    @property
    def ended(self) -> bool:
        """No attempt will follow by itself."""
        return self.value >= State.DONE.value


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task stands: `now_factor` times the server's time in seconds plus `offset`."""

    now_factor: float
    offset: float


@dataclass(slots=True)
class NewTask:
    """A task to accept.

    Attributes:
        task_id: Names it in its shard; printable.
        digest: Of all that the caller said: a repeat must say the same. 16 bytes.
        lane: Where it waits.
        place: Its order there.
        left_s: Seconds until its deadline; math.inf for none.
        start_in_s: Seconds until it may start; 0 for at once.
        keep_s: Its outcome is kept for so long.
        attempts_max: Most attempts that count.
        rows: As TaskHead.
        elements: As TaskHead.
        key: As TaskHead.
        key_max: As TaskHead.
        about: What people want to see of it (labels and the like), opaque here; kept to its end.
        payload: The request, or where it lies; opaque here.
    """

    task_id: str
    digest: bytes
    lane: Lane
    place: Place
    left_s: float
    start_in_s: float
    keep_s: float
    attempts_max: int
    rows: int
    elements: int
    key: str
    key_max: int
    about: bytes
    payload: bytes


class Outcome(Enum):
    """What became of an item of `enqueue`."""

    ACCEPTED = 1
    SAME = 2
    """It was accepted before, with the same content."""
    OTHER_CONTENT = 3
    """Its id is taken by a task with other content."""
    QUEUE_FULL = 4
    """The shard is at its high-water mark."""
    TENANT_FULL = 5
    """The tenant has as many tasks, or bytes, as it may."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a shard holds at most; 0 for no limit.

    Attributes:
        tasks_max: Tasks that have not ended.
        bytes_max: Of their payloads.
        tenant_tasks_max: As tasks_max, of one tenant.
        tenant_bytes_max: As bytes_max, of one tenant.
        memory_share_max: Of the server's maxmemory, if it has one.
    """

    tasks_max: int = 1_000_000
    bytes_max: int = 0
    tenant_tasks_max: int = 0
    tenant_bytes_max: int = 0
    memory_share_max: float = 0.7


@dataclass(slots=True)
class TaskRecord:
    """A task as the store has it.

    Attributes:
        task_id: The task.
        state: Where it is.
        lane: Where it waits or waited.
        age_s: Seconds since it was accepted.
        left_s: Seconds until its deadline, negative when it has passed; math.inf for none.
        start_in_s: Seconds until it may start; 0 unless LATER.
        ended_s: Seconds since it ended; negative while it has not.
        attempts: That counted.
        attempts_max: Most of those.
        rows: As TaskHead.
        elements: As TaskHead.
        deaths: As TaskHead.
        alone: As TaskHead.
        key: As TaskHead.
        key_max: As TaskHead.
        runs: Claims so far, those that did not count included.
        about: As NewTask.
        payload: The request; empty once DONE, FAILED or CANCELLED.
        result: The answer once DONE; the serialised refusal once FAILED or DEAD.
    """

    task_id: str
    state: State
    lane: Lane
    age_s: float
    left_s: float
    start_in_s: float
    ended_s: float
    attempts: int
    attempts_max: int
    rows: int
    elements: int
    deaths: tuple[str, ...]
    alone: bool
    key: str
    key_max: int
    runs: int
    about: bytes
    payload: bytes
    result: bytes


@dataclass(slots=True)
class LaneFront:
    """The front of a lane.

    Attributes:
        lane: The lane.
        waiting: All tasks that wait in it.
        records: Those at its front, in order, without payload.
        places: Their places, as in TaskHead.
    """

    lane: Lane
    waiting: int
    records: tuple[TaskRecord, ...]
    places: tuple[float, ...]


@dataclass(slots=True)
class Claiming:
    """One task to claim: the attempt's id is unique for ever, "epoch.owner.number"."""

    attempt_id: str
    lane: Lane
    task_id: str


@dataclass(slots=True)
class Placing:
    """Another place for one task: `now_factor` times when it was accepted plus `offset`."""

    task_id: str
    lane: Lane
    place: Place


@dataclass(slots=True)
class Settlement:
    """What an attempt came to.

    Attributes:
        attempt_id: The attempt; a settlement of another than the newest changes nothing.
        task_id: The task.
        lane: Its lane.
        state: DONE, FAILED, DEAD, CANCELLED, WAITING or LATER.
        result: As TaskRecord; empty for WAITING and LATER.
        start_in_s: For LATER.
        counts: The attempt counts.
        death: The worker process that died with it; "" for none.
        alone: The next attempt must share no batch.
    """

    attempt_id: str
    task_id: str
    lane: Lane
    state: State
    result: bytes = b""
    start_in_s: float = 0.0
    counts: bool = False
    death: str = ""
    alone: bool = False


@dataclass(slots=True)
class Change:
    """One entry of the shard's feed, for watchers. `position` grows; "" before the first."""

    position: str
    task_id: str
    state: State
    lane: Lane


@dataclass(slots=True)
class QueueStats:
    """Counts of one shard.

    Attributes:
        states: Tasks by state.
        lanes: Waiting tasks by lane.
        tenants: (tasks, bytes) that have not ended, by tenant.
        bytes_held: Of payloads of tasks that have not ended.
        oldest_s: Age of the oldest task among those at the very front of their lanes; 0 when none
            waits. (Those behind may be older, where the order is not by age.)
    """

    states: dict[State, int] = field(default_factory=dict[State, int])
    lanes: dict[Lane, int] = field(default_factory=dict[Lane, int])
    tenants: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    bytes_held: int = 0
    oldest_s: float = 0.0


class TaskQueue(Protocol):
    """One shard of the tasks. Every method may raise StoreUnavailable; then it may have been
    carried out or not, and a repeat with the same arguments is harmless.
    """

    # --- for every scheduler ------------------------------------------------------------

    async def enqueue(self, tasks: Sequence[NewTask], limits: Limits) -> list[Outcome]:
        """Accepts tasks, at most ENQUEUE_MAX, each for itself. With DURABLE, it answers when they
        are as safe as the class promises.
        """
        ...

    async def records(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """Tasks by id; None for one that is not there (or no more)."""
        ...

    async def page(
        self, cursor: str, most: int, *, dead: bool = False
    ) -> tuple[list[TaskRecord], str]:
        """Some tasks, about `most`, or dead letters alone, without payload and result, and the
        cursor to go on with; "" begins and ends. What is there all the time is found at least once.
        """
        ...

    async def ahead(self, most: int) -> list[TaskRecord]:
        """The tasks that are LATER, the soonest first, without payload and result; at most `most`
        and AHEAD_MAX.
        """
        ...

    async def cancel(self, task_ids: Sequence[str]) -> list[State | None]:
        """Ends tasks that have not ended; the state before, None for one that is not there."""
        ...

    async def move(
        self, task_id: str, lane: Lane, place: Place, left_s: float | None
    ) -> State | None:
        """Gives a task that waits (or LATER) another lane, place and, unless None, deadline.
        Changes nothing for one in another state, which it returns.
        """
        ...

    async def requeue(self, task_ids: Sequence[str]) -> list[bool]:
        """Dead letters wait again, with no attempts counted and no deaths, as if they were accepted
        now: age, deadline and place begin anew. False for no dead letter.
        """
        ...

    async def discard(self, task_ids: Sequence[str]) -> list[bool]:
        """Forgets tasks that have ended, dead letters included; False for one that has not."""
        ...

    async def pause(self, tenant: str | None, model: str | None, *, paused: bool) -> None:
        """Sets or takes back a pause; kept until it is taken back."""
        ...

    async def pauses(self) -> set[tuple[str | None, str | None]]:
        """All pauses, (tenant, model)."""
        ...

    async def changes(self, after: str, most: int, wait_s: float) -> list[Change]:
        """Changes after a position, waiting for the first at most wait_s."""
        ...

    async def newest(self) -> str:
        """Position of the newest change, for `changes`; "" when there was none."""
        ...

    async def stats(self) -> QueueStats:
        """Counts."""
        ...

    def wakes(self) -> AsyncIterator[Wake]:
        """What happens from now on. It begins with one empty Wake once it listens, and there is
        another after each break, as some may have been missed.
        """
        ...

    # --- for the owner; Fenced when it is none -------------------------------------------

    async def adopt(self, own: Term) -> int:
        """Tasks that ran under earlier owners wait again, uncounted; how many."""
        ...

    async def fronts(self, own: Term, lanes: Sequence[Lane], most: int) -> list[LaneFront]:
        """The fronts of these lanes, of all that have tasks when none is named."""
        ...

    async def claim(self, own: Term, claims: Sequence[Claiming]) -> list[TaskRecord | None]:
        """Waiting tasks run from now on; each with its payload, None for one that does not wait.
        One that runs by the same attempt already is given again.
        """
        ...

    async def settle(self, own: Term, settlements: Sequence[Settlement]) -> list[bool]:
        """Ends attempts; False for one that is not the task's newest. One that was settled so
        already is True.
        """
        ...

    async def drop(self, own: Term, lane: Lane, task_id: str, result: bytes) -> bool:
        """A waiting task fails with this refusal; False when it does not wait."""
        ...

    async def promote(self, own: Term, most: int) -> tuple[list[tuple[Lane, float]], float]:
        """Tasks whose time has come wait in their lanes: which lanes grew, and seconds until the
        next one's time, math.inf for none.
        """
        ...

    async def reorder(self, own: Term, placings: Sequence[Placing], *, order: str = "") -> str:
        """Gives tasks that have not ended other places, at most MOVE_MAX, but for turns of hard
        schedules and what is in another lane by now. `order` says in which all tasks stand then;
        the answer is what was said last, "" for nothing.
        """
        ...

    async def sweep(self, own: Term, most: int) -> int:
        """Forgets ended tasks whose time is over; how many. A dead letter is kept for
        DEAD_KEEP_S if that is longer than its own time.
        """
        ...

    async def close(self) -> None:
        """Releases connections."""
        ...
