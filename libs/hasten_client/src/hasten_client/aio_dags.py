"""The asyncio client of a scheduler's DAGs."""

import time

import grpc

from hasten_client import channel, dag_operations
from hasten_client.aio_caller import AsyncCaller
from hasten_client.dag_requests import Dag
from hasten_client.dag_views import DagPage, DagStatus, DagSubmitted
from hasten_client.errors import DeadlineExceeded
from hasten_client.request import Metadata, check_deadline
from hasten_client.retry import RetryPolicy

POLL_S = 30.0
"""Longest wait in one call; `wait` makes as many as it needs."""


class AsyncDagClient(AsyncCaller):
    """Submits DAGs to a scheduler and asks for them.

    It connects at the first call. Use it in `async with`, or `await close()` it. One client
    serves any number of tasks of one event loop at once; its calls share one retry budget.

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

    async def submit(self, dag: Dag, *, deadline_s: float | None = None) -> DagSubmitted:
        """Submits a DAG; when this returns, it is stored.

        Args:
            dag: What to submit. Give it a name, and a call that is repeated finds the first one.
            deadline_s: Longest wait for the answer.

        Raises:
            HastenError: A subclass that says why nothing of it is stored.
        """
        return await self._ask(dag_operations.submit(dag), deadline_s)

    async def get(
        self, name: str, *, tenant: str = "", deadline_s: float | None = None
    ) -> DagStatus:
        """A DAG as it is now, with its steps, and its outputs once it is done."""
        return await self._ask(dag_operations.get(name, tenant), deadline_s)

    async def wait(
        self, name: str, *, tenant: str = "", deadline_s: float | None = None
    ) -> DagStatus:
        """A DAG when it has ended; look at its `outputs` and `error`.

        Args:
            name: Names it.
            tenant: Its tenant.
            deadline_s: Longest wait; None for as long as it takes.

        Raises:
            DeadlineExceeded: It has not ended by then. It goes on.
        """
        check_deadline(deadline_s)
        ends_s = None if deadline_s is None else time.monotonic() + deadline_s
        while True:
            left_s = POLL_S if ends_s is None else ends_s - time.monotonic()
            if left_s <= 0:
                raise DeadlineExceeded(f"DAG {name!r} has not ended in {deadline_s:g} s")
            try:
                dag = await self._ask(dag_operations.wait(name, tenant), min(left_s, POLL_S))
            except DeadlineExceeded:
                continue
            if dag.ended:
                return dag

    async def page(
        self,
        *,
        tenant: str | None = None,
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> DagPage:
        """A page of DAGs, without steps and outputs.

        Args:
            tenant: Only this tenant's; None for all.
            page_size: Most DAGs; 0 for the scheduler's choice.
            page_token: Of the page before; "" for the first.
            deadline_s: Longest wait.
        """
        return await self._ask(dag_operations.page(tenant, page_size, page_token), deadline_s)

    async def cancel(self, name: str, *, tenant: str = "", deadline_s: float | None = None) -> str:
        """Ends a DAG and its tasks; returns its state before."""
        return await self._ask(dag_operations.cancel(name, tenant), deadline_s)
