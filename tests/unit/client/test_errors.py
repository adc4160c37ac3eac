"""What a server says becomes a typed error, over a real connection."""

from typing import Any

import grpc
import numpy as np
import pytest

import hasten_client as hc
from hasten_client.errors import from_rpc
from tests.support.ports import free_port
from tests.unit.client.scripted_server import Fail, ScriptedServer

CODES = grpc.StatusCode
X = {"x": np.zeros(1, np.float32)}


@pytest.mark.parametrize(
    ("fail", "kind"),
    [
        (Fail(CODES.DEADLINE_EXCEEDED, reason="DEADLINE_INFEASIBLE"), hc.DeadlineInfeasible),
        (Fail(CODES.DEADLINE_EXCEEDED, reason="SHED_BEFORE_START"), hc.DeadlineExceeded),
        (Fail(CODES.RESOURCE_EXHAUSTED, reason="OVERLOADED"), hc.Overloaded),
        (Fail(CODES.RESOURCE_EXHAUSTED, reason="QUEUE_FULL"), hc.Overloaded),
        (Fail(CODES.RESOURCE_EXHAUSTED, reason="TENANT_QUOTA"), hc.QuotaExceeded),
        (Fail(CODES.RESOURCE_EXHAUSTED, reason="MESSAGE_TOO_LARGE"), hc.MessageTooLarge),
        (Fail(CODES.UNAVAILABLE, reason="NO_WORKER", pushback="-1"), hc.Unavailable),
        (Fail(CODES.UNAVAILABLE, pushback="-1"), hc.Unreachable),
        (Fail(CODES.NOT_FOUND, reason="MODEL_NOT_FOUND"), hc.NotFound),
        (Fail(CODES.INVALID_ARGUMENT, reason="SHAPE_MISMATCH"), hc.InvalidArgument),
        (Fail(CODES.INTERNAL, reason="MODEL_FAILED"), hc.ModelFailed),
        (Fail(CODES.INTERNAL, reason="INTERNAL"), hc.InternalError),
        (Fail(CODES.FAILED_PRECONDITION, reason="CONTROL_MODE"), hc.FailedPrecondition),
        (Fail(CODES.UNIMPLEMENTED, reason="UNIMPLEMENTED"), hc.Unimplemented),
        (Fail(CODES.PERMISSION_DENIED), hc.AccessDenied),
        (Fail(CODES.CANCELLED, reason="CANCELLED"), hc.Cancelled),
        (Fail(CODES.CANCELLED), hc.Overloaded),
        (Fail(CODES.UNKNOWN), hc.HastenError),
    ],
)
async def test_each_reason_has_its_class(
    client: Any, server: ScriptedServer, fail: Fail, kind: type[hc.HastenError]
) -> None:
    server.script.append(fail)
    with pytest.raises(hc.HastenError) as caught:
        await client.infer("m", X)
    assert type(caught.value) is kind
    assert caught.value.status == fail.code.name
    assert caught.value.message == "no"
    assert len(server.seen) == 1


class Given:
    """A CANCELLED that this side asked for, as gRPC tells of it."""

    def __init__(self, details: str) -> None:
        self._details = details

    def code(self) -> grpc.StatusCode:
        return CODES.CANCELLED

    def details(self) -> str:
        return self._details

    def trailing_metadata(self) -> tuple[()]:
        return ()


@pytest.mark.parametrize("details", ["Locally cancelled by application!", "Channel closed!"])
def test_what_this_side_gave_up_is_no_overload(details: str) -> None:
    assert type(from_rpc(Given(details))) is hc.Cancelled


async def test_an_error_carries_all_that_the_server_said(
    client: Any, server: ScriptedServer
) -> None:
    server.script.append(
        Fail(
            CODES.RESOURCE_EXHAUSTED,
            "too much waits",
            reason="OVERLOADED",
            retry_after_s=60.5,
            pushback="60500",
            metadata={"predicted_ms": "91"},
        )
    )
    with pytest.raises(hc.Overloaded) as caught:
        await client.infer("m", X)
    error = caught.value
    assert (error.reason, error.status) == ("OVERLOADED", "RESOURCE_EXHAUSTED")
    assert error.retry_after_s == 60.5
    assert error.metadata == {"predicted_ms": "91"}
    assert str(error) == "OVERLOADED: too much waits (retry after 60.5 s)"


async def test_details_that_make_no_sense_leave_the_status(
    client: Any, server: ScriptedServer
) -> None:
    server.script.append(Fail(CODES.NOT_FOUND, "no such thing", raw_details=b"\xff\xff\xff"))
    with pytest.raises(hc.NotFound, match="no such thing"):
        await client.infer("m", X)


async def test_a_pushback_that_makes_no_sense_forbids_the_retry(
    client: Any, server: ScriptedServer
) -> None:
    server.script.append(Fail(CODES.UNAVAILABLE, reason="NO_WORKER", pushback="soon"))
    with pytest.raises(hc.Unavailable) as caught:
        await client.infer("m", X)
    assert caught.value.retry_forbidden
    assert len(server.seen) == 1


async def test_nobody_at_the_address_is_unreachable() -> None:
    address = f"127.0.0.1:{free_port()}"  # Nobody else's, as that of a server that left may be.
    async with hc.AsyncClient(address) as client:
        with pytest.raises(hc.Unreachable):
            await client.live(deadline_s=60.0)


async def test_an_answer_over_the_channel_s_limit_is_message_too_large(
    server: ScriptedServer,
) -> None:
    options = [("grpc.max_receive_message_length", 64)]
    async with hc.AsyncClient(server.address, options=options) as client:
        with pytest.raises(hc.MessageTooLarge):
            await client.infer("m", {"x": np.zeros(100, np.float32)})
