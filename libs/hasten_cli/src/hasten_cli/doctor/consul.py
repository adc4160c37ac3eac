"""Consul: does an agent answer, and has it a leader."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from typing import Any, Final

import aiohttp
from consul.base import ConsulException

from hasten_cli.doctor.finding import Finding, fail, ok
from hasten_runtime.consul_client import open_consul, parse

ANSWER_S_MAX: Final = 2.0


def consul_findings(
    address: str, ask: Callable[[str], Coroutine[Any, Any, str]]
) -> Iterator[Finding]:
    """The agent.

    Args:
        address: host:port of its HTTP API.
        ask: Who leads its cluster; "" for nobody. Raises OSError when it does not answer.
    """
    try:
        parse(address)
    except ValueError as error:
        yield fail("consul", str(error), "name its HTTP API, as --consul 127.0.0.1:8500")
        return
    try:
        leader = asyncio.run(ask(address))
    except OSError as error:
        said = str(error) or f"no answer within {ANSWER_S_MAX:g} s"
        yield fail(
            "consul",
            f"no Consul answers at {address}: {said}",
            "start an agent there, or name another with --consul",
        )
        return
    if leader:
        yield ok("consul", f"the agent at {address} answers; {leader} leads")
    else:
        yield fail(
            "consul",
            f"the agent at {address} has no leader: nobody can register",
            "see `consul operator raft list-peers`; most of the servers must be up",
        )


async def ask_consul(address: str) -> str:
    """Asks the agent. Raises OSError."""
    client = open_consul(address, token=None, datacenter=None, timeout_s=ANSWER_S_MAX)
    try:
        async with asyncio.timeout(ANSWER_S_MAX):
            leader = await client.status.leader()
    except (aiohttp.ClientError, ConsulException) as error:
        raise ConnectionError(str(error) or type(error).__name__) from error
    except ValueError:
        leader = None
    finally:
        await client.close()
    if not isinstance(leader, str):
        raise ConnectionError("what answers there is no Consul")
    return leader
