"""A stock client that retries by service config gets to an end, whatever hint it is given."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc
import pytest

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from tests.unit.runtime.conftest import Serving

ATTEMPTS = 3
SERVICE_CONFIG = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": ATTEMPTS,
                "initialBackoff": "0.01s",
                "maxBackoff": "0.01s",
                "backoffMultiplier": 1,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED"],
            },
        }
    ]
}
ENDS_S_MAX = 60.0


@asynccontextmanager
async def refusing(serving: Serving, refusal: Refusal) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that refuses all calls so, and what it was asked."""
    asked: list[bytes] = []

    async def refuse(request: bytes, _: object) -> bytes:
        asked.append(request)
        raise MeshError(refusal)

    async with serving(Ask=grpc.unary_unary_rpc_method_handler(refuse)) as channel:
        yield channel.address, asked  # type: ignore[attr-defined]  # set by the fixture


def ask(address: str, timeout_s: float | None) -> grpc.StatusCode:
    """What becomes of a stock client's call."""
    options = [("grpc.service_config", json.dumps(SERVICE_CONFIG)), ("grpc.enable_retries", 1)]
    with (
        grpc.insecure_channel(address, options=options) as channel,
        pytest.raises(grpc.RpcError) as raised,
    ):
        channel.unary_unary("/t.T/Ask")(b"", timeout=timeout_s)
    code: grpc.StatusCode = raised.value.code()
    return code


@pytest.mark.parametrize("reason", [Reason.DRAINING, Reason.WORKER_LOST, Reason.QUEUE_FULL])
@pytest.mark.parametrize("timeout_s", [None, ENDS_S_MAX])
async def test_a_hint_of_nothing_is_a_retry_soon_and_not_a_call_that_never_ends(
    serving: Serving, reason: Reason, timeout_s: float | None
) -> None:
    async with refusing(serving, Refusal(reason, "not here", 0.0)) as (address, asked):
        async with asyncio.timeout(ENDS_S_MAX):
            code = await asyncio.to_thread(ask, address, timeout_s)
        assert code.name == reason.status
        assert len(asked) == ATTEMPTS


async def test_a_hint_beyond_the_deadline_ends_the_call_with_its_reason(serving: Serving) -> None:
    refusal = Refusal(Reason.MODEL_LOADING, "not now", 3600.0)
    async with refusing(serving, refusal) as (address, asked):
        async with asyncio.timeout(ENDS_S_MAX):
            code = await asyncio.to_thread(ask, address, ENDS_S_MAX)
        # Were it waited for, the deadline would end the call, and its reason would be lost.
        assert code is grpc.StatusCode.UNAVAILABLE
        assert len(asked) == 1


@pytest.mark.parametrize("hint_s", [None, 1.0, 3600.0])
async def test_where_another_may_do_better_the_next_try_comes_at_once(
    serving: Serving, hint_s: float | None
) -> None:
    """A hint of this server says nothing of the next one."""
    refusal = Refusal(Reason.NO_WORKER, "nobody here", hint_s)
    async with refusing(serving, refusal) as (address, asked):
        async with asyncio.timeout(ENDS_S_MAX):
            code = await asyncio.to_thread(ask, address, ENDS_S_MAX)
        assert code is grpc.StatusCode.UNAVAILABLE
        assert len(asked) == ATTEMPTS
