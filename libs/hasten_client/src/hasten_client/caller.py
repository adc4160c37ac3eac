# Generated from aio_caller.py by `make client`: change that file.
"""What the synchronous clients have in common: a connection, retries, one call."""

import time
from random import Random
from types import TracebackType
from typing import Self

import grpc

from hasten_client import channel, errors
from hasten_client.operations import AnswerT, Operation, Pairs, RequestT, ResponseT, Trailers
from hasten_client.request import Metadata, call_metadata, check_deadline
from hasten_client.retry import Attempts, RetryBudget, RetryPolicy
from hasten_client.transport import Transport, sleep


class Caller:
    """Calls a server of Hasten.

    It connects at the first call. Use it in `with`, or `close()` it. One client serves any
    number of threads at once; its calls share one retry budget.

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
        self._transport = Transport(address, credentials, options)
        self._retry = retry or RetryPolicy()
        self._budget = RetryBudget(self._retry)
        self._rng = Random()  # noqa: S311  (spreads retries in time)
        self._metadata = call_metadata(metadata, None)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends open calls and the connection. Idempotent."""
        self._transport.close()

    def _attempts(self, deadline_s: float | None) -> Attempts:
        """The attempts of one call."""
        return Attempts(
            self._retry, self._budget, self._rng, deadline_s=deadline_s, now_s=time.monotonic()
        )

    def _ask(
        self, operation: Operation[RequestT, ResponseT, AnswerT], deadline_s: float | None
    ) -> AnswerT:
        wire, _ = self._call(operation, check_deadline(deadline_s), ())
        return operation.answer(wire)

    def _call(
        self,
        operation: Operation[RequestT, ResponseT, AnswerT],
        deadline_s: float | None,
        metadata: Pairs,
    ) -> tuple[ResponseT, Trailers]:
        """Carries a call out, with retries; its response and trailing metadata."""
        attempts = self._attempts(deadline_s)
        while True:
            try:
                answered = self._transport.call(
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
            sleep(delay_s)
