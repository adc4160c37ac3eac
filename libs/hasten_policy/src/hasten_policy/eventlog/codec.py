"""Events and effects as JSON, and back, bit for bit.

A line of a log is `[now_s,event]<TAB>outcome`, the outcome a list of effects or one Raised. A
dataclass is an object with one key, its name, and the list of its field values; a tuple is a list.
JSON writes the shortest decimal that reads back as the same double, so nothing is rounded; only
the payload of a NaN is lost. Compressed, that is as small as binary, and `zcat` shows it.
"""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from operator import attrgetter
from typing import Any, Final, TypeAlias

from hasten_policy.eventlog.kinds import Raised, field_names
from hasten_policy.reasons import Reason

Outcome: TypeAlias = Sequence[object] | Raised
"""Effects in order, or the exception that came instead."""
Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
"""What a JSON parser gives."""

SEPARATOR: Final = "\t"
TIME_S_MAX: Final = 1e12
"""No clock goes on for so long. Beyond it a double no longer tells the milliseconds apart by which
machines set their timers: told such a time, a machine would be woken for ever.
"""
REASON: Final = "Reason"

_Parts = Callable[[Any], Sequence[object]]
_Maker = Callable[[Iterable[object]], object]
_parts: dict[type, _Parts] = {}
"""Field values by type: looked up once a type, used once an event."""


def _parts_of(found: type) -> _Parts:
    name = found.__name__
    if not is_dataclass(found):
        raise TypeError(f"{name} is nothing that an event log can hold")
    names = field_names(found)
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: [getattr(value, name) for name in names]


def _plain(value: object) -> object:
    found = type(value)
    parts = _parts.get(found)
    if parts is None:
        if isinstance(value, Reason):
            return {REASON: value.name}
        parts = _parts[found] = _parts_of(found)
    return {found.__name__: parts(value)}


encode: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False, default=_plain).encode
"""Any value that events and effects are made of, as JSON. Raises TypeError for others."""


def encode_line(now_s: float, event: object, outcome: Outcome) -> str:
    """One line of a log, its end included."""
    return f"{encode((now_s, event))}{SEPARATOR}{encode(outcome)}\n"


class Decoder:
    """Turns what a log holds into values of today's types.

    A field that a type has gained since takes its default.

    Args:
        types: Today's types by name.
        fields: The names of their fields when the log was written.
    """

    def __init__(self, types: Mapping[str, type], fields: Mapping[str, Sequence[str]]) -> None:
        self._types = types
        self._fields = fields
        self._makers: dict[str, _Maker] = {}

    def line(self, text: str) -> tuple[float, object, str]:
        """Time, event, and the outcome as text.

        Raises:
            ValueError: The line is none of a log, or holds what this version does not know.
        """
        told, separator, outcome = text.partition(SEPARATOR)
        if not separator:
            raise ValueError("the line does not consist of an event and its effects")
        match parse(told):
            case [int() | float() as now_s, dict() as event] if abs(now_s) < TIME_S_MAX:
                return now_s, self.value(event), outcome.rstrip("\n")
            case _:
                raise ValueError("the line does not begin with a time and an event")

    def value(self, raw: Json) -> object:
        """What `raw`, as JSON gave it, stands for. Raises ValueError."""
        if isinstance(raw, dict):
            return self._named(raw)
        if isinstance(raw, list):
            return tuple([self.value(part) for part in raw])
        return raw

    def _named(self, raw: dict[str, Json]) -> object:
        if len(raw) != 1:
            raise ValueError("an object of a log has one key, its type")
        ((name, parts),) = raw.items()
        if name == REASON:
            return _reason(parts)
        if name not in self._makers:
            self._makers[name] = self._maker(name)
        if isinstance(parts, list):
            return self._makers[name]([self.value(part) for part in parts])
        raise ValueError(f"{name} is not followed by the list of its fields")

    def _maker(self, name: str) -> _Maker:
        made = self._types.get(name)
        then = self._fields.get(name)
        if made is None or then is None:
            raise ValueError(f"the log holds {name!r}, which this version does not know")
        gone = sorted(set(then) - set(field_names(made)))
        if gone:
            raise ValueError(f"the log's {name} has {', '.join(gone)}, which it has no more")

        def make(parts: Iterable[object]) -> object:
            try:
                return made(**dict(zip(then, parts, strict=True)))
            except (TypeError, ValueError) as error:
                raise ValueError(f"the log's {name} cannot be made: {error}") from error

        return make


def parse(text: str) -> Json:
    """JSON, with every fault a ValueError."""
    try:
        found: Json = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def shown(raw: Json, fields: Mapping[str, Sequence[str]]) -> str:
    """An encoded value, as JSON gave it, for people: `Send(call_id=7, worker_id="w1", …)`."""
    if isinstance(raw, dict) and len(raw) == 1:
        ((name, parts),) = raw.items()
        if name == REASON:
            return str(parts)
        names = fields.get(name, ())
        if isinstance(parts, list) and len(parts) == len(names):
            pairs = zip(names, parts, strict=True)
            return f"{name}({', '.join(f'{key}={shown(part, fields)}' for key, part in pairs)})"
    if isinstance(raw, list):
        return f"[{', '.join(shown(part, fields) for part in raw)}]"
    return json.dumps(raw, ensure_ascii=False)


def _reason(name: Json) -> Reason:
    found = Reason.__members__.get(str(name))
    if found is None:
        raise ValueError(f"the log holds the reason {name!r}, which this version does not know")
    return found
