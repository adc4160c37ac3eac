"""Has tasks stored, many in one call, and closes the door to a store that does not answer."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TypeVar

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import logs
from hasten_runtime.errors import MeshError
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.port import ENQUEUE_MAX, Limits, NewTask, Outcome, TaskQueue, TaskRecord

FLIGHTS_MAX: Final = 4
"""Calls to one shard at once: one, unless more wait than fit into the next."""
PROBE_S: Final = 0.2
"""Pace of looks at a store that is away."""
RETRY_AFTER_S: Final = 0.5

T = TypeVar("T")

_log = logs.logger(__name__)


def store_away(cause: object) -> Refusal:
    """The refusal of a call that needs a store that does not answer."""
    return Refusal(
        Reason.STORE_UNAVAILABLE,
        f"the store of the tasks does not answer ({cause}); nothing is lost, repeat the call",
        retry_after_s=RETRY_AFTER_S,
    )


class ShardDoor:
    """The way to one shard, for everybody but its owner.

    When its store does not answer, whoever comes is refused at once, and it is looked at again and
    again until it answers.

    Args:
        shard: Its number.
        queue: The shard.
        limits: What it holds at most.
        pending_max: Tasks that wait here for the store at most.
    """

    def __init__(self, shard: int, queue: TaskQueue, limits: Limits, *, pending_max: int) -> None:
        self.shard = shard
        self.queue = queue
        self._limits = limits
        self._pending_max = pending_max
        self._pending: deque[tuple[NewTask, asyncio.Future[Outcome]]] = deque()
        self._flights: set[asyncio.Task[None]] = set()
        self._due = False
        self._away = ""
        self._probe: asyncio.Task[None] | None = None

    @property
    def away(self) -> str:
        """Why the store is believed not to answer; "" while it does."""
        return self._away

    def check(self) -> None:
        """Raises MeshError while the store is away."""
        if self._away:
            raise MeshError(store_away(self._away))

    async def ask(self, question: Callable[[TaskQueue], Awaitable[T]]) -> T:
        """Asks the shard. Raises MeshError when its store is away."""
        self.check()
        try:
            return await question(self.queue)
        except StoreUnavailable as error:
            self._failed(error)
            raise MeshError(store_away(error)) from None

    async def records(self, task_ids: Sequence[str]) -> list[TaskRecord | None]:
        """Tasks by id. Raises MeshError when the store is away."""
        return await self.ask(lambda queue: queue.records(task_ids))

    def put(self, task: NewTask) -> "asyncio.Future[Outcome]":
        """Has a task stored, together with others that come now.

        Returns:
            Its outcome, or MeshError when the store is away.

        Raises:
            MeshError: The store is away, or too many wait for it.
        """
        self.check()
        if len(self._pending) >= self._pending_max:
            raise MeshError(
                Refusal(
                    Reason.OVERLOADED,
                    f"{len(self._pending)} tasks wait here to be stored",
                    retry_after_s=RETRY_AFTER_S,
                )
            )
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[Outcome] = loop.create_future()
        self._pending.append((task, outcome))
        if not self._due:
            self._due = True
            loop.call_soon(self._send)
        return outcome

    async def close(self) -> None:
        """Waits for what is under way, and stops looking."""
        if self._probe is not None:
            self._probe.cancel()
            with suppress(asyncio.CancelledError):
                await self._probe
        while self._flights:
            await asyncio.wait(self._flights)

    def _send(self) -> None:
        self._due = False
        # While one is under way, what comes gathers: a call costs as much as several of its tasks.
        while self._pending and (
            not self._flights
            or (len(self._pending) >= ENQUEUE_MAX and len(self._flights) < FLIGHTS_MAX)
        ):
            most = min(len(self._pending), ENQUEUE_MAX)
            batch = [self._pending.popleft() for _ in range(most)]
            flight = asyncio.create_task(self._fly(batch), name=f"enqueue-{self.shard}")
            self._flights.add(flight)
            flight.add_done_callback(self._landed)

    def _landed(self, flight: "asyncio.Task[None]") -> None:
        self._flights.discard(flight)
        if self._pending:
            self._send()

    async def _fly(self, batch: "Sequence[tuple[NewTask, asyncio.Future[Outcome]]]") -> None:
        try:
            outcomes = await self.queue.enqueue([task for task, _ in batch], self._limits)
        except StoreUnavailable as error:
            self._failed(error)
            _fail(batch, MeshError(store_away(error)))
        except Exception as error:
            _fail(batch, error)
            raise
        else:
            for (_, future), outcome in zip(batch, outcomes, strict=True):
                if not future.done():
                    future.set_result(outcome)

    def _failed(self, error: StoreUnavailable) -> None:
        if self._away:
            return
        self._away = str(error)
        _log.warning("store.away", shard=self.shard, reason=self._away)
        waiting, self._pending = self._pending, deque()
        _fail(waiting, MeshError(store_away(self._away)))
        self._probe = asyncio.create_task(self._look(), name=f"probe-{self.shard}")

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(PROBE_S)
            try:
                await self.queue.pauses()
            except StoreUnavailable as error:
                self._away = str(error)
            else:
                self._away = ""
                _log.info("store.back", shard=self.shard)
                return


def _fail(batch: "Iterable[tuple[NewTask, asyncio.Future[Outcome]]]", error: Exception) -> None:
    for _, future in batch:
        if not future.done():
            future.set_exception(error)
            # Whoever submitted may have left; nobody need hear of it then.
            future.exception()
