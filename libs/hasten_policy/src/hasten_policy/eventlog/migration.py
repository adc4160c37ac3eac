"""Logs of format 1 that an earlier Hasten wrote, read as today's. Nothing else knows of them.

Until December 2026 the worker's load and report were answers to questions and no effects: what came
of LoadAsked and ReportAsked was the bare LoadSample or WorkerReport. An effect of a type that a log
does not know, as bars before December 2026, is left out where the two are compared.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from hasten_policy.eventlog.kinds import field_names
from hasten_policy.worker.events import LoadAsked, ReportAsked, SendLoad, SendReport

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Migration:
    """How to read one log.

    Attributes:
        fields: Names of the fields of each type of the log, as today's log would have them.
        bare: Load and report stand where their effects stand today.
    """

    fields: Mapping[str, tuple[str, ...]]
    bare: bool

    def outcome(self, event: object, text: str) -> str:
        """What came of an event, as today's log would say it."""
        if not self.bare or not text.startswith("["):
            return text
        if isinstance(event, LoadAsked):
            return f'[{{"SendLoad":[{event.link_id},{text[1:-1]}]}}]'
        if isinstance(event, ReportAsked):
            return f'[{{"SendReport":[{event.link_id},{text[1:-1]}]}}]'
        return text

    def known(self, effects: Sequence[T]) -> Sequence[T]:
        """Those of today's effects whose types the log knows."""
        if all(type(effect).__name__ in self.fields for effect in effects):
            return effects
        return [effect for effect in effects if type(effect).__name__ in self.fields]


def migration(fields: Mapping[str, tuple[str, ...]]) -> Migration:
    """How to read a log with these names of fields in its header."""
    if "LoadAsked" not in fields or SendLoad.__name__ in fields:
        return Migration(fields, bare=False)
    added = {each.__name__: field_names(each) for each in (SendLoad, SendReport)}
    return Migration({**fields, **added}, bare=True)
