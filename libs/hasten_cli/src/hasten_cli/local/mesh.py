"""What the router of a run says of its mesh."""

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self

from hasten_cli.example import infer_command
from hasten_client import AsyncClient, HastenError, ModelState, RetryPolicy, Worker

ANSWER_S_MAX: Final = 0.5
VIEW_S_MAX: Final = 60.0
"""Longest wait for the router to see every worker, after all have said that they are ready."""
POLL_S: Final = 0.01
SERVING: Final = frozenset({"ready", "slow_start"})


class MeshView:
    """Asks the router; never fails because it does not answer.

    Args:
        address: The router's, as a client reaches it.
    """

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = AsyncClient(address, retry=RetryPolicy(attempts_max=1))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.close()

    async def workers(self) -> Mapping[str, Worker]:
        """The workers by name; empty when the router does not answer."""
        try:
            seen = await self._client.workers(deadline_s=ANSWER_S_MAX)
        except HastenError:
            return {}
        return {worker.worker_id: worker for worker in seen}

    async def serving(self, names: Sequence[str]) -> bool:
        """Waits until the router gives calls to all these workers; False if it never does."""
        try:
            async with asyncio.timeout(VIEW_S_MAX):
                while True:
                    seen = await self.workers()
                    if all(name in seen and seen[name].standing in SERVING for name in names):
                        return True
                    await asyncio.sleep(POLL_S)
        except TimeoutError:
            return False

    async def example(self) -> str:
        """A command that infers from one of the models; "" when none is ready."""
        try:
            ready = await self._client.index(ready_only=True, deadline_s=ANSWER_S_MAX)
            if not ready:
                return ""
            metadata = await self._client.metadata(ready[0].name, deadline_s=ANSWER_S_MAX)
        except HastenError:
            return ""
        return infer_command(metadata, address=self.address)

    async def troubles(self) -> list[ModelState]:
        """The models that could not be loaded; none when the router does not answer."""
        try:
            states = await self._client.index(deadline_s=ANSWER_S_MAX)
        except HastenError:
            return []
        return [
            state
            for state in states
            if state.state == "UNAVAILABLE" and state.reason and state.reason != "unloaded"
        ]
