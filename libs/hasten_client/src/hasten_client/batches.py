# Generated from aio_batches.py by `make client`: change that file.
"""The synchronous client of a scheduler's batches, and of its callbacks."""

import time
from collections.abc import Generator, Sequence
from contextlib import closing
from pathlib import Path

import grpc

from hasten_client import batch_operations, batch_views, channel
from hasten_client.batch_operations import NewBatch
from hasten_client.batch_views import Batch, BatchLine, BatchPage, CallbackPage
from hasten_client.caller import Caller
from hasten_client.errors import DeadlineExceeded, HastenError, InvalidResponse
from hasten_client.request import Metadata, check_deadline
from hasten_client.retry import RetryPolicy
from hasten_client.transport import sleep

LOOK_S_MIN = 0.05
LOOK_S_MAX = 2.0
"""Pauses of `wait` between two looks; they grow."""


class BatchClient(Caller):
    """Sends batches to a scheduler, watches them and reads their results.

    It connects at the first call. Use it in `with`, or `close()` it. One client serves any
    number of threads at once; its calls share one retry budget.

    Args:
        address: "host:port", or any gRPC target, of a scheduler.
        credentials: TLS credentials; None for plaintext.
        retry: When to retry; `RetryPolicy(attempts_max=1)` never does.
        metadata: gRPC metadata of every call.
        options: gRPC channel options that are added to the client's own.
    """

    def __init__(
        self,
        address: str = "localhost:8003",
        *,
        credentials: grpc.ChannelCredentials | None = None,
        retry: RetryPolicy | None = None,
        metadata: Metadata | None = None,
        options: channel.Options = (),
    ) -> None:
        super().__init__(
            address, credentials=credentials, retry=retry, metadata=metadata, options=options
        )

    def create(self, batch: NewBatch, *, deadline_s: float | None = None) -> Batch:
        """Creates a batch; deadline_s is the call's own. One with a URI runs at once.

        Raises:
            HastenError: A subclass that says why there is none.
        """
        return self._ask(batch_operations.create(batch), deadline_s)

    def upload(self, batch_id: str, source: Path | bytes, *, tenant: str = "") -> Batch:
        """Brings the lines of a batch; when this returns, it runs.

        What has come before, of this call or an earlier one, is not sent again, also after a
        stream that broke.

        Args:
            batch_id: Names the batch.
            source: The lines: a file, or the bytes themselves.
            tenant: The batch's tenant.

        Raises:
            HastenError: Why it does not run.
        """
        attempts = self._attempts(None)
        offset = -1
        while True:
            try:
                batch = self.get(batch_id, tenant=tenant)
                if batch.state != "uploading":
                    return batch
                if batch.uploaded_bytes > offset:
                    offset = batch.uploaded_bytes
                    attempts = self._attempts(None)
                return self._upload_from(batch.uploaded_bytes, batch_id, source, tenant)
            except HastenError as error:
                delay_s = attempts.retry_delay_s(error, now_s=time.monotonic())
                if delay_s is None:
                    raise
            sleep(delay_s)

    def _upload_from(self, offset: int, batch_id: str, source: Path | bytes, tenant: str) -> Batch:
        wires = self._transport.stream(
            batch_operations.UPLOAD,
            batch_operations.pieces(batch_id, tenant, source, offset),
            timeout=None,
            metadata=self._metadata,
        )
        with closing(wires):
            for wire in wires:
                return batch_views.batch(wire.batch)
        raise InvalidResponse("the upload ended without an answer")

    def get(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Batch:
        """A batch as it is now."""
        return self._ask(batch_operations.get(batch_id, tenant), deadline_s)

    def wait(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Batch:
        """A batch when it has ended; look at its `state` and counts.

        Raises:
            DeadlineExceeded: It has not ended by then. It goes on.
        """
        check_deadline(deadline_s)
        pause_s = LOOK_S_MIN
        ends_s = None if deadline_s is None else time.monotonic() + deadline_s
        while True:
            batch = self.get(batch_id, tenant=tenant)
            if batch.ended:
                return batch
            if ends_s is not None and time.monotonic() + pause_s > ends_s:
                raise DeadlineExceeded(f"batch {batch_id!r} has not ended in {deadline_s:g} s")
            sleep(pause_s)
            pause_s = min(1.5 * pause_s, LOOK_S_MAX)

    def page(
        self,
        *,
        tenant: str | None = None,
        states: Sequence[str] = (),
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> BatchPage:
        """A page of batches.

        Args:
            tenant: Only this tenant's; None for all.
            states: Only in one of these states; none for all.
            page_size: Most batches; 0 for the scheduler's choice.
            page_token: Of the page before; "" for the first.
            deadline_s: Longest wait.
        """
        return self._ask(batch_operations.page(tenant, states, page_size, page_token), deadline_s)

    def results(
        self,
        batch_id: str,
        *,
        tenant: str = "",
        position: int = 0,
        kind: str = "all",
        follow: bool = True,
    ) -> Generator[BatchLine, None, None]:
        """Lines of results in their order. A stream that breaks goes on where it was.

        Args:
            batch_id: Names the batch.
            tenant: Its tenant.
            position: The first line that is wanted, counted from zero.
            kind: all, answers or errors.
            follow: Wait for more until the batch has ended; else end at the first line that is not
                there yet.
        """
        attempts = self._attempts(None)
        while True:
            request = batch_operations.reading(batch_id, tenant, position, kind, follow=follow)
            wires = self._transport.stream(
                batch_operations.READ, (request,), timeout=None, metadata=self._metadata
            )
            try:
                with closing(wires):
                    for wire in wires:
                        attempts = self._attempts(None)
                        for line in batch_views.lines(wire):
                            position = line.line + 1
                            yield line
                        position = wire.position
            except HastenError as error:
                delay_s = attempts.retry_delay_s(error, now_s=time.monotonic())
                if delay_s is None:
                    raise
            else:
                return
            sleep(delay_s)

    def pause(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Batch:
        """Gives no more lines to the queue."""
        return self._ask(batch_operations.pause(batch_id, tenant), deadline_s)

    def resume(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Batch:
        """Goes on with a batch that is paused."""
        return self._ask(batch_operations.resume(batch_id, tenant), deadline_s)

    def cancel(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> Batch:
        """Ends a batch; what is done is kept."""
        return self._ask(batch_operations.cancel(batch_id, tenant), deadline_s)

    def delete(self, batch_id: str, *, tenant: str = "", deadline_s: float | None = None) -> None:
        """Throws away the lines and results of a batch that has ended."""
        self._ask(batch_operations.delete(batch_id, tenant), deadline_s)

    def callbacks(
        self,
        *,
        tenant: str | None = None,
        states: Sequence[str] = (),
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> CallbackPage:
        """A page of callbacks of tasks and batches; arguments as those of `page`."""
        return self._ask(
            batch_operations.callbacks(tenant, states, page_size, page_token), deadline_s
        )

    def retry_callbacks(
        self, event_ids: Sequence[str], *, tenant: str = "", deadline_s: float | None = None
    ) -> tuple[str, ...]:
        """Tells dead callbacks again, as if they were new; which of these were dead."""
        return self._ask(batch_operations.retry_callbacks(event_ids, tenant), deadline_s)
