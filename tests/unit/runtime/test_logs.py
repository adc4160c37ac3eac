"""Logs are one JSON object a line, unless a person is reading."""

import io
import json
import logging
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from opentelemetry import trace

from hasten_runtime import logs


class Terminal(io.StringIO):
    """A stream that a person reads."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is global: what a test set up goes with it."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_a_json_object_with_time_level_service_and_facts() -> None:
    stream = io.StringIO()
    logs.configure("router", stream=stream, instance="r1")
    structlog.contextvars.bind_contextvars(tenant="blue")
    logs.logger("some.module").info("worker.joined", worker="w1", took_s=0.5)
    (line,) = lines(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "worker.joined",
        "level": "info",
        "service": "router",
        "instance": "r1",
        "component": "some.module",
        "tenant": "blue",
        "worker": "w1",
        "took_s": 0.5,
    }


def test_a_logger_made_at_import_follows_the_configuration() -> None:
    early = logs.logger("early")
    stream = io.StringIO()
    logs.configure("worker", level="warning", stream=stream)
    early.info("not.told")
    early.warning("told")
    again = io.StringIO()
    logs.configure("worker", level="info", stream=again)
    early.info("told.too")
    assert [line["event"] for line in lines(stream)] == ["told"]
    assert [line["event"] for line in lines(again)] == ["told.too"]


def test_an_exception_is_one_line_with_its_traceback() -> None:
    stream = io.StringIO()
    logs.configure("worker", stream=stream)
    try:
        int("wrong\nin two lines")
    except ValueError as error:
        logs.logger("x").error("rpc.crashed", exc_info=error)
    (line,) = lines(stream)
    assert "Traceback" in line["exception"]
    assert "wrong" in line["exception"]
    assert len(stream.getvalue().splitlines()) == 1


def test_lines_within_a_span_lead_to_its_trace() -> None:
    stream = io.StringIO()
    logs.configure("worker", stream=stream)
    span = trace.NonRecordingSpan(trace.SpanContext(0xABC, 0xDEF, is_remote=False))
    with trace.use_span(span):
        logs.logger("x").info("inside")
    logs.logger("x").info("outside")
    inside, outside = lines(stream)
    assert (inside["trace_id"], inside["span_id"]) == (f"{0xABC:032x}", f"{0xDEF:016x}")
    assert "trace_id" not in outside


def test_libraries_speak_json_too_and_only_from_warning_on() -> None:
    stream = io.StringIO()
    logs.configure("worker", level="debug", stream=stream)
    logging.getLogger("their.library").info("chatter")
    logging.getLogger("their.library").warning("careful: %s", "this")
    (line,) = lines(stream)
    assert (line["event"], line["component"], line["level"], line["service"]) == (
        "careful: this",
        "their.library",
        "warning",
        "worker",
    )


def test_a_warning_of_python_becomes_a_line() -> None:
    stream = io.StringIO()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logs.configure("worker", stream=stream)
        warnings.warn("old way", DeprecationWarning, stacklevel=1)
        logging.captureWarnings(capture=False)
    (line,) = lines(stream)
    assert "old way" in line["event"]


def test_what_json_cannot_hold_is_told_as_text() -> None:
    stream = io.StringIO()
    logs.configure("worker", stream=stream)
    logs.logger("x").info("odd", value={1}, data=b"\xff")
    (line,) = lines(stream)
    assert line["value"] == "{1}"


@pytest.mark.parametrize(
    ("terminal", "no_colour", "coloured"),
    [("xterm", "", True), ("xterm", "1", False), ("dumb", "", False), ("", "", False)],
)
def test_a_person_reads_colours_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, terminal: str, no_colour: str, *, coloured: bool
) -> None:
    monkeypatch.setenv("TERM", terminal)
    monkeypatch.setenv("NO_COLOR", no_colour)
    stream = Terminal()
    logs.configure("router", stream=stream)
    logs.logger("x").info("router.ready", address="a:1")
    text = stream.getvalue()
    assert "router.ready" in text
    assert not text.startswith("{")
    assert ("\x1b[" in text) == coloured


def test_the_form_can_be_chosen() -> None:
    terminal, file = Terminal(), io.StringIO()
    logs.configure("router", fmt="json", stream=terminal)
    logs.logger("x").info("one")
    logs.configure("router", fmt="console", stream=file)
    logs.logger("x").info("two")
    assert lines(terminal)[0]["event"] == "one"
    assert not file.getvalue().startswith("{")
    assert "\x1b[" not in file.getvalue()
