"""Writes one event log. The caller's thread encodes; a thread of its own compresses and writes.

The file is gzip: members of some megabytes, each with its checksum, flushed every second, so that
a process that is killed loses its last second and no more. A last line says how it ended.
"""

import threading
import zlib
from collections import deque
from dataclasses import dataclass
from typing import BinaryIO, Final

from hasten_policy.eventlog import Outcome, encode, encode_line
from hasten_runtime import logs

FLUSH_S: Final = 1.0
BACKLOG_CHARS_MAX: Final = 32 * 1024 * 1024
"""Most text that waits for a disk that is slow."""
BLOCK_CHARS: Final = 64 * 1024
"""Text that is compressed at once."""
MEMBER_BYTES: Final = 4 * 1024 * 1024
"""Text between two checksums."""
ROOM_BYTES: Final = 16 * 1024
"""Kept free below the bound for the last line and the worst that compression can do."""
LEVEL: Final = 1
"""Level 6 takes four times as long and saves a tenth."""
CLOSE_S_MAX: Final = 5.0
"""Longest wait, at the end, for what is not written yet."""
GZIP_WBITS: Final = 31

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class RecorderLimits:
    """Bounds of one log.

    Attributes:
        bytes_max: Size of the file.
        backlog_chars_max: Text that waits to be written.
        flush_s: Seconds between two writes.
    """

    bytes_max: int
    backlog_chars_max: int = BACKLOG_CHARS_MAX
    flush_s: float = FLUSH_S


class Recorder:
    """Records until it is closed, a bound is reached or the disk fails.

    A replay needs every event from the first on: so the log ends there, and does not begin anew.
    That is said once in the service's own log; the service goes on.

    Args:
        file: Where to; closed at the end.
        name: Of the file, for the service's own log.
        header: First line.
        limits: Bounds.
    """

    def __init__(self, file: BinaryIO, name: str, header: str, limits: RecorderLimits) -> None:
        self._file = file
        self._name = name
        self._limits = limits
        self._lines = deque((header,))
        # Each is written by one thread only: their difference is the backlog.
        self._chars_in = self._chars_out = len(header)
        self._ended = False
        self._why = ""
        self._stop = threading.Event()
        self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WBITS)
        self._member_bytes = 0
        self._bytes = 0
        self._events = -1  # The header is none.
        self._flushed = (0, 0)
        self._thread = threading.Thread(target=self._run, name="recorder", daemon=True)
        self._thread.start()

    def record(self, event: object, outcome: Outcome, *, now_s: float) -> None:
        """Takes one event and what came of it. Never waits, never raises."""
        if self._ended:
            return
        try:
            line = encode_line(now_s, event, outcome)
        except (TypeError, ValueError, RecursionError) as error:
            self._give_up(f"an event cannot be encoded: {error}")
            return
        self._chars_in += len(line)
        if self._chars_in - self._chars_out > self._limits.backlog_chars_max:
            self._give_up("the disk is too slow")
            return
        self._lines.append(line)

    def close(self) -> None:
        """Writes what is left and ends the log. Takes CLOSE_S_MAX at most; may be called again."""
        self._stop.set()
        self._thread.join(CLOSE_S_MAX)

    # --- the caller's thread ------------------------------------------------------------

    def _give_up(self, why: str) -> None:
        self._why = why
        self._ended = True
        self._stop.set()

    # --- the recorder's thread ----------------------------------------------------------

    def _run(self) -> None:
        try:
            with self._file:
                self._write_until_the_end()
        except OSError as error:
            self._ended = True
            self._say_ended(f"the disk refused: {error.strerror or error}")
        finally:
            self._ended = True
            self._lines.clear()

    def _write_until_the_end(self) -> None:
        stopped = False
        while self._write_waiting():
            if stopped:
                self._finish(self._why or "closed")
                if self._why:
                    self._say_ended(self._why)
                return
            stopped = self._stop.wait(self._limits.flush_s)
        self._ended = True
        self._finish("bytes_max")
        self._say_ended(f"the log has reached {self._limits.bytes_max} bytes", expected=True)

    def _write_waiting(self) -> bool:
        """Writes the lines that wait; False when the file has no room for them."""
        if not self._lines:
            return True
        block: list[str] = []
        chars = 0
        while self._lines:
            line = self._lines.popleft()
            self._chars_out += len(line)
            block.append(line)
            chars += len(line)
            if chars >= BLOCK_CHARS or not self._lines:
                if self._bytes + chars + ROOM_BYTES > self._limits.bytes_max:
                    return False
                self._write("".join(block).encode("ascii"))
                self._events += len(block)
                block.clear()
                chars = 0
        self._flush(zlib.Z_SYNC_FLUSH)
        return True

    def _write(self, text: bytes) -> None:
        if self._member_bytes > MEMBER_BYTES:
            self._flush(zlib.Z_FINISH)
            self._gzip = zlib.compressobj(LEVEL, zlib.DEFLATED, GZIP_WBITS)
            self._member_bytes = 0
        self._member_bytes += len(text)
        self._bytes += self._file.write(self._gzip.compress(text))

    def _flush(self, how: int) -> None:
        self._bytes += self._file.write(self._gzip.flush(how))
        self._file.flush()
        self._flushed = (self._events, self._bytes)

    def _finish(self, end: str) -> None:
        self._write((encode({"end": end, "events": self._events}) + "\n").encode("ascii"))
        self._flush(zlib.Z_FINISH)

    def _say_ended(self, why: str, *, expected: bool = False) -> None:
        events, size = self._flushed
        say = _log.warning if expected else _log.error
        say(
            "recording.ended",
            reason=why,
            log=self._name,
            events=events,
            bytes=size,
            help="the service goes on; the log can be replayed up to here",
        )
