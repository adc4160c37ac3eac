"""What an attack aims at, and until when."""

import socket
import time
from dataclasses import dataclass

MODEL = "quick"
"""Called by attacks and by the honest."""
CONNECT_S_MAX = 5.0


@dataclass(frozen=True, slots=True)
class Where:
    """Addresses, each "host:port".

    Attributes:
        router: For gRPC.
        http: For HTTP.
        worker: Of one worker, for gRPC.
        metrics: Of the router's metrics.
        ends_s: When the attack ends, on the monotonic clock.
    """

    router: str
    http: str
    worker: str
    metrics: str
    ends_s: float = 0.0

    @property
    def over(self) -> bool:
        """It is time to stop."""
        return time.monotonic() >= self.ends_s

    def rest(self, longest_s: float = 0.05) -> None:
        """Waits, at most until the end."""
        time.sleep(max(0.0, min(longest_s, self.ends_s - time.monotonic())))


def connected(address: str) -> socket.socket:
    """A connection that does not wait long for anything."""
    host, _, port = address.rpartition(":")
    found = socket.create_connection((host, int(port)), CONNECT_S_MAX)
    found.settimeout(0.5)
    return found


def sent(connection: socket.socket, data: bytes) -> bool:
    """False where the other side does not take it, or has hung up."""
    try:
        connection.sendall(data)
    except OSError:
        return False
    return True


def drained(connection: socket.socket) -> bool:
    """Reads what is there; False where the other side has hung up."""
    connection.settimeout(0.0)
    try:
        while data := connection.recv(65536):
            del data
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(0.5)
    return False
