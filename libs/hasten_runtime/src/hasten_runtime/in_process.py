"""The RPCs of a front called in its own process, for fronts that speak another protocol.

What gRPC does around a method is done here too: interceptors, the door in front, refusals. So a
call that came by another protocol is decided on, counted and traced like every other.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, NoReturn, cast

import grpc
import grpc.aio

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError, Trailers, refusal_from_status
from hasten_runtime.handlers import Context, Handler, RefusalInterceptor, behaviour_of
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.protocol_names import INFERENCE_SERVICE

_LOST: Final = Refusal(Reason.INTERNAL, "the method ended without a response")
Pairs = tuple[tuple[str, str], ...]


class CallDetails(NamedTuple):
    """What interceptors are told of a call, as gRPC's own class of the kind."""

    method: str
    invocation_metadata: Pairs


class InProcessContext:
    """The part of `grpc.aio.ServicerContext` that the methods use.

    Args:
        metadata: Of the request, with keys in lower case.
        deadline_s: On the clock of `now_s`; None for none.
        now_s: The clock.
        read: Gives the request, for a method with a door in front.
    """

    def __init__(
        self,
        metadata: Pairs,
        deadline_s: float | None,
        now_s: Callable[[], float],
        read: Callable[[], Awaitable[bytes]],
    ) -> None:
        self._metadata = metadata
        self._deadline_s = deadline_s
        self._now_s = now_s
        self.read = read
        self.trailing: Trailers = ()
        self.refusal: Refusal | None = None
        self._code: grpc.StatusCode | None = None

    def invocation_metadata(self) -> Pairs:
        """Of the request."""
        return self._metadata

    def time_remaining(self) -> float | None:
        """Seconds until the caller's deadline; None when it gave none."""
        return None if self._deadline_s is None else self._deadline_s - self._now_s()

    def set_trailing_metadata(self, trailing: Trailers) -> None:
        """To go with the response."""
        self.trailing = trailing

    def code(self) -> grpc.StatusCode | None:
        """With which the call was aborted; None where it was not."""
        return self._code

    async def abort(
        self, code: grpc.StatusCode, details: str = "", trailing_metadata: Trailers = ()
    ) -> NoReturn:
        """Ends the call with a refusal."""
        self._code = code
        self.refusal = refusal_from_status(code, details, trailing_metadata)
        raise grpc.aio.AbortError


class InProcessCalls:
    """The inference service, called without a wire.

    Args:
        handlers: RPC name to handler.
        interceptors: Around every call, outermost first.
        limit: On requests that the handlers parse.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        interceptors: Sequence[grpc.aio.ServerInterceptor],
        limit: MessageLimit,
    ) -> None:
        self._handlers = {f"/{INFERENCE_SERVICE}/{name}": each for name, each in handlers.items()}
        find: Callable[[Any], Awaitable[Handler | None]] = self._find
        for interceptor in reversed((*interceptors, RefusalInterceptor(limit))):
            find = _around(interceptor, find)
        self._intercepted = find

    async def call(self, rpc: str, request: bytes, context: InProcessContext) -> Any:  # noqa: ANN401  (a message, or bytes)
        """What the method answers: a message, or bytes where it gives bytes.

        Args:
            rpc: Its name.
            request: A serialised message; of no use to a method with a door, which reads.
            context: Of this call, and of no other.

        Raises:
            MeshError: It is refused.
        """
        details = CallDetails(f"/{INFERENCE_SERVICE}/{rpc}", context.invocation_metadata())
        handler = await self._intercepted(details)
        assert handler is not None, "the innermost interceptor finds one"  # noqa: S101
        response = await behaviour_of(handler)(request, cast("Context", context))
        if context.refusal is not None:
            raise MeshError(context.refusal)
        if response is None:
            raise MeshError(_LOST)
        return response

    async def _find(self, details: CallDetails) -> Handler | None:
        return self._handlers.get(details.method)


def _around(
    interceptor: grpc.aio.ServerInterceptor, find: Callable[[Any], Awaitable[Handler | None]]
) -> Callable[[Any], Awaitable[Handler | None]]:
    async def found(details: CallDetails) -> Handler | None:
        handler: Handler | None = await interceptor.intercept_service(
            cast("Any", find), cast("grpc.HandlerCallDetails", details)
        )
        return handler

    return found
