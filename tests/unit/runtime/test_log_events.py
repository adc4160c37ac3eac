"""Log events are named alike: who it is about, a dot, what happened."""

import ast
import re
from collections.abc import Iterator

from hasten_router.settings import RouterSettings
from hasten_runtime.settings.base import leaves
from hasten_scheduler.settings import SchedulerSettings
from hasten_worker.settings import WorkerSettings
from tests.support.sources import ROOT, python_files

UNREACHABLE = {"StoreUnavailable", "RegistryTrouble"}
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


def lost_services() -> Iterator[tuple[str, str]]:
    """Where it is logged that Redis or a registry cannot be reached, and the log call."""
    for path in python_files("libs", "services"):
        for handler in ast.walk(ast.parse(path.read_text())):
            if not isinstance(handler, ast.ExceptHandler) or handler.type is None:
                continue
            if not UNREACHABLE & {n.id for n in ast.walk(handler.type) if isinstance(n, ast.Name)}:
                continue
            for node in ast.walk(handler):
                match node:
                    case ast.Call(func=ast.Attribute(ast.Name("_log"))):
                        helps = [word.value for word in node.keywords if word.arg == "help"]
                        yield (
                            f"{path.relative_to(ROOT)}:{node.lineno}",
                            "".join(ast.literal_eval(text) for text in helps),
                        )


def test_that_something_cannot_be_reached_is_logged_with_the_setting_to_look_at() -> None:
    found = list(lost_services())
    assert len(found) >= 7
    settings = {
        leaf.key
        for service in (RouterSettings, SchedulerSettings, WorkerSettings)
        for leaf in leaves(service)
    }
    bare = [
        where
        for where, text in found
        if not (setting := re.search(r"look at the setting ([a-z_.]+)$", text))
        or setting[1] not in settings
    ]
    assert not bare, "\n".join(bare)


def test_the_name_of_a_log_event_says_whom_it_is_about_and_what_happened() -> None:
    found = list(events())
    assert len(found) > 40
    odd = [f"{where}: {name}" for where, name in found if not FORM.fullmatch(name)]
    assert not odd, "\n".join(odd)
