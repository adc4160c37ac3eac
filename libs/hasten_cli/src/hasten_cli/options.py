"""Options that several verbs share."""

from typing import Annotated, Any, Final

import typer

from hasten_cli.calls import TASKS_VARIABLE
from hasten_cli.durations import parse_duration_s
from hasten_cli.sizes import parse_size_bytes

Address = Annotated[
    str,
    typer.Option(
        "--address", "-a", envvar="HASTEN_ADDRESS", help="Router (or worker) to ask, host:port."
    ),
]
TasksAddress = Annotated[
    str,
    typer.Option("--address", "-a", envvar=TASKS_VARIABLE, help="Scheduler to ask, host:port."),
]
TASKS_ADDRESS: Final = "localhost:8003"
Tenant = Annotated[str, typer.Option(help="Who pays.", show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def duration(says: str, *names: str, show_default: bool = False) -> Any:  # noqa: ANN401  (as typer.Option)
    """An option that is typed as a duration, as 50ms, and given in seconds.

    Args:
        says: Its help.
        names: As "--timeout"; none for that of the parameter.
        show_default: In its help.
    """
    return typer.Option(
        *names, parser=_duration_s, metavar="DURATION", help=says, show_default=show_default
    )


def message_bytes_max(text: str) -> int:
    """Parses a limit of messages. Raises typer.BadParameter."""
    from hasten_runtime.message_limit import GRPC_BYTES_MAX, MESSAGE_BYTES_MIN

    try:
        size = parse_size_bytes(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    if not MESSAGE_BYTES_MIN <= size <= GRPC_BYTES_MAX:
        raise typer.BadParameter(
            f"{text!r} is no limit for messages: it must be between {MESSAGE_BYTES_MIN} and "
            f"{GRPC_BYTES_MAX} bytes"
        )
    return size


def _duration_s(text: str) -> float:
    """A duration in seconds. Raises typer.BadParameter."""
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
