"""TCP ports for servers that must know their port before they start.

A server that can bind port 0 and tell its port does not need this. The ports lie below the
range from which the system takes the ports of outgoing connections: while a test's server is
down, nothing else gets its port, and a client that dials it cannot connect to itself. They also
lie below those that `hasten up` takes for its Redis, which knows nothing of what is reserved here.
"""

import random
import socket
import sys
from pathlib import Path

from hasten_cli.local.ports import PORT_MIN as UP_PORT_MIN

PORT_MIN = 2_000
OUTGOING_MIN_DEFAULT = 32_768
TRIES = 500

_reserved: dict[int, socket.socket] = {}


def free_port() -> int:
    """A free TCP port on loopback, this process's own until `release_port` or its end."""
    port_max = min(_outgoing_min(), UP_PORT_MIN) - 1
    for _ in range(TRIES):
        port = random.SystemRandom().randint(PORT_MIN, port_max)
        if port not in _reserved and _reserve(port):
            return port
    raise RuntimeError(f"no free port between {PORT_MIN} and {port_max}")


def release_port(port: int) -> None:
    """Gives the port back; unknown ports are ignored."""
    if held := _reserved.pop(port, None):
        held.close()


def _outgoing_min() -> int:
    try:
        first = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0]
    except OSError:
        return OUTGOING_MIN_DEFAULT
    return max(int(first), PORT_MIN + 1000)


def _reserve(port: int) -> bool:
    # An abstract Unix socket is a lock that the kernel drops with its process and that leaves no
    # file: two test runs at once never get the same port, even between restarts of a server.
    lock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        if sys.platform == "linux":
            lock.bind(f"\0hasten-test-port-{port}")
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
    except OSError:
        lock.close()
        return False
    _reserved[port] = lock
    return True
