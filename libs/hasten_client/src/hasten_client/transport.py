"""How the synchronous client reaches a server: its channel, one unary call, one stream."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
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
Requests = Iterable[InferRequest]
"""What a stream sends."""

sleep = time.sleep
"""Waits so many seconds."""


class Transport:
    """The connection of one client, for any number of threads. Connects at the first call.

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
        self._open: grpc.Channel | None = None
        self._methods: dict[str, Any] = {}
        self._opening = threading.Lock()

    def close(self) -> None:
        """Ends open calls and the connection. Idempotent."""
        with self._opening:
            opened, self._open = self._open, None
            self._methods.clear()
        if opened is not None:
            opened.close()

    def call(
        self,
        operation: Operation[RequestT, ResponseT, AnswerT],
        *,
        timeout: float | None,
        metadata: Pairs,
    ) -> tuple[ResponseT, Trailers]:
        """One attempt of a unary call; its response and trailing metadata.

        Raises:
            HastenError: Why it has no answer.
        """
        method = cast(
            "grpc.UnaryUnaryMultiCallable[RequestT, ResponseT]",
            self._method(
                operation.path,
                lambda opened: opened.unary_unary(
                    operation.path,
                    request_serializer=type(operation.request).SerializeToString,
                    response_deserializer=operation.response_type.FromString,
                ),
            ),
        )
        try:
            response, call = method.with_call(operation.request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise _typed(error) from error
        return response, dict(call.trailing_metadata())

    def stream(
        self,
        stream: Stream[ItemT, ResponseT],
        requests: Iterable[ItemT],
        *,
        timeout: float | None,
        metadata: Pairs,
    ) -> Generator[ResponseT, None, None]:
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
        failures: list[Exception] = []
        call = method(
            _messages(requests, stream.encode, failures), timeout=timeout, metadata=metadata
        )
        try:
            yield from call
        except grpc.RpcError as error:
            raise _typed(error) from error
        finally:
            call.cancel()
        if failures:
            raise failures[0]

    def _method(self, path: str, make: Callable[[grpc.Channel], MethodT]) -> MethodT:
        """A method of the channel, made once; opens the channel at the first use."""
        known = self._methods.get(path)
        if known is None:
            with self._opening:
                if self._open is None:
                    self._open = (
                        grpc.insecure_channel(self._address, options=self._options)
                        if self._credentials is None
                        else grpc.secure_channel(
                            self._address, self._credentials, options=self._options
                        )
                    )
                known = self._methods[path] = make(self._open)
        return cast("MethodT", known)


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()


def _messages(
    requests: Iterable[ItemT], encode: Callable[[ItemT], Message], failures: list[Exception]
) -> Iterator[Message]:
    """The requests as they travel; ends at the first that cannot be sent and keeps the reason.

    gRPC reads it in a thread of its own, where an exception would only be logged.
    """
    try:
        for request in requests:
            yield encode(request)
    except Exception as error:  # noqa: BLE001  (raised to the caller by the reader)
        failures.append(error)


def _typed(failed: grpc.RpcError) -> errors.HastenError:
    # What gRPC raises from a call is an RpcError that is also a Call; its stubs do not say so.
    return errors.from_rpc(cast("errors.FailedCall", failed))
