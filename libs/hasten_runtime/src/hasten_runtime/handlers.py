"""What every handler of the mesh gets for free: bad bytes and refusals become statuses.

Without this, a message that cannot be parsed or an exception in a handler reaches the client as
UNKNOWN with the text of a Python exception.
"""

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, NoReturn, cast

import grpc
from google.protobuf.message import DecodeError

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors, logs
from hasten_runtime.message_limit import MessageLimit
from hasten_runtime.protocol_names import INFERENCE_SERVICE, PRIVATE_INFERENCE_SERVICE

HANDLERS_MAX: Final = 256
"""Handlers whose guarded form is remembered; more than all methods of all services."""
METHOD_CHARS_MAX: Final = 200
"""Of a method's name that a caller made up, so much is said back."""

if TYPE_CHECKING:  # Generic for the type checker only.
    Handler = grpc.RpcMethodHandler[Any, Any]
else:
    Handler = grpc.RpcMethodHandler
Context = grpc.aio.ServicerContext[Any, Any]
Parse = Callable[[bytes], Any]
Behaviour = Callable[[Any, Context], Any]

_log = logs.logger(__name__)


def behaviour_of(handler: Handler) -> Behaviour:
    """The function that answers the calls, whichever of the four kinds it is."""
    return cast(
        "Behaviour",
        handler.unary_unary
        or handler.unary_stream
        or handler.stream_unary
        or handler.stream_stream,
    )


def with_behaviour(handler: Handler, behaviour: Behaviour, *, parses: bool = False) -> Handler:
    """The same method, answered by another function of the same kind.

    Args:
        handler: The method.
        behaviour: The function.
        parses: It takes the request as bytes.
    """
    if handler.request_streaming:
        make: Callable[..., Handler] = (
            grpc.stream_stream_rpc_method_handler
            if handler.response_streaming
            else grpc.stream_unary_rpc_method_handler
        )
    elif handler.response_streaming:
        make = grpc.unary_stream_rpc_method_handler
    else:
        make = grpc.unary_unary_rpc_method_handler
    return make(
        behaviour,
        request_deserializer=None if parses else handler.request_deserializer,
        response_serializer=handler.response_serializer,
    )


class RefusalInterceptor(grpc.aio.ServerInterceptor):
    """Turns `MeshError`, and whatever else a handler raises, into a refusal's status.

    Args:
        limit: On requests; none is looked at when None.
    """

    def __init__(self, limit: MessageLimit | None = None) -> None:
        self._limit = limit
        # By identity of the inner handler, as services hand out the same one for every call;
        # it is kept, so that its identity is not given to another.
        self._guarded: dict[int, tuple[Handler, Handler]] = {}

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        """The inner handler, guarded; one that refuses where there is none."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return _nowhere(str(handler_call_details.method))
        known = self._guarded.get(id(handler))
        if known is not None:
            return known[1]
        guarded = guard(handler, str(handler_call_details.method), self._limit)
        if len(self._guarded) < HANDLERS_MAX:
            self._guarded[id(handler)] = (handler, guarded)
        return guarded


def _nowhere(method: str) -> Handler:
    async def refuse(_: object, __: Context) -> None:
        refusal = Refusal(Reason.UNIMPLEMENTED, _unknown(method[:METHOD_CHARS_MAX]))
        raise errors.MeshError(refusal)

    # As a stream, so that nothing of what the caller sends need be read first.
    return guard(grpc.stream_stream_rpc_method_handler(refuse), method)


def _unknown(method: str) -> str:
    service, _, name = method.removeprefix("/").rpartition("/")
    if service != PRIVATE_INFERENCE_SERVICE:
        return f"there is no method {method}"
    public = f"/{INFERENCE_SERVICE}/{name}"
    return f"there is no method {method}: call {public}, by stubs of protos/inference"


def guard(handler: Handler, method: str, limit: MessageLimit | None = None) -> Handler:
    """The handler, its exceptions told as refusals; one that runs on a thread stays as it is.

    Args:
        handler: The method.
        method: Its full name, for the log.
        limit: On a single request; the messages of a stream are the method's own business.
    """
    behaviour = behaviour_of(handler)
    parse = None if handler.request_streaming else _parser(handler.request_deserializer, limit)
    guarded: Behaviour
    if inspect.isasyncgenfunction(behaviour):

        async def guarded_stream(request: Any, context: Context) -> AsyncIterator[Any]:  # noqa: ANN401  (any message)
            try:
                async for response in behaviour(parse(request) if parse else request, context):
                    yield response
            except Exception as error:  # noqa: BLE001  (all are told, none is swallowed)
                await _tell(error, context, method)

        guarded = guarded_stream
    elif inspect.iscoroutinefunction(behaviour):

        async def guarded_call(request: Any, context: Context) -> Any:  # noqa: ANN401  (any message)
            try:
                return await behaviour(parse(request) if parse else request, context)
            except Exception as error:  # noqa: BLE001  (all are told, none is swallowed)
                await _tell(error, context, method)

        guarded = guarded_call
    else:
        return handler
    return with_behaviour(handler, guarded, parses=parse is not None)


def _parser(parse: Parse | None, limit: MessageLimit | None) -> Parse | None:
    """The parser, which looks at the size first. A method that takes bytes looks by itself, as it
    counts what it refuses.
    """
    if limit is None or parse is None:
        return parse

    def checked(request: bytes) -> Any:  # noqa: ANN401  (any message)
        limit.check(request)
        return parse(request)

    return checked


async def _tell(error: Exception, context: Context, method: str) -> None:
    """Ends the call with what the exception means; the handler then just returns.

    gRPC keeps the exception of an abort with the call, and raises the exception again when the
    handler has returned. With its traceback the exception would hold the handlers' frames, and
    those the call: a ring that keeps the request until a collection finds the ring.
    """
    try:
        await _abort(error, context, method)
    except grpc.aio.AbortError as abort:
        abort.__traceback__ = abort.__context__ = None


async def _abort(error: Exception, context: Context, method: str) -> NoReturn:
    if isinstance(error, grpc.aio.BaseError):  # An abort, or a caller that has gone: as it is.
        raise error
    if isinstance(error, errors.MeshError):
        refusal = error.refusal
    elif isinstance(error, DecodeError):
        refusal = Refusal(Reason.INVALID_REQUEST, f"{method}: the bytes are no such message")
    else:
        _log.error("rpc.crashed", method=method, exc_info=error)
        refusal = Refusal(Reason.INTERNAL, f"{method} failed unexpectedly; the log says how")
    await errors.abort(cast("errors.Aborting", context), refusal)
