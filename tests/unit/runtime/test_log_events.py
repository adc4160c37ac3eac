"""Log events are named alike: who it is about, a dot, what happened."""

import ast
import re
from collections.abc import Iterator

from tests.support.sources import ROOT, python_files

LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}
FORM = re.compile(r"[a-z][a-z_]*\.[a-z][a-z_]*")


def events() -> Iterator[tuple[str, str]]:
    """Where an event is logged, and its name."""
    for path in python_files("libs", "services"):
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(ast.Name("_log"), level), args=[name, *_]) if (
                    level in LEVELS
                ):
                    yield f"{path.relative_to(ROOT)}:{node.lineno}", ast.literal_eval(name)


def test_the_name_of_a_log_event_says_whom_it_is_about_and_what_happened() -> None:
    found = list(events())
    assert len(found) > 40
    odd = [f"{where}: {name}" for where, name in found if not FORM.fullmatch(name)]
    assert not odd, "\n".join(odd)
