"""Open-loop load: requests come when the schedule says, however the server fares.

A closed loop (send, wait, send) slows down with the server and so hides an overload; see
"coordinated omission". Here the send times are drawn beforehand.
"""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

import grpc

from loadtest.call import OPTIONS, Outcome, open_infer, timed_call


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered.

    Attributes:
        rate_per_s: Mean arrivals a second, Poisson.
        duration_s: How long.
        deadline_s: Deadline of each request; None for none.
        seed: Of the arrival times.
        channels: Connections to spread the requests over.
    """

    rate_per_s: float
    duration_s: float
    deadline_s: float | None
    seed: int = 1
    channels: int = 4


def arrivals_s(offer: Offer) -> list[float]:
    """Arrival times from 0 to duration, exponential gaps, the same for the same seed."""
    rng = random.Random(offer.seed)
    times: list[float] = []
    at_s = rng.expovariate(offer.rate_per_s)
    while at_s < offer.duration_s:
        times.append(at_s)
        at_s += rng.expovariate(offer.rate_per_s)
    return times


async def run(
    address: str, payloads: Sequence[bytes], offer: Offer, *, then: Offer | None = None
) -> list[Outcome]:
    """Offers the load, the payloads in turn, and returns every outcome in order of arrival.

    Args:
        address: Of the router.
        payloads: Serialised requests.
        offer: What is offered.
        then: A load that follows without a pause, over the same connections.
    """
    arrivals = arrivals_s(offer)
    if then is not None:
        arrivals += [offer.duration_s + at_s for at_s in arrivals_s(then)]
    channels = [grpc.aio.insecure_channel(address, options=OPTIONS) for _ in range(offer.channels)]
    try:
        infers = [open_infer(channel) for channel in channels]
        await asyncio.gather(*(channel.channel_ready() for channel in channels))
        begin_s = time.monotonic() + 0.05
        calls: list[asyncio.Task[Outcome]] = []
        for index, at_s in enumerate(arrivals):
            # Tasks are made shortly before they are due: thousands of waiting timers would
            # load the very loop that has to send on time.
            ahead_s = begin_s + at_s - time.monotonic() - 0.02
            if ahead_s > 0:
                await asyncio.sleep(ahead_s)
            call = timed_call(
                infers[index % len(infers)],
                payloads[index % len(payloads)],
                due_s=begin_s + at_s,
                deadline_s=offer.deadline_s,
            )
            calls.append(asyncio.create_task(call))
        return list(await asyncio.gather(*calls))
    finally:
        for channel in channels:
            await channel.close()
