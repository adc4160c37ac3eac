"""Ports: which are free, and who sits on one that is not."""

import errno
import random
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten_cli.failures import CommandError

PORT_MIN: Final = 10_000
_OUTGOING_MIN_DEFAULT: Final = 32_768
_TRIES: Final = 100


def free_port() -> int:
    """A port of loopback that nobody listens on now.

    It lies below the range that the system takes the ports of outgoing connections from, so
    that nothing takes it while its server is being restarted. Raises CommandError.
    """
    chooser = random.SystemRandom()
    for _ in range(_TRIES):
        port = chooser.randint(PORT_MIN, _outgoing_min() - 1)
        if _bind_error("127.0.0.1", port) is None:
            return port
    raise CommandError("found no free port on loopback", next_step="close some programs")


@contextmanager
def claimed(host: str, port: int, *, option: str) -> Iterator[None]:
    """Keeps other `hasten up` away from the port; port 0 is always free.

    Raises:
        CommandError: Somebody has it. The sentence says who, if the system tells.
    """
    if port == 0:
        yield
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as claim:
        try:
            if sys.platform == "linux":
                # An abstract name: a lock without a file, which the kernel drops with us. Two
                # routers with several processes each would otherwise share the port.
                claim.bind(f"\0hasten-up-port-{port}")
        except OSError:
            raise _in_use(host, port, option, "another `hasten up`") from None
        _check_bind(host, port, option)
        yield


def _in_use(host: str, port: int, option: str, holder: str) -> CommandError:
    return CommandError(
        f"port {port} on {host} is in use{f' by {holder}' if holder else ''}",
        next_step=f"stop it, or choose another port with {option} (0 takes any free one)",
    )


def _check_bind(host: str, port: int, option: str) -> None:
    """Raises CommandError unless a server can listen there."""
    error = _bind_error(host, port)
    if error is None:
        return
    if error.errno == errno.EADDRINUSE:
        process = listener(port)
        raise _in_use(host, port, option, process.named if process is not None else "")
    raise CommandError(
        f"cannot listen on port {port} of {host}: {error.strerror or error}",
        next_step=f"choose another port with {option}, or an address of this machine with --host",
    )


def _bind_error(host: str, port: int) -> OSError | None:
    """What keeps a server from listening there; None when nothing does."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host.strip("[]"), port))
        except OSError as error:
            return error
    return None


@dataclass(frozen=True, slots=True)
class Listener:
    """The process that listens on a port.

    Attributes:
        named: Its name and pid.
        is_hasten: It is a service of Hasten.
    """

    named: str
    is_hasten: bool


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there."""
    return _bind_error(host, port) is None


def listener(port: int) -> Listener | None:
    """The process that listens on the port; None if the system does not tell."""
    import psutil

    try:
        for connection in psutil.net_connections(kind="tcp"):
            if (
                connection.status == psutil.CONN_LISTEN
                and connection.laddr
                and connection.laddr.port == port
                and connection.pid
            ):
                process = psutil.Process(connection.pid)
                return Listener(
                    named=f"{process.name()} (pid {connection.pid})",
                    is_hasten=any(word.startswith("hasten_") for word in process.cmdline()),
                )
    except psutil.Error:
        return None
    return None


def _outgoing_min() -> int:
    try:
        first = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    except OSError:
        return _OUTGOING_MIN_DEFAULT
    return max(int(first), PORT_MIN + 1000)
