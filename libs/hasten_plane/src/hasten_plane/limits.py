"""Bounds of a plane."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what peers can take.

    Attributes:
        message_bytes_max: Largest message, also after it was unpacked. A larger one is not read.
        metadata_bytes_max: All metadata of one call, as HTTP/2 counts them.
        streams_max: Calls open at once on one connection.
        calls_max: Calls open at once on all of them; further ones are refused. None for no limit.
        waiting_max: Calls of the quick method that wait to be polled; further ones are refused.
        newest_first_s: Once a call of the quick method has waited so long to be polled, the newest
            are given out first, and only every fourth time the oldest.
        held_bytes_max: Bytes of all requests inside. While there are more, a call that brings
            more is refused.
        unread_bytes_max: While the answers that one client has not taken have more bytes, no
            further calls are taken from its connection.
        control_frames_max: Frames of one second on one connection that carry nothing (PING,
            SETTINGS, PRIORITY, CONTINUATION, empty DATA), beside four for each of its calls;
            with more it is closed.
        handshake_s: A connection that has not finished its greeting by then is closed.
        ping_s: A connection that is silent for this long is pinged.
        ping_timeout_s: A ping that nothing follows for this long breaks the connection.
        connection_age_s: Connections older than this are closed in order; None keeps them.
        connection_grace_s: Time for the open calls of such a connection.
        batch_max: Events of one poll.
        read_bytes_max: Bytes read from one connection in one poll.
    """

    message_bytes_max: int = 64 << 20
    metadata_bytes_max: int = 32 << 10
    streams_max: int = 1000
    calls_max: int | None = None
    waiting_max: int = 4096
    newest_first_s: float = 0.005
    held_bytes_max: int = 1 << 30
    unread_bytes_max: int = 8 << 20
    control_frames_max: int = 1000
    handshake_s: float = 3.0
    ping_s: float = 5.0
    ping_timeout_s: float = 5.0
    connection_age_s: float | None = None
    connection_grace_s: float = 30.0
    batch_max: int = 8
    read_bytes_max: int = 1 << 20
