"""Structured logs on standard error: one JSON object a line, or colours on a terminal.

Standard output belongs to the one line that says where the service listens.
"""

import atexit
import functools
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any, Final, Literal, TextIO, cast

from opentelemetry import trace

from hasten_runtime.lean_imports import absent
from hasten_runtime.log_sink import DRAIN_S_MAX, LogSink, PatientStream

with absent("rich"):  # For tracebacks, of which ours are plain.
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

Format = Literal["auto", "json", "console"]
_WITHOUT_COLOURS: Final = frozenset({"", "dumb", "unknown"})
"""Terminals (TERM) that may show the codes of colours as they are."""

_STDERR: Final = 2


def configure(
    service: str,
    *,
    level: str = "info",
    fmt: Format = "auto",
    stream: TextIO | None = None,
    **facts: str,
) -> None:
    """Sets up structlog, and the standard library's logging through it. May be called again.

    A log that cannot be written, or that nobody reads, neither raises nor holds anybody up.

    Args:
        service: Named on every line.
        level: debug, info, warning, error or critical.
        fmt: auto writes for people on a terminal and JSON elsewhere.
        stream: Where to; standard error when None.
        facts: Further constant fields of every line, as the instance's name.
    """
    target = stream or sys.stderr or _nowhere()
    sink = _sink_of(target)
    # gRPC's core writes lines of its own, which no JSON parser takes; errors are worth it.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    number = logging.getLevelNamesMapping()[level.upper()]
    human = fmt == "console" or (fmt == "auto" and target.isatty())
    shared = _shared_processors({"service": service, **facts})
    renderer = _renderer(target, human=human)
    structlog.configure(
        processors=[*shared, *_exceptions(human=human), renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(sink),
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, _add_component],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_exceptions(human=human),
            renderer,
        ],
    )
    handler = logging.StreamHandler(sink)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries talk a lot below warning.
    root.setLevel(max(number, logging.WARNING))
    logging.captureWarnings(capture=True)


def drain(timeout_s: float = DRAIN_S_MAX) -> None:
    """Waits, not for long, until what was said is written; for whoever ends the process at once."""
    if _stderr_sink.cache_info().currsize:
        _stderr_sink().drain(timeout_s)


def _sink_of(target: TextIO) -> TextIO:
    # The standard streams of a program are wrapped; see `standard_streams`.
    if getattr(target, "behind", target) is sys.__stderr__:
        return cast("TextIO", _stderr_sink())
    return cast("TextIO", PatientStream(target))


@functools.cache
def _stderr_sink() -> LogSink:
    sink = LogSink(_STDERR, _lost_line)
    atexit.register(sink.drain)
    return sink


def _lost_line(lines: int) -> str:
    return json.dumps({"event": "log.lost", "level": "warning", "lines": lines}) + "\n"


@functools.cache
def _nowhere() -> TextIO:
    """For a process that was started without standard error. It most likely gets its number, too,
    so that nothing else does that is not to be written to.
    """
    return Path(os.devnull).open("w", encoding="utf-8")


def logger(name: str) -> FilteringBoundLogger:
    """A logger; usable at import, as it takes effect when first used.

    Log sparingly: a line costs tens of microseconds, so never one per request.
    """
    bound: FilteringBoundLogger = structlog.get_logger(component=name)
    return bound


def _shared_processors(constants: dict[str, str]) -> list[Processor]:
    def add_constants(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        for key, value in constants.items():
            event.setdefault(key, value)
        return event

    return [
        structlog.contextvars.merge_contextvars,
        add_constants,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_trace,
    ]


def _add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Ids of the active span, so that a line leads to its trace."""
    span = trace.get_current_span().get_span_context()
    if span.is_valid:
        event["trace_id"] = trace.format_trace_id(span.trace_id)
        event["span_id"] = trace.format_span_id(span.span_id)
    return event


def _add_component(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Names the library that a line of the standard logging came from."""
    record: logging.LogRecord = event["_record"]
    event["component"] = record.name
    return event


def _exceptions(*, human: bool) -> list[Processor]:
    # The console renderer prints tracebacks itself.
    return [] if human else [structlog.processors.format_exc_info]


def _renderer(target: TextIO, *, human: bool) -> Any:  # noqa: ANN401  (structlog's own type)
    if human:
        known = os.environ.get("TERM", "") not in _WITHOUT_COLOURS
        colours = target.isatty() and known and not os.environ.get("NO_COLOR")
        return structlog.dev.ConsoleRenderer(
            colors=colours, exception_formatter=structlog.dev.plain_traceback
        )
    return structlog.processors.JSONRenderer(default=str)
