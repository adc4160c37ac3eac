"""A channel whose RPCs are traced.

It wraps a channel instead of intercepting its RPCs: for any interceptor, gRPC puts a task around
each unary RPC and a queue in front of each stream. Here the caller gets gRPC's own call, with
headers added on its way in and, when it is recorded, a callback at its end.
"""

from functools import partial
from types import TracebackType
from typing import Any, Self

import grpc

from hasten_runtime.telemetry.client import ClientTracing, end_with, never_begun
from hasten_runtime.telemetry.spans import UNTRACED


class TracedChannel(grpc.aio.Channel):
    """Stands in for the channel that it wraps, also for generated stubs."""

    def __init__(self, channel: grpc.aio.Channel, tracing: ClientTracing) -> None:
        self._channel = channel
        self._tracing = tracing

    def unary_unary(
        self,
        method: str,
        *args: Any,  # noqa: ANN401  (as gRPC has them)
        **options: Any,  # noqa: ANN401  (as gRPC has them)
    ) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        """The wrapped channel's method, traced."""
        made = self._channel.unary_unary(method, *args, **options)
        return made if method.startswith(UNTRACED) else _UnaryUnary(made, method, self._tracing)

    def unary_stream(
        self,
        method: str,
        *args: Any,  # noqa: ANN401  (as gRPC has them)
        **options: Any,  # noqa: ANN401  (as gRPC has them)
    ) -> grpc.aio.UnaryStreamMultiCallable[Any, Any]:
        """The wrapped channel's method, traced."""
        made = self._channel.unary_stream(method, *args, **options)
        return made if method.startswith(UNTRACED) else _UnaryStream(made, method, self._tracing)

    def stream_unary(
        self,
        method: str,
        *args: Any,  # noqa: ANN401  (as gRPC has them)
        **options: Any,  # noqa: ANN401  (as gRPC has them)
    ) -> grpc.aio.StreamUnaryMultiCallable[Any, Any]:
        """The wrapped channel's method, traced."""
        made = self._channel.stream_unary(method, *args, **options)
        return made if method.startswith(UNTRACED) else _StreamUnary(made, method, self._tracing)

    def stream_stream(
        self,
        method: str,
        *args: Any,  # noqa: ANN401  (as gRPC has them)
        **options: Any,  # noqa: ANN401  (as gRPC has them)
    ) -> grpc.aio.StreamStreamMultiCallable[Any, Any]:
        """The wrapped channel's method, traced."""
        made = self._channel.stream_stream(method, *args, **options)
        return made if method.startswith(UNTRACED) else _StreamStream(made, method, self._tracing)

    async def __aenter__(self) -> Self:
        await self._channel.__aenter__()
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        return await self._channel.__aexit__(exc_type, exc_val, exc_tb)

    async def close(self, grace: float | None = None) -> None:
        """Closes the wrapped channel; RPCs that run are given grace seconds."""
        await self._channel.close(grace)

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:  # noqa: FBT001, FBT002  (gRPC's)
        """The wrapped channel's state."""
        return self._channel.get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Waits until the wrapped channel is in another state than this."""
        await self._channel.wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Waits until the wrapped channel is connected."""
        await self._channel.channel_ready()


class _Method:
    def __init__(self, made: Any, method: str, tracing: ClientTracing) -> None:  # noqa: ANN401  (one of four kinds)
        self._made = made
        self._name = method.removeprefix("/")
        self._tracing = tracing
        self._attributes = tracing.attributes_of(self._name)

    def call(self, *args: Any, metadata: Any = None, **options: Any) -> Any:  # noqa: ANN401  (as gRPC has them)
        headers, span = self._tracing.begin(self._name, self._attributes, metadata)
        if span is None:
            return self._made(*args, metadata=headers, **options)
        try:
            call = self._made(*args, metadata=headers, **options)
        except BaseException as error:
            never_begun(span, error)
            raise
        call.add_done_callback(partial(end_with, span))
        return call


class _UnaryRequest(_Method):
    __call__ = _Method.call


class _StreamRequest(_Method):
    def __call__(  # All by position too, as gRPC has them.
        self,
        request_iterator: Any = None,  # noqa: ANN401  (as gRPC has it)
        timeout: float | None = None,
        metadata: Any = None,  # noqa: ANN401  (as gRPC has it)
        credentials: grpc.CallCredentials | None = None,
        wait_for_ready: bool | None = None,  # noqa: FBT001  (as gRPC has it)
        compression: grpc.Compression | None = None,
    ) -> Any:  # noqa: ANN401  (one of two kinds)
        return self.call(
            request_iterator,
            timeout=timeout,
            metadata=metadata,
            credentials=credentials,
            wait_for_ready=wait_for_ready,
            compression=compression,
        )


class _UnaryUnary(_UnaryRequest, grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    pass


class _UnaryStream(_UnaryRequest, grpc.aio.UnaryStreamMultiCallable[Any, Any]):
    pass


class _StreamUnary(_StreamRequest, grpc.aio.StreamUnaryMultiCallable[Any, Any]):
    pass


class _StreamStream(_StreamRequest, grpc.aio.StreamStreamMultiCallable[Any, Any]):
    pass
