"""What the asyncio clients have in common: a connection, retries, one call."""

import time
from random import Random
from types import TracebackType
from typing import Self

import grpc

from hasten_client import channel, errors
from hasten_client.operations import AnswerT, Operation, Pairs, RequestT, ResponseT, Trailers
from hasten_client.request import Metadata, call_metadata, check_deadline
from hasten_client.retry import Attempts, RetryBudget, RetryPolicy
from hasten_client.transport_aio import AsyncTransport, sleep


class AsyncCaller:
    """Calls a server of Hasten.

    It connects at the first call. Use it in `async with`, or `await close()` it. One client
    serves any number of tasks of one event loop at once; its calls share one retry budget.

    Args:
        address: "host:port", or any gRPC target.
        credentials: TLS credentials; None for plaintext.
        retry: When to retry; `RetryPolicy(attempts_max=1)` never does.
        metadata: gRPC metadata of every call.
        options: gRPC channel options that are added to the client's own.
    """

    def __init__(
        self,
        address: str,
        *,
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy | None = None,
        metadata: Metadata | None = None,
        options: channel.Options = (),
    ) -> None:
        self.address = address
        self._transport = AsyncTransport(address, credentials, options)
        self._retry = retry or RetryPolicy()
        self._budget = RetryBudget(self._retry)
        self._rng = Random()  # noqa: S311  (spreads retries in time)
        self._metadata = call_metadata(metadata, None)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Ends open calls and the connection. Idempotent."""
        await self._transport.close()

    def _attempts(self, deadline_s: float | None) -> Attempts:
        """The attempts of one call."""
        return Attempts(
            self._retry, self._budget, self._rng, deadline_s=deadline_s, now_s=time.monotonic()
        )

    async def _ask(
        self, operation: Operation[RequestT, ResponseT, AnswerT], deadline_s: float | None
    ) -> AnswerT:
        wire, _ = await self._call(operation, check_deadline(deadline_s), ())
        return operation.answer(wire)

    async def _call(
        self,
        operation: Operation[RequestT, ResponseT, AnswerT],
        deadline_s: float | None,
        metadata: Pairs,
    ) -> tuple[ResponseT, Trailers]:
        """Carries a call out, with retries; its response and trailing metadata."""
        attempts = self._attempts(deadline_s)
        while True:
            try:
                answered = await self._transport.call(
                    operation,
                    timeout=attempts.time_left_s(time.monotonic()),
                    metadata=(*self._metadata, *metadata),
                )
            except errors.HastenError as error:
                delay_s = attempts.retry_delay_s(error, now_s=time.monotonic())
                if delay_s is None:
                    raise
            else:
                attempts.succeeded()
                return answered
            await sleep(delay_s)
