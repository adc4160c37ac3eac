"""The ports that `hasten up` takes: free, or who has them."""

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hasten_cli.doctor.finding import Finding, fail, ok
from hasten_cli.local import plan, ports

METRICS_PORT: Final = 8002
LOOPBACK: Final = "127.0.0.1"
ANSWER_S_MAX: Final = 1.0
ANSWER_BYTES_MAX: Final = 4096
_QUESTION: Final = b"GET /v2 HTTP/1.0\r\n\r\n"
_HTTP2_SETTINGS: Final = b"\x04"
"""Type of the frame that a server of HTTP/2 sends first."""


@dataclass(frozen=True, slots=True)
class Holder:
    """Who has a port.

    Attributes:
        kind: What answers there, as "an HTTP server".
        process: Its name and pid; "" where the system does not tell.
        is_hasten: It is a service of Hasten.
    """

    kind: str
    process: str
    is_hasten: bool


def wanted(port: int) -> dict[str, tuple[int, str]]:
    """The ports of `hasten up --port PORT`: (port, option that changes it) by whose it is."""
    return {
        "router": (port, "--port"),
        "HTTP": (plan.http_port_of(port), "--http-port"),
        "metrics": (METRICS_PORT, "--metrics-port"),
        "tasks": (plan.tasks_port_of(port), "--tasks-port"),
        "autoscaler": (plan.autoscaler_port_of(port), "--autoscaler-port"),
    }


def port_findings(port: int, holder: Callable[[int], Holder | None]) -> Iterator[Finding]:
    """One finding a port.

    Args:
        port: The router's.
        holder: Says who has a port; None for nobody.
    """
    for whose, (number, option) in wanted(port).items():
        check = f"port {number}"
        found = holder(number)
        if found is None:
            yield ok(check, f"free for the mesh ({whose})")
        elif found.is_hasten:
            yield ok(check, f"a mesh has it ({whose}): {_named(found)}")
        else:
            yield fail(
                check,
                f"in use by {_named(found)}; `hasten up` wants it ({whose})",
                f"stop that, or choose another port with {option} (0 takes any free one)",
            )


def holder_of(port: int) -> Holder | None:
    """Who has the port on loopback."""
    if ports.is_free(LOOPBACK, port):
        return None
    process = ports.listener(port)
    answer = _answer(port)
    named = process is not None and process.is_hasten
    return Holder(
        kind=kind_of(answer),
        process="" if process is None else process.named,
        is_hasten=named or b'"hasten"' in answer,
    )


def kind_of(answer: bytes) -> str:
    """What kind of server answers a request of HTTP/1 like this."""
    if answer.startswith(b"HTTP/"):
        return "an HTTP server"
    if answer[3:4] == _HTTP2_SETTINGS:
        return "a gRPC server"
    if answer.startswith((b"-ERR", b"-NOAUTH", b"-DENIED")):
        return "a Redis"
    return "a server of another kind" if answer else "a program that says nothing"


def _answer(port: int) -> bytes:
    """The beginning of what it answers; nothing where it does not."""
    try:
        with socket.create_connection((LOOPBACK, port), ANSWER_S_MAX) as connection:
            connection.settimeout(ANSWER_S_MAX)
            connection.sendall(_QUESTION)
            return connection.recv(ANSWER_BYTES_MAX)
    except OSError:
        return b""


def _named(holder: Holder) -> str:
    return f"{holder.kind}, {holder.process}" if holder.process else holder.kind
