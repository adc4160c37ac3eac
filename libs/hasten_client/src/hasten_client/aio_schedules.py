"""The asyncio client of a scheduler's schedules."""

from datetime import datetime

import grpc

from hasten_client import channel, schedule_operations
from hasten_client.aio_caller import AsyncCaller
from hasten_client.request import InferRequest, Metadata
from hasten_client.retry import RetryPolicy
from hasten_client.schedule_views import (
    Created,
    NextRun,
    Rhythm,
    RunOptions,
    Schedule,
    SchedulePage,
    time_us,
)


class AsyncScheduleClient(AsyncCaller):
    """Has a scheduler run requests by the clock.

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

    async def create(
        self,
        name: str,
        request: InferRequest,
        rhythm: Rhythm,
        *,
        runs: RunOptions | None = None,
        deadline_s: float | None = None,
    ) -> Created:
        """Creates a schedule; when this returns, it is stored.

        Args:
            name: Names it among its tenant's. A call that is repeated with the same name and
                content finds the first one.
            request: What each run infers; its tenant is the schedule's.
            rhythm: When it runs.
            runs: What its runs are.
            deadline_s: Longest wait for the answer.

        Raises:
            HastenError: A subclass that says why it is not stored. FailedPrecondition with the
                reason RESERVATION_INFEASIBLE: no worker can keep its deadline, and why.
        """
        operation = schedule_operations.create(
            schedule_operations.named(name, request.tenant), request, rhythm, runs or RunOptions()
        )
        return await self._ask(operation, deadline_s)

    async def get(
        self, name: str, *, tenant: str = "", deadline_s: float | None = None
    ) -> Schedule:
        """A schedule as it is now."""
        operation = schedule_operations.get(schedule_operations.named(name, tenant))
        return await self._ask(operation, deadline_s)

    async def page(
        self,
        *,
        tenant: str | None = None,
        hard: bool = False,
        page_size: int = 0,
        page_token: str = "",
        deadline_s: float | None = None,
    ) -> SchedulePage:
        """A page of schedules.

        Args:
            tenant: Only this tenant's; None for all.
            hard: Only hard ones.
            page_size: Most schedules; 0 for the scheduler's choice.
            page_token: Of the page before; "" for the first.
            deadline_s: Longest wait.
        """
        operation = schedule_operations.page(tenant, page_size, page_token, hard=hard)
        return await self._ask(operation, deadline_s)

    async def update(
        self,
        name: str,
        rhythm: Rhythm,
        *,
        tenant: str = "",
        runs: RunOptions | None = None,
        deadline_s: float | None = None,
    ) -> Schedule:
        """Makes a schedule another one from now on; its request stays."""
        operation = schedule_operations.update(
            schedule_operations.named(name, tenant), rhythm, runs or RunOptions()
        )
        return await self._ask(operation, deadline_s)

    async def pause(self, name: str, *, tenant: str = "", deadline_s: float | None = None) -> None:
        """Lets its times go by until `resume`."""
        operation = schedule_operations.pause(schedule_operations.named(name, tenant))
        await self._ask(operation, deadline_s)

    async def resume(self, name: str, *, tenant: str = "", deadline_s: float | None = None) -> None:
        """Goes on with its next time."""
        operation = schedule_operations.resume(schedule_operations.named(name, tenant))
        await self._ask(operation, deadline_s)

    async def delete(self, name: str, *, tenant: str = "", deadline_s: float | None = None) -> None:
        """Ends a schedule. Runs that have begun go on."""
        operation = schedule_operations.delete(schedule_operations.named(name, tenant))
        await self._ask(operation, deadline_s)

    async def next_runs(
        self,
        name: str | None = None,
        *,
        tenant: str = "",
        most: int = 0,
        within_s: float | None = None,
        deadline_s: float | None = None,
    ) -> tuple[NextRun, ...]:
        """The times to come, in their order.

        Args:
            name: Of this schedule; None for all that are not paused, of all tenants.
            tenant: Its tenant.
            most: So many times of each; 0 for 10.
            within_s: Only so soon; None for however late.
            deadline_s: Longest wait.
        """
        wanted = None if name is None else schedule_operations.named(name, tenant)
        operation = schedule_operations.next_runs(wanted, most, within_s)
        return await self._ask(operation, deadline_s)

    async def trigger(
        self,
        name: str,
        *,
        tenant: str = "",
        at: datetime | None = None,
        deadline_s: float | None = None,
    ) -> str:
        """Runs a schedule once; returns the request id of the run's task.

        Args:
            name: Names it.
            tenant: Its tenant.
            at: The time that the run is for, not later than now: under one time there is one run.
                None for a run of its own, now.
            deadline_s: Longest wait for the answer.
        """
        at_us = 0 if at is None else time_us(at)
        operation = schedule_operations.trigger(schedule_operations.named(name, tenant), at_us)
        return await self._ask(operation, deadline_s)
