"""What this machine takes to wake a process that sleeps on another core.

A request through a router crosses from one process to another twice more than one straight to a
worker. On hardware that costs a few microseconds; under some hypervisors fifty, which no code of
ours can save. Printed next to what the hop costs, so that figures of two machines can be compared.
"""

import os
import select
import socket
import statistics
import subprocess
import sys
import time

ROUNDS = 400
PAUSE_S = 0.0005
"""Both processes sleep this long before each message, as they do between requests."""
MESSAGE_BYTES = 300
START_S_MAX = 30.0
_TIME_BYTES = 8


def wake_us() -> float | None:
    """Median microseconds from sending on one core to receiving on another; None with one core.

    Both ends wait at an epoll set, as an event loop does, at the two ends of a TCP connection.
    """
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        return None
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-m", "loadtest.wake", str(server.getsockname()[1])]
        other = subprocess.Popen([*command, str(cores[1])])
        try:
            server.settimeout(START_S_MAX)
            connection, _ = server.accept()
            os.sched_setaffinity(0, cores[:1])
            with connection:
                return statistics.median(_sent(connection) for _ in range(ROUNDS))
        finally:
            os.sched_setaffinity(0, cores)
            other.kill()
            other.wait()


def _sent(connection: socket.socket) -> float:
    """Microseconds that one message took, by the clock that all processes share."""
    time.sleep(PAUSE_S)
    sent_ns = time.monotonic_ns()
    connection.sendall(bytes(MESSAGE_BYTES))
    told = connection.recv(_TIME_BYTES, socket.MSG_WAITALL)
    if len(told) < _TIME_BYTES:
        raise ConnectionError("the process to be woken has ended")
    return (int.from_bytes(told, "little") - sent_ns) / 1e3


def answer(port: int, core: int) -> None:
    """The other end: tells when each message was received, until the connection ends."""
    os.sched_setaffinity(0, [core])
    with socket.create_connection(("127.0.0.1", port)) as connection, select.epoll() as events:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        events.register(connection.fileno(), select.EPOLLIN)
        while True:
            events.poll()
            received_ns = time.monotonic_ns()
            if not connection.recv(MESSAGE_BYTES, socket.MSG_WAITALL):
                return
            connection.sendall(received_ns.to_bytes(_TIME_BYTES, "little"))


if __name__ == "__main__":
    answer(int(sys.argv[1]), int(sys.argv[2]))
