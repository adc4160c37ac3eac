"""Faults of settings, in sentences."""

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, SecretStr, ValidationError

from hasten_runtime.settings.base import Leaf, leaves

_SECRET_IN_URL = re.compile(r"(://[^/@:]*:)[^/@]+@")
_HIDDEN = "**********"


@dataclass(frozen=True, slots=True)
class Source:
    """Where values came from.

    Attributes:
        kind: flag, variable or file.
        values: Nested by group.
        name: Of the file; empty for the others.
    """

    kind: str
    values: Mapping[str, Any]
    name: str = ""


def unknown_variables(model: type[BaseModel], prefix: str, environ: Iterable[str]) -> list[str]:
    """Sentences on variables with the service's prefix that set nothing.

    Unknown names inside a known group are found with the values; this is for the first level.
    """
    known = {leaf.variable(prefix) for leaf in leaves(model)}
    groups = {prefix + name.upper() for name in model.model_fields}
    return [
        f"{name} is no setting{suggestion(name, known, lead=prefix)}"
        for name in sorted(environ)
        if name.startswith(prefix) and name.split("__")[0] not in groups
    ]


def sentences(
    error: ValidationError, model: type[BaseModel], prefix: str, sources: Sequence[Source]
) -> list[str]:
    """One sentence for each fault that validation found."""
    known = {leaf.path: leaf for leaf in leaves(model)}
    return [
        _sentence(fault["loc"], fault["type"], fault["msg"], _Context(known, prefix, sources))
        for fault in error.errors(include_url=False, include_context=False)
    ]


def suggestion(name: str, known: Iterable[str], *, lead: str = "") -> str:
    """What to append to a sentence on a wrong name: the known name that is close to the wrong
    one, else where all names stand.

    Args:
        name: The wrong name.
        known: The right names.
        lead: What all names begin with; a lead that is shared makes no two names alike.
    """
    full = {one.removeprefix(lead): one for one in known}
    close = difflib.get_close_matches(name.removeprefix(lead), full, n=1, cutoff=0.7)
    return f"; did you mean {full[close[0]]}?" if close else "; --help-all shows all settings"


def masked(value: object) -> str:
    """The value for people's eyes: secrets and passwords in URLs hidden."""
    if isinstance(value, SecretStr):
        return _HIDDEN if value.get_secret_value() else ""
    return _SECRET_IN_URL.sub(rf"\g<1>{_HIDDEN}@", str(value))


@dataclass(frozen=True, slots=True)
class _Context:
    known: Mapping[tuple[str, ...], Leaf]
    prefix: str
    sources: Sequence[Source]


def _sentence(loc: tuple[int | str, ...], kind: str, message: str, context: _Context) -> str:
    path = tuple(str(part) for part in loc)
    found = next(
        (found for source in context.sources if (found := _found(source, loc)) is not None), None
    )
    leaf = _leaf(path, context.known)
    if kind == "missing":
        ways = f"{leaf.variable(context.prefix)} or {leaf.flag}" if leaf else "the environment"
        return f"{'.'.join(path)} must be set, in the file or by {ways}"
    if found is None:
        return f"{'.'.join(path) or 'the settings'}: {_expectation(message)}"
    source, value = found
    where = _name(path, source, context.prefix)
    if kind == "extra_forbidden":
        groups = {known[:-1] for known in context.known if len(known) > 1}
        names = {_name(known, source, context.prefix) for known in {*context.known, *groups}}
        near = suggestion(where, names, lead=_name((), source, context.prefix))
        return f"{where}{_of(source)} is no setting{near}"
    secret = leaf is not None and leaf.field.annotation is SecretStr
    shown = _HIDDEN if secret else repr(masked(value) if isinstance(value, str) else value)
    return f"{where}{_of(source)} is {shown}: {_expectation(message)}"


def _leaf(path: tuple[str, ...], known: Mapping[tuple[str, ...], Leaf]) -> Leaf | None:
    """The setting at the path, or the list that the path leads into."""
    return next((known[path[:n]] for n in range(len(path), 0, -1) if path[:n] in known), None)


def _expectation(message: str) -> str:
    return message.removeprefix("Value error, ").removeprefix("Input ").rstrip(".")


def _found(source: Source, loc: tuple[int | str, ...]) -> tuple[Source, object] | None:
    """The value at the place, or the text that a list was split from."""
    value: object = source.values
    for part in loc:
        if isinstance(value, Mapping):
            if part not in value:
                return None
            value = value[part]
        elif isinstance(value, Sequence) and not isinstance(value, str) and isinstance(part, int):
            value = value[part]
    return None if value is source.values else (source, value)


def _name(path: tuple[str, ...], source: Source, prefix: str) -> str:
    """What the operator wrote."""
    if source.kind == "variable":
        return prefix + "__".join(path).upper()
    if source.kind == "flag":
        return "--" + ".".join(path).replace("_", "-")
    return ".".join(path)


def _of(source: Source) -> str:
    return f" in {source.name}" if source.name else ""
