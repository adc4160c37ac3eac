"""How the asyncio client reaches a server: its channel, one unary call, one stream."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterable
from contextlib import suppress
from typing import Any, TypeVar, cast

import grpc
from google.protobuf.message import Message

from hasten_client import channel, errors
from hasten_client.operations import (
    AnswerT,
    ItemT,
    Operation,
    Pairs,
    RequestT,
    ResponseT,
    Stream,
    Trailers,
)
from hasten_client.request import InferRequest

MethodT = TypeVar("MethodT")
Requests = Iterable[InferRequest] | AsyncIterable[InferRequest]
"""What a stream sends."""

sleep = asyncio.sleep
"""Waits so many seconds."""


class AsyncTransport:
    """The connection of one client, for the tasks of one event loop. Connects at the first call.

    Args:
        address: "host:port", or any gRPC target.
        credentials: TLS credentials; None for plaintext.
        options: gRPC channel options that are added to the client's own.
    """

    def __init__(
        self,
        address: str,
        credentials: grpc.ChannelCredentials | None,
        options: channel.Options,
    ) -> None:
        self._address = channel.check_address(address)
        self._credentials = credentials
        self._options = channel.options(address, options)
        self._open: grpc.aio.Channel | None = None
        self._methods: dict[str, Any] = {}

    async def close(self) -> None:
        """Ends open calls and the connection. Idempotent."""
        opened, self._open = self._open, None
        self._methods.clear()
        if opened is not None:
            await opened.close()

    async def call(
        self,
        operation: Operation[RequestT, ResponseT, AnswerT],
        *,
        timeout: float | None,  # noqa: ASYNC109  (travels as gRPC's deadline)
        metadata: Pairs,
    ) -> tuple[ResponseT, Trailers]:
        """One attempt of a unary call; its response and trailing metadata.

        Raises:
            HastenError: Why it has no answer.
        """
        method = cast(
            "grpc.aio.UnaryUnaryMultiCallable[RequestT, ResponseT]",
            self._method(
                operation.path,
                lambda opened: opened.unary_unary(
                    operation.path,
                    request_serializer=type(operation.request).SerializeToString,
                    response_deserializer=operation.response_type.FromString,
                ),
            ),
        )
        call = method(operation.request, timeout=timeout, metadata=metadata)
        try:
            return await call, dict(await call.trailing_metadata())
        except grpc.aio.AioRpcError as error:
            raise errors.from_rpc(error) from error

    async def stream(
        self,
        stream: Stream[ItemT, ResponseT],
        requests: Iterable[ItemT] | AsyncIterable[ItemT],
        *,
        timeout: float | None,  # noqa: ASYNC109  (travels as gRPC's deadline)
        metadata: Pairs,
    ) -> AsyncGenerator[ResponseT, None]:
        """Sends the requests over one stream and yields what comes back.

        Raises:
            HastenError: How the server ended the stream.
        """
        method = self._method(
            stream.path,
            lambda opened: opened.stream_stream(
                stream.path,
                request_serializer=_serialised,
                response_deserializer=stream.response_type.FromString,
            ),
        )
        call = method(timeout=timeout, metadata=metadata)
        sender = asyncio.create_task(_send(call, requests, stream.encode))
        try:
            async for wire in call:
                yield wire
            await sender
        except grpc.aio.AioRpcError as error:
            raise errors.from_rpc(error) from error
        finally:
            call.cancel()
            sender.cancel()
            await asyncio.wait({sender})

    def _method(self, path: str, make: Callable[[grpc.aio.Channel], MethodT]) -> MethodT:
        """A method of the channel, made once; opens the channel at the first use."""
        known = self._methods.get(path)
        if known is None:
            if self._open is None:
                self._open = (
                    grpc.aio.insecure_channel(self._address, options=self._options)
                    if self._credentials is None
                    else grpc.aio.secure_channel(
                        self._address, self._credentials, options=self._options
                    )
                )
            known = self._methods[path] = make(self._open)
        return cast("MethodT", known)


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()


async def _send(
    call: grpc.aio.StreamStreamCall[Message, ResponseT],
    requests: Iterable[ItemT] | AsyncIterable[ItemT],
    encode: Callable[[ItemT], Message],
) -> None:
    """Writes the requests, then closes this side of the stream. Raises what they raise."""
    try:
        if isinstance(requests, AsyncIterable):
            async for request in requests:
                await call.write(encode(request))
        else:
            for request in requests:
                await call.write(encode(request))
    except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
        return  # The stream has ended: its reader hears why.
    finally:
        if not call.done():
            with suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                await call.done_writing()
