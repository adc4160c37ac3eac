"""How the load generators call what ended without an answer."""

import grpc
import pytest

from hasten_policy.reasons import Reason, Refusal
from hasten_runtime import errors
from loadtest.call import reason_of

Code = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "trailers", "reason"),
    [
        (Code.UNAVAILABLE, (), ""),
        (Code.CANCELLED, (), "OVERLOADED"),
        (Code.CANCELLED, errors.trailers(Refusal(Reason.CANCELLED, "gone")), "CANCELLED"),
        (Code.NOT_FOUND, errors.trailers(Refusal(Reason.NO_WORKER, "no")), "NO_WORKER"),
    ],
)
def test_the_reason_is_the_servers_or_what_the_status_means(
    code: grpc.StatusCode, trailers: errors.Trailers, reason: str
) -> None:
    error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailers))
    assert reason_of(error) == reason
