"""Replays the event log of a service's machine and compares every effect, bit for bit."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, BinaryIO, Final

from hasten_policy.eventlog import (
    Decoder,
    Header,
    Json,
    Outcome,
    Raised,
    decode_header,
    encode,
    fields_of,
    migration,
    parse,
    policy_of,
    shown,
    types_of,
)
from hasten_policy.machines import MACHINES, Machine

LINE_BYTES_MAX: Final = 64 * 1024 * 1024
"""Longest line that is read: a report of a worker with very many models is below 1 MB."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Where the machine of today first answers otherwise.

    Attributes:
        event: Its number, the first being 1.
        now_s: Its time, on the recorded machine's clock.
        told: The event, for people.
        then: What came of it when it was recorded, one text an effect.
        now: What comes of it now.
    """

    event: int
    now_s: float
    told: str
    then: tuple[str, ...]
    now: tuple[str, ...]


@dataclass(slots=True)
class ReplayOutcome:
    """What a replay found.

    Attributes:
        kind: Of the machine: a name of `MACHINES`.
        about: Who wrote the log, when, which version.
        policy: The machine's parameters as recorded.
        notes: Where they could not be used as they are.
        events: Events replayed, the differing one included.
        effects: Effects compared and found equal.
        seconds: Time between the first and the last of these events.
        first_difference: None when every effect is the same. The replay ends at it: from there
            on, the two machines have different pasts.
        truncated: The log lacks its end: its service was killed, its disk was full, or
            it still writes.
        end: Why recording ended, as "closed" or "bytes_max"; "" when truncated or not reached.
    """

    kind: str
    about: Mapping[str, str]
    policy: Mapping[str, Json]
    notes: tuple[str, ...] = ()
    events: int = 0
    effects: int = 0
    seconds: float = 0.0
    first_difference: Difference | None = None
    truncated: bool = True
    end: str = field(default="")

    @property
    def same(self) -> bool:
        """Every effect that was compared came out as recorded."""
        return self.first_difference is None


def replay(path: Path, on_progress: Callable[[int], None] = lambda _: None) -> ReplayOutcome:
    """Gives every event of a log to a machine made as its header says, and compares.

    Memory does not grow with the log.

    Args:
        path: The log.
        on_progress: Told, now and then, the bytes of the file that have been read.

    Raises:
        ValueError: It is no event log, is damaged, or this version cannot read it.
        OSError: It cannot be opened.
    """
    with path.open("rb") as file:
        lines = _Lines(file, on_progress)
        first = next(lines, None)
        if first is None:
            raise ValueError("the file is empty, or was cut off before its first second")
        header = decode_header(first)
        policy, notes = policy_of(header)
        outcome = ReplayOutcome(header.kind, header.about, header.policy, notes)
        machine = MACHINES[header.kind].make(policy, Random(header.seed))
        _compare(lines, header, machine, outcome)
        outcome.truncated = lines.truncated or (outcome.same and not outcome.end)
        return outcome


class _Lines(Iterator[str]):
    """The whole lines of a log; a tail that was cut off ends them and is remembered.

    Attributes:
        truncated: The file ends in the middle.
        read: Lines given out.
    """

    def __init__(self, file: BinaryIO, on_progress: Callable[[int], None]) -> None:
        self.truncated = False
        self.read = 0
        self._file = file
        self._text = gzip.GzipFile(fileobj=file)
        self._on_progress = on_progress

    def __next__(self) -> str:
        try:
            line = self._text.readline(LINE_BYTES_MAX)
        except EOFError:
            self.truncated = True
            raise StopIteration from None
        except (OSError, zlib.error) as error:
            if not self.read:
                raise ValueError(f"this is no event log of Hasten: {error}") from None
            raise ValueError(f"the log is damaged after line {self.read}: {error}") from None
        if not line.endswith(b"\n"):
            if len(line) == LINE_BYTES_MAX:
                raise ValueError(f"line {self.read + 1} is longer than {LINE_BYTES_MAX} bytes")
            self.truncated = bool(line)
            raise StopIteration
        self.read += 1
        if self.read % 1024 == 0:
            self._on_progress(self._file.tell())
        return line.decode("ascii", "replace")


def _compare(
    lines: _Lines, header: Header, machine: Machine[Any, Any], outcome: ReplayOutcome
) -> None:
    reading = migration(header.fields)
    decoder = Decoder(types_of(header.kind), reading.fields)
    first_s = None
    for line in lines:
        try:
            if line.startswith("{"):
                outcome.end = _end(line)
                continue
            now_s, event, then = decoder.line(line)
        except ValueError as error:
            raise ValueError(f"event {outcome.events + 1} cannot be replayed: {error}") from error
        outcome.events += 1
        # A restored checkpoint carries no time.
        first_s = first_s or now_s
        outcome.seconds = now_s - first_s
        then = reading.outcome(event, then)
        effects = _played(machine, event, now_s)
        if not isinstance(effects, Raised):
            effects = reading.known(effects)
        now = encode(effects)
        if now != then and not _equal_in_todays_types(then, now, decoder):
            difference = Difference(
                event=outcome.events,
                now_s=now_s,
                told=_shown(encode(event), header.kind)[0],
                then=_shown(then, header.kind, reading.fields),
                now=_shown(now, header.kind),
            )
            # A flipped bit looks like a difference, and only the checksum behind it can tell.
            for _ in lines:
                pass
            outcome.first_difference = difference
            return
        outcome.effects += 1 if isinstance(effects, Raised) else len(effects)


def _end(line: str) -> str:
    match parse(line):
        case {"end": str() as end}:
            return end
        case _:
            raise ValueError("it is neither an event nor the end")


def _equal_in_todays_types(then: str, now: str, decoder: Decoder) -> bool:
    """The same, but for fields that a type has gained since and that keep their default."""
    try:
        return encode(decoder.value(parse(then))) == now
    except ValueError:
        return False


def _shown(
    text: str, kind: str, fields: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[str, ...]:
    names = fields or fields_of(kind)
    try:
        raw = parse(text)
    except ValueError:
        return (text,)
    effects = raw if isinstance(raw, list) else [raw]
    return tuple(shown(effect, names) for effect in effects)


def _played(machine: Machine[Any, Any], event: object, now_s: float) -> Outcome:
    try:
        return machine.on(event, now_s=now_s)
    except Exception as error:  # noqa: BLE001  (whatever the machine raises is what came of it)
        return Raised(type(error).__name__, str(error))
