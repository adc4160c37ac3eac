"""The list of names and the code agree: nothing is emitted that is not listed, nor the reverse."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from hasten_runtime import telemetry_names

ROOT = Path(__file__).resolve().parents[2]
LISTED = {name: value for name, value in vars(telemetry_names).items() if name.isupper()}
MODULE = "telemetry_names"

# Calls whose first argument, or the keys of whose mapping, are names that are emitted.
NAMING = {
    "Counter",
    "Gauge",
    "Histogram",
    "add_event",
    "set_attribute",
    "start_as_current_span",
    "start_batch",
    "start_call",
    "watched",
}


@cache
def sources() -> tuple[tuple[Path, ast.Module], ...]:
    return tuple(
        (path, ast.parse(path.read_text()))
        for folder in ("libs", "services")
        for path in sorted((ROOT / folder).glob("*/src/**/*.py"))
        if "hasten_protos" not in path.parts and path.stem != MODULE
    )


def aliases(tree: ast.Module) -> set[str]:
    """What the module of names is called in a file."""
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
        if alias.name == MODULE
    }


@cache
def used_names() -> dict[str, list[Path]]:
    used: dict[str, list[Path]] = {}
    for path, tree in sources():
        known_as = aliases(tree)
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.Attribute)
                and isinstance(node.value, ast.Name)
                and node.value.id in known_as
            ):
                used.setdefault(node.attr, []).append(path)
    return used


def test_every_name_that_is_used_is_listed() -> None:
    unlisted = {name: paths for name, paths in used_names().items() if name not in LISTED}
    assert not unlisted


def test_every_name_that_is_listed_is_used() -> None:
    assert sorted(set(LISTED) - set(used_names())) == []


def test_no_name_is_written_where_it_is_emitted() -> None:
    """A span, event, attribute or metric is named by the list, never by a text on the spot."""
    written = []
    for path, tree in sources():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and node.args):
                continue
            function = node.func
            name = function.attr if isinstance(function, ast.Attribute) else None
            name = function.id if isinstance(function, ast.Name) else name
            first = node.args[0]
            if name in NAMING and isinstance(first, ast.Constant) and isinstance(first.value, str):
                written.append(f"{path.relative_to(ROOT)}:{node.lineno} {first.value}")
    assert written == []


@pytest.mark.parametrize("name", sorted(LISTED))
def test_a_name_has_the_form_of_its_kind(name: str) -> None:
    value = LISTED[name]
    if name.startswith("METRIC_"):
        assert re.fullmatch(r"hasten_[a-z]+(_[a-z]+)*", value)
    elif name.startswith(("SPAN_", "EVENT_")):
        assert re.fullmatch(r"hasten(\.[a-z_]+)+", value)
    else:
        assert name.startswith("ATTR_")
        assert re.fullmatch(r"[a-z]+(\.[a-z_]+)+", value)


def test_no_two_names_are_one() -> None:
    assert len(set(LISTED.values())) == len(LISTED)
