"""Every type that the log of a kind of machine may hold."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from hasten_policy.machines import MACHINES


@dataclass(frozen=True, slots=True)
class Raised:
    """The machine raised an exception instead of answering.

    Attributes:
        error: Its class.
        message: What it said.
    """

    error: str
    message: str


def types_of(kind: str) -> Mapping[str, type]:
    """Dataclasses by name: events, effects, and what they are made of.

    Raises:
        KeyError: There is no such kind of machine.
    """
    machine = MACHINES[kind]
    found = (*machine.events, *machine.effects, *machine.parts, Raised)
    return {each.__name__: each for each in found}


def fields_of(kind: str) -> dict[str, tuple[str, ...]]:
    """Names of each type's fields, in order: what a log needs to explain itself.

    Raises:
        KeyError: There is no such kind of machine.
    """
    return {name: field_names(found) for name, found in types_of(kind).items()}


def field_names(of: type) -> tuple[str, ...]:
    """Names of a dataclass's fields, in order."""
    return tuple(field.name for field in fields(of))
