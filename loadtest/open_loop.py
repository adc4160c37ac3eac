"""Open-loop load: requests come when the schedule says, however the server fares.

A closed loop (send, wait, send) slows down with the server and so hides an overload; see
"coordinated omission". Here the send times are given beforehand.
"""

import asyncio
import random
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import grpc

from hasten_sim.workload import processes
from loadtest.call import OPTIONS, Outcome, open_infer, timed_call

CHANNELS: Final = 4
"""Connections that the requests are spread over."""
AHEAD_S: Final = 0.02
"""Calls are made so long before they are due: thousands of waiting timers would load the very
loop that has to send on time."""


@dataclass(frozen=True, slots=True)
class Planned:
    """One request to come.

    Attributes:
        at_s: Seconds from the start.
        payload: The serialised request.
        deadline_s: From its sending; None for none.
    """

    at_s: float
    payload: bytes
    deadline_s: float | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered where all requests are alike.

    Attributes:
        rate_per_s: Mean arrivals a second, Poisson.
        duration_s: How long.
        deadline_s: Deadline of each request; None for none.
        seed: Of the arrival times.
    """

    rate_per_s: float
    duration_s: float
    deadline_s: float | None
    seed: int = 1

    def planned(self, payloads: Sequence[bytes]) -> Iterator[Planned]:
        """The requests, the payloads in turn; the same for the same seed."""
        times = processes.poisson(random.Random(self.seed), self.rate_per_s, self.duration_s)
        for index, at_s in enumerate(times):
            yield Planned(at_s, payloads[index % len(payloads)], self.deadline_s)


async def run(address: str, calls: Iterable[Planned]) -> list[Outcome]:
    """Offers the calls, which are in order of time, and returns the outcomes in that order."""
    channels = [grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(CHANNELS)]
    try:
        infers = [open_infer(channel) for channel in channels]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        begin_s = time.monotonic() + 0.05
        sent: list[asyncio.Task[Outcome]] = []
        for index, call in enumerate(calls):
            # Tasks are made shortly before they are due: thousands of waiting timers would
            # load the very loop that has to send on time.
            due_s = begin_s + call.at_s
            ahead_s = due_s - time.monotonic() - AHEAD_S
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            timed = timed_call(
                infers[index % len(infers)],
                call.payload,
                due_s=due_s,
                deadline_s=call.deadline_s,
            )
            sent.append(asyncio.create_task(timed))
        return list(await asyncio.gather(*sent))
    finally:
        for channel in channels:
            await channel.close()
