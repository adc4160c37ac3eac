"""Asks a server whether it serves, for container health checks and scripts.

    python -m hasten_runtime.healthcheck HOST:PORT [--service NAME] [--timeout-s SECONDS]

Exit code 0 when `grpc.health.v1.Health/Check` answers SERVING, 1 with one sentence on standard
error when it does not, 2 when used wrongly.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from typing import Final

import grpc
from grpc_health.v1 import health_pb2

from hasten_runtime.grpc_client import ChannelLimits, channel_options
from hasten_runtime.protocol_names import HEALTH_CHECK

TIMEOUT_S_DEFAULT: Final = 3.0
TIMEOUT_S_MAX: Final = 300.0

_STATUS: Final = health_pb2.HealthCheckResponse.ServingStatus


def trouble(address: str, *, service: str = "", timeout_s: float = TIMEOUT_S_DEFAULT) -> str:
    """Why a server may not be called, as one sentence; empty when it serves.

    Args:
        address: "host:port".
        service: Which of its services; "" for the server as a whole.
        timeout_s: Longest wait for the answer, connecting included.
    """
    named = f"{address} {service}".rstrip()
    with grpc.insecure_channel(address, options=channel_options(ChannelLimits())) as channel:
        check = channel.unary_unary(
            HEALTH_CHECK,
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            answer = check(health_pb2.HealthCheckRequest(service=service), timeout=timeout_s)
        except grpc.RpcError as error:
            reason = " ".join((error.details() or "it did not say why").split())
            return f"{named}: {error.code().name}: {reason}"
    if answer.status == _STATUS.Value("SERVING"):
        return ""
    return f"{named}: it answers {_name(answer.status)}"


def _name(status: int) -> str:
    """A status in words; a peer may be newer than these stubs."""
    return _STATUS.Name(status) if status in _STATUS.values() else f"status {status}"


def main(argv: Sequence[str] | None = None) -> int:
    """Asks once; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m hasten_runtime.healthcheck",
        description="Exit code 0 when the server at HOST:PORT serves, 1 when it does not.",
    )
    parser.add_argument("address", metavar="HOST:PORT")
    parser.add_argument("--service", default="", help="one of its services [default: the server]")
    parser.add_argument(
        "--timeout-s",
        type=_seconds,
        default=TIMEOUT_S_DEFAULT,
        help=f"longest wait for the answer [default: {TIMEOUT_S_DEFAULT}]",
    )
    asked = parser.parse_args(argv)
    sentence = trouble(asked.address, service=asked.service, timeout_s=asked.timeout_s)
    if sentence:
        sys.stderr.write(f"unhealthy: {sentence}\n")
        return 1
    return 0


def _seconds(text: str) -> float:
    value = float(text)
    if not (math.isfinite(value) and 0 < value <= TIMEOUT_S_MAX):
        raise argparse.ArgumentTypeError(f"expected more than 0 and at most {TIMEOUT_S_MAX:g}")
    return value


if __name__ == "__main__":
    sys.exit(main())
