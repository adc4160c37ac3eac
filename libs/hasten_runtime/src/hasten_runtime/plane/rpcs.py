"""Calls of the plane that are answered by handlers, as grpc.aio would call these."""

import asyncio
import inspect
from collections.abc import AsyncIterator
from typing import Any

import grpc
import grpc.aio

from hasten_plane import Message
from hasten_runtime import logs
from hasten_runtime.errors import MeshError, abort
from hasten_runtime.front_door import NO_REQUEST
from hasten_runtime.handlers import Handler, behaviour_of
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.plane.context import Home, Pairs, PlaneContext
from hasten_runtime.plane.table import HandlerTable

_log = logs.logger(__name__)


class Rpcs:
    """Runs a task for each call.

    Args:
        home: Drives the plane.
        table: Where the handlers are.
        limit: On messages.
    """

    def __init__(self, home: Home, table: HandlerTable, limit: MessageLimit) -> None:
        self._home = home
        self._table = table
        self._limit = limit
        self._open: dict[int, tuple[PlaneContext, asyncio.Task[None]]] = {}

    def begin(
        self,
        call_id: int,
        details: grpc.HandlerCallDetails,
        metadata: Pairs,
        *,
        left_s: float | None,
        peer: str,
        first: bytes | None = None,
    ) -> None:
        """Serves a call.

        Args:
            call_id: The plane's name for it.
            details: What interceptors are told.
            metadata: The caller's.
            left_s: Seconds until its deadline; None without one.
            peer: Who calls.
            first: Its first message, when it is there already.
        """
        context = PlaneContext(
            self._home,
            call_id,
            metadata=metadata,
            left_s=left_s,
            peer=peer,
            limit=self._limit,
            first=first,
        )
        serving = asyncio.get_running_loop().create_task(self._serve(call_id, details, context))
        self._open[call_id] = (context, serving)

    def came(self, message: Message) -> None:
        """A message that a handler reads for."""
        found = self._open.get(message.call_id)
        if found is not None:
            found[0].came(message)

    def drained(self, call_id: int) -> None:
        """The client has taken what was written."""
        found = self._open.get(call_id)
        if found is not None:
            found[0].drained()

    def gone(self, call_id: int) -> bool:
        """Nobody waits for this call: its handler is cancelled. False when it is none of these."""
        found = self._open.pop(call_id, None)
        if found is None:
            return False
        context, serving = found
        context.forget()
        serving.cancel()
        return True

    async def end(self) -> None:
        """Cancels what still runs, and waits for that."""
        tasks = [serving for _, serving in self._open.values()]
        for call_id in tuple(self._open):
            self.gone(call_id)
        if tasks:
            await asyncio.wait(tasks)

    async def _serve(
        self, call_id: int, details: grpc.HandlerCallDetails, context: PlaneContext
    ) -> None:
        try:
            handler = await self._table.find(details)
            if handler is None:
                context.set_code(grpc.StatusCode.UNIMPLEMENTED)
            else:
                await _answer(handler, context)
        except grpc.aio.AbortError:
            pass
        except Exception as error:  # noqa: BLE001  (no handler may end the service)
            _log.error("rpc.crashed", method=str(details.method), exc_info=error)
            context.set_code(grpc.StatusCode.UNKNOWN)
            context.set_details(f"Unexpected {type(error)}")
        finally:
            self._open.pop(call_id, None)
        context.finish()


async def _answer(handler: Handler, context: PlaneContext) -> None:
    parse = handler.request_deserializer
    context.speaks(
        parse if handler.request_streaming else None,
        handler.response_serializer,
    )
    request: Any
    if handler.request_streaming:
        request = _messages(context)
    else:
        try:
            data = await context.read()
        except MeshError as error:
            await abort(context, error.refusal)
        if data is grpc.aio.EOF:
            await abort(context, NO_REQUEST)
        request = data if parse is None else parse(data)
    behaviour = behaviour_of(handler)
    if inspect.isasyncgenfunction(behaviour):
        async for response in behaviour(request, context):
            await context.write(response)
        return
    if inspect.iscoroutinefunction(behaviour):
        response = await behaviour(request, context)
    else:  # On a thread, as grpc.aio has it; of its context such a handler may ask nothing.
        response = await asyncio.to_thread(behaviour, request, context)
    # Whoever waited may have gone while the handler came to its end.
    if not (handler.response_streaming or context.done()):
        await context.write(response)


async def _messages(context: PlaneContext) -> AsyncIterator[Any]:
    while True:
        message = await context.read()
        if message is grpc.aio.EOF:
            return
        yield message
