"""Callers that come while a call is under way share the next one."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Sequence
from typing import Generic, TypeVar

Context = TypeVar("Context", bound=Hashable)
Item = TypeVar("Item")
Result = TypeVar("Result")


class Gathering(Generic[Context, Item, Result]):
    """One call at a time for each context; what comes meanwhile goes together (group commit).

    A call of one task costs the server nearly as much as one of ten, and a sync as much as one of a
    hundred. A caller who is alone waits for nobody.

    Args:
        send: Sends items of one context, at most `most`; a result for each, in order.
        most: Items of one call.
    """

    def __init__(
        self, send: Callable[[Context, list[Item]], Awaitable[list[Result]]], *, most: int
    ) -> None:
        self._send = send
        self._most = most
        self._waiting: dict[
            Context, deque[tuple[Sequence[Item], asyncio.Future[list[Result]]]]
        ] = {}
        self._senders: set[asyncio.Task[None]] = set()

    async def call(self, context: Context, items: Sequence[Item]) -> list[Result]:
        """The results of these items, at most `most`; raises what `send` raised for all that went
        with them.
        """
        if len(items) > self._most // 2:
            return await self._send(context, list(items))
        future: asyncio.Future[list[Result]] = asyncio.get_running_loop().create_future()
        waiting = self._waiting.get(context)
        if waiting is not None:
            waiting.append((items, future))
        else:
            self._waiting[context] = deque([(items, future)])
            # A task of its own: whoever came first may be cancelled, and the others not.
            sender = asyncio.create_task(self._send_all(context))
            self._senders.add(sender)
            sender.add_done_callback(self._senders.discard)
        return await future

    async def _send_all(self, context: Context) -> None:
        waiting = self._waiting[context]
        while waiting:
            group = [waiting.popleft()]
            count = len(group[0][0])
            while waiting and count + len(waiting[0][0]) <= self._most:
                group.append(waiting.popleft())
                count += len(group[-1][0])
            await self._send_group(context, group)
        del self._waiting[context]

    async def _send_group(
        self, context: Context, group: list[tuple[Sequence[Item], asyncio.Future[list[Result]]]]
    ) -> None:
        wanted = [(items, future) for items, future in group if not future.done()]
        if not wanted:
            return
        try:
            results = await self._send(context, [item for items, _ in wanted for item in items])
        except Exception as error:  # noqa: BLE001  (whatever it is, it is the callers')
            for _, future in wanted:
                if not future.done():
                    future.set_exception(error)
            return
        start = 0
        for items, future in wanted:
            if not future.done():
                future.set_result(results[start : start + len(items)])
            start += len(items)
