"""The first line of a log: what is needed to make the same machine again."""

from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from typing import Any, Final

from hasten_policy.eventlog.codec import Json, encode, parse
from hasten_policy.eventlog.kinds import fields_of
from hasten_policy.groups import changed, named
from hasten_policy.machines import MACHINES, kind_of

FORMAT: Final = 1
"""Raised whenever an older reader would misread a log."""
MARK: Final = "hasten_event_log"
"""The key, with the format as its value, by which a log is known."""


@dataclass(frozen=True, slots=True)
class Header:
    """Beginning of a log.

    Attributes:
        kind: Of the machine: a name of `MACHINES`.
        policy: The machine's parameters as operators name them, named groups as dictionaries.
        seed: Of the machine's random numbers; 0 for a machine without.
        about: For people: who wrote it, when, which version.
        fields: Names of the fields of each type, in the order of their values.
    """

    kind: str
    policy: Mapping[str, Json]
    seed: int
    about: Mapping[str, str]
    fields: Mapping[str, tuple[str, ...]]


def encode_header(policy: object, *, seed: int, about: Mapping[str, str]) -> str:
    """The first line of a log of a machine with that policy, its end included.

    Raises:
        TypeError: It is the policy of no machine.
    """
    kind = kind_of(policy).name
    said = {
        MARK: FORMAT,
        "kind": kind,
        "about": dict(about),
        "seed": seed,
        "policy": _said(policy),
        "fields": fields_of(kind),
    }
    return encode(said) + "\n"


def decode_header(line: str) -> Header:
    """The first line of a log.

    Raises:
        ValueError: It is none, or of a format or kind that this version does not read.
    """
    try:
        said = parse(line)
    except ValueError:
        said = None
    if not isinstance(said, dict) or MARK not in said:
        raise ValueError("this is no event log of Hasten")
    if said[MARK] != FORMAT:
        raise ValueError(
            f"the log is of format {said[MARK]}, and this version of Hasten reads format {FORMAT}"
        )
    match said:
        case {"kind": str() as kind} if kind not in MACHINES:
            known = ", ".join(MACHINES)
            raise ValueError(f"the log is of a {kind!r}; this version replays {known}")
        case {
            "kind": str() as kind,
            "seed": int() as seed,
            "policy": dict() as policy,
            "about": dict() as about,
            "fields": dict() as named,
        }:
            facts = {name: str(value) for name, value in about.items()}
            return Header(kind, policy, seed, facts, _names(named))
        case _:
            raise ValueError("the log's header is damaged: something is missing")


def _names(said: dict[str, Json]) -> dict[str, tuple[str, ...]]:
    return {
        name: tuple(str(each) for each in names)
        for name, names in said.items()
        if isinstance(names, list)
    }


def policy_of(header: Header) -> tuple[object, tuple[str, ...]]:
    """The policy to replay with, and sentences on where it cannot be the one of the log.

    Raises:
        ValueError: A value of the log is out of the range that this version allows.
    """
    notes: list[str] = []
    made = _remade(MACHINES[header.kind].policy(), header.policy, "", notes)
    return made, tuple(notes)


def _said(policy: Any) -> dict[str, object]:  # noqa: ANN401  (any group of parameters)
    return {
        name: _said(value) if is_dataclass(value) else value
        for name, value in named(policy).items()
    }


def _remade(default: Any, said: Mapping[str, Json], path: str, notes: list[str]) -> object:  # noqa: ANN401  (any group of parameters)
    """An object like `default` with the values of `said`."""
    values: dict[str, object] = {}
    known = named(default)
    for name, value in said.items():
        if name not in known:
            notes.append(f"the log's policy sets {path}{name}, which this version does not have")
        elif is_dataclass(known[name]) and isinstance(value, dict):
            values[name] = _remade(known[name], value, f"{path}{name}.", notes)
        else:
            values[name] = _frozen(value)
    for name, now in known.items():
        if name not in said:
            notes.append(f"the log's policy lacks {path}{name}; the default, {now!r}, is used")
    try:
        return changed(default, values)
    except TypeError as error:
        raise ValueError(f"the log's policy cannot be used: {error}") from error


def _frozen(value: Json) -> object:
    """Lists, which JSON made of tuples, as tuples again."""
    return tuple([_frozen(each) for each in value]) if isinstance(value, list) else value
