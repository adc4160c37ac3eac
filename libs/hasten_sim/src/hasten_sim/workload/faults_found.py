"""What is wrong with a workload file, in sentences that name the key."""

from collections.abc import Sequence
from difflib import get_close_matches
from typing import Any, Final, Literal, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hasten_sim.workload.file_table import FileTable

TAGS: Final = ("process", "kind")
"""Keys whose value decides which other keys their table has."""
SHOWN_CHARACTERS_MAX: Final = 60


class WorkloadError(ValueError):
    """A workload file cannot be used.

    Attributes:
        faults: One sentence each, "file: key: found ..., expected ...".
    """

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("\n".join(faults))
        self.faults = tuple(faults)


def faults_of(error: ValidationError, source: str) -> list[str]:
    """Every fault that validation against FileTable found."""
    # A value that fits none of several types is reported once for each of them.
    expected: dict[tuple[str, str], list[str]] = {}
    for detail in error.errors(include_url=False):
        if _spurious(detail):
            continue
        tables, key = _place(detail["loc"], unknown=detail["type"] == "extra_forbidden")
        found, wanted = _sentence(detail, tables)
        discriminator = detail.get("ctx", {}).get("discriminator")
        if discriminator:
            key = f"{key}.{discriminator.strip(chr(39))}"
        expected.setdefault((key, found), []).append(wanted)
    return [f"{source}: {key}: {found}{' or '.join(w)}" for (key, found), w in expected.items()]


def _spurious(detail: ErrorDetails) -> bool:
    """A list counts as too short when entries of it are wrong; those are named anyway."""
    return detail["type"] == "too_short" and len(detail["input"]) >= detail["ctx"]["min_length"]


def _sentence(detail: ErrorDetails, tables: list[type[BaseModel]]) -> tuple[str, str]:
    """What was found, and what was expected in its place."""
    context = detail.get("ctx", {})
    found = f"found {_shown(detail['input'])}, expected "
    match detail["type"]:
        case "missing":
            sentence = "missing", _purpose(str(detail["loc"][-1]), tables)
        case "union_tag_not_found":
            tags = sorted(tag for table in tables for tag in _tags(table))
            sentence = "missing, expected ", " or ".join(map(repr, tags))
        case "union_tag_invalid":
            sentence = f"found {context['tag']!r}, expected ", context["expected_tags"]
        case "extra_forbidden":
            sentence = "unknown key", _meant(str(detail["loc"][-1]), tables)
        case "value_error":
            sentence = "expected ", str(context["error"])
        case "too_short":
            sentence = found, f"at least {context['min_length']} of them"
        case "too_long":
            sentence = found, f"at most {context['max_length']} of them"
        case _:
            wanted = detail["msg"].removeprefix("Input should be ")
            wanted = wanted.removeprefix("String should have ")
            sentence = found, wanted.replace("a valid tuple", "a list")
    return sentence


def _purpose(key: str, tables: list[type[BaseModel]]) -> str:
    known = [table.model_fields[key] for table in tables if key in table.model_fields]
    said = known[0].description if known else None
    return f" ({said.rstrip('.')})" if said else ""


def _meant(key: str, tables: list[type[BaseModel]]) -> str:
    known = sorted({name for table in tables for name in table.model_fields})
    close = get_close_matches(key, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else f", expected one of {', '.join(known)}"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= SHOWN_CHARACTERS_MAX else f"{text[:SHOWN_CHARACTERS_MAX]}..."


# --- where it is ------------------------------------------------------------------------------


def _place(loc: tuple[int | str, ...], *, unknown: bool) -> tuple[list[type[BaseModel]], str]:
    """The tables that can stand at the end of `loc` (or hold its unknown last key), its name."""
    tables: list[type[BaseModel]] = [FileTable]
    key = ""
    for part in loc:
        if isinstance(part, int):
            key += f"[{part}]"
            continue
        tagged = [table for table in tables if part in _tags(table)]
        if tagged and not any(part in table.model_fields for table in tables):
            tables = tagged
            continue
        fields = [table.model_fields[part] for table in tables if part in table.model_fields]
        if fields or (unknown and part == loc[-1]):
            key += f".{part}" if key else part
        inner = [table for field in fields for table in _tables_in(field.annotation)]
        if inner:
            tables = inner
    return tables, key or "the file"


def _tags(table: type[BaseModel]) -> tuple[str, ...]:
    """The one value of its deciding key; nothing for tables without such a key."""
    for name in TAGS:
        field = table.model_fields.get(name)
        if field is not None and get_origin(field.annotation) is Literal:
            values = get_args(field.annotation)
            return values if len(values) == 1 else ()
    return ()


def _tables_in(annotation: Any) -> list[type[BaseModel]]:  # noqa: ANN401  (a type expression)
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [table for inner in get_args(annotation) for table in _tables_in(inner)]
