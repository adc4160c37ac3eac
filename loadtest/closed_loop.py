"""Closed-loop load: a fixed number of callers, each sending when its last answer came."""

import asyncio
import time
from dataclasses import dataclass

import grpc

from loadtest.call import OPTIONS, open_infer


@dataclass(frozen=True, slots=True)
class Measured:
    """What one closed-loop run gave.

    Attributes:
        latencies_s: One per call, sorted.
        wall_s: Length of the run.
    """

    latencies_s: tuple[float, ...]
    wall_s: float

    @property
    def per_s(self) -> float:
        """Calls answered a second."""
        return len(self.latencies_s) / self.wall_s

    def quantile_s(self, q: float) -> float:
        """The q-quantile of the latencies, by nearest rank."""
        return self.latencies_s[min(len(self.latencies_s) - 1, int(q * len(self.latencies_s)))]


async def run(address: str, payload: bytes, *, callers: int, seconds: float) -> Measured:
    """Calls `address` from `callers` concurrent callers for `seconds`, after a short warm-up."""
    latencies: list[float] = []
    async with grpc.aio.insecure_channel(address, options=OPTIONS) as channel:
        infer = open_infer(channel)
        for _ in range(20):
            await infer(payload, timeout=30)
        begin_s = time.monotonic()
        end_s = begin_s + seconds

        async def caller() -> None:
            # At least one: this process may stand still for all of a short run.
            while True:
                sent_s = time.monotonic()
                await infer(payload, timeout=30)
                latencies.append(time.monotonic() - sent_s)
                if time.monotonic() >= end_s:
                    return

        await asyncio.gather(*(caller() for _ in range(callers)))
        return Measured(tuple(sorted(latencies)), time.monotonic() - begin_s)
