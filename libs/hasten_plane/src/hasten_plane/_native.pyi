"""One Plane is a gRPC server's sockets and calls. It never calls Python: Python polls it.

The asyncio loop owns the thread:

    loop.add_reader(plane.fileno(), turn)

    def turn():
        for event in plane.poll():      # at most `batch_max` events
            ...                         # the methods below; none waits, none writes a socket
        plane.flush()                   # writes what they left
        # if plane.has_more(): turn again soon; after plane.next_timer_s() seconds in any case
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

from hasten_plane.limits import Limits

ABI: Final[int]
"""Grows whenever the Python side has to change with the native one."""

Facts: TypeAlias = tuple[str, str, str, int, int, int, int | None, str, str, bool]
"""What a plain request says in front of its tensors: model, version, id, rows, elements, priority
class, timeout in microseconds or None, tenant, sequence, wish for the timing.
"""

def read_head(message: bytes) -> Facts | None:
    """Of a serialised ModelInferRequest. None when it is not plain, and has to be looked at by
    whoever can refuse it.
    """

class Status:
    """How a call ends, ready to be sent many times.

    Raises:
        ValueError: A trailer cannot stand in a header.
    """

    def __init__(
        self,
        code: int,
        message: str = "",
        trailers: Sequence[tuple[str, str | bytes]] = (),
    ) -> None: ...

class Asked:
    """A call of the quick method, with its request."""

    @property
    def call_id(self) -> int: ...
    @property
    def left_s(self) -> float | None:
        """Seconds until its deadline, from now; None without one, NaN where it is none."""
    @property
    def peer(self) -> str: ...
    @property
    def fault(self) -> str:
        """Why there is no request: "" when there is one; "empty": the call ended without; or
        "too_large", "unpacked_too_large", "malformed".
        """
    @property
    def size_bytes(self) -> int:
        """Of the request, also of one that was too large to be read; 0 when not known."""
    def payload(self) -> bytes:
        """A copy of the request; empty when there is none."""
    def head(self) -> Facts | None:
        """As `read_head`; None also when there is no request."""
    def header(self, name: str) -> str:
        """The first value of a header that is text; "" when there is none."""
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]: ...

class Opened:
    """A call of any other method. Its messages come one by one, each when it is asked for."""

    @property
    def call_id(self) -> int: ...
    @property
    def path(self) -> str:
        """As "/package.Service/Method"."""
    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]: ...
    @property
    def left_s(self) -> float | None:
        """Seconds until its deadline when it was polled; None without one, NaN where it is none."""
    @property
    def peer(self) -> str: ...

class Message:
    """What `read` asked for."""

    @property
    def call_id(self) -> int: ...
    @property
    def data(self) -> bytes | None:
        """None: the client has sent its last, or there is a fault."""
    @property
    def fault(self) -> str:
        """As of Asked."""
    @property
    def size_bytes(self) -> int:
        """As of Asked."""

class Gone:
    """The client cancelled or went away, or the deadline passed: nobody waits for an answer."""

    @property
    def call_id(self) -> int: ...

class Drained:
    """All that `write` left waiting is on its way."""

    @property
    def call_id(self) -> int: ...

class Plane:
    """The sockets and calls of one server; of the thread that made it.

    Args:
        limits: Bounds.
        quick_path: The method whose calls come as Asked.
        overloaded: What those hear who are beyond a bound of all calls.

    What is done to a call that has ended is ignored.
    """

    def __init__(self, limits: Limits, quick_path: str, overloaded: Status) -> None: ...
    def listen(self, host: str, port: int, reuse_port: bool) -> int:
        """Listens at an IP address; returns the real port. Raises OSError."""
    def fileno(self) -> int:
        """Readable when there is something to poll for, timers apart."""
    def poll(self) -> list[Asked | Opened | Message | Gone | Drained]:
        """Reads what has come; what has happened since. Never waits."""
    def set_bar(self, least_left_s: float, status: Status | None) -> int:
        """From now on only calls of the quick method with so much time left are given out, and the
        others end with the status; all are given out if there is none. Returns how many were
        kept out since this was said last.
        """
    def add_bar(
        self,
        model: str,
        version: str,
        *,
        priority: int,
        rows: int,
        elements: int,
        left_s: float,
        life_s: float,
        again_left_s: float,
        again: Status,
        never: Status,
    ) -> None:
        """For `life_s` seconds, plain calls of the quick method for this model, version and class,
        with no sequence and at least so many rows and elements, end with a status instead of being
        given out if they have less than `left_s` seconds left, both counted from now: with `again`
        if they have `again_left_s` left, else with `never`. Calls of a sampled trace are given out.

        Raises:
            ValueError: A time is negative or no number.
        """
    def lift_bars(self, model: str, version: str) -> None:
        """What add_bar said of this model and version holds no more."""
    def keeps_out(self, asked: Asked) -> bool:
        """Ends a call that was given out before a bar was set, if that keeps it out; whether it
        has.
        """
    def take_kept(self) -> list[tuple[str, str, int, int]]:
        """Model, version, class and number of the calls that bars have kept out since this was
        asked last.
        """
    def flush(self) -> None:
        """Writes what was left to be written."""
    def has_more(self) -> bool:
        """There is more to poll for at once."""
    def next_timer_s(self) -> float | None:
        """Seconds until there is something to poll for though nothing comes; None for never."""
    def answer(
        self, call_id: int, message: bytes, status: Status | None = None, *, packed: bool = False
    ) -> None:
        """Ends a call with its one answer, in gzip if it is packed, and OK by default."""
    def finish(self, call_id: int, status: Status) -> None:
        """Ends a call."""
    def write(self, call_id: int, message: bytes, *, packed: bool = False) -> int:
        """A message of an answer, in gzip if it is packed, as then all have to be. Bytes that still
        wait for the client; Drained follows if any.
        """
    def read(self, call_id: int) -> None:
        """Asks for the next message of a call that came as Opened."""
    def leave(self) -> None:
        """No new connections; GOAWAY on those that there are."""
    def close(self) -> None:
        """Ends all calls and connections."""
    @property
    def calls(self) -> int:
        """Open now."""
    @property
    def connections(self) -> int:
        """Open now."""
    @property
    def held_bytes(self) -> int:
        """Of the requests inside."""
