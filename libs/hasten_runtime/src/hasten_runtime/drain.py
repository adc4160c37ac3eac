"""Leaving in order: say so, let those who route hear it, finish what was begun, stop."""

import asyncio

import grpc

from hasten_runtime.health import Health


async def drain(
    server: grpc.aio.Server, health: Health, *, notice_s: float, grace_s: float
) -> None:
    """Stops the server without failing a call.

    Withdraw from discovery and the load store before calling this: until routers have heard,
    new calls keep coming, and during the notice they are still answered.

    Args:
        server: A started server.
        health: Its health service; all is NOT_SERVING from the start of the drain.
        notice_s: How long to keep taking calls; at least the time in which routers look.
        grace_s: How long calls may go on after that; those still open then are cancelled.
    """
    health.enter_drain()
    await asyncio.sleep(notice_s)
    health.close()
    await server.stop(grace_s)
