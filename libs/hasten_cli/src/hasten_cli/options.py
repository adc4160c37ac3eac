"""Options that several verbs share."""

from typing import Annotated, Any

import typer

from hasten_cli.durations import parse_duration_s

Address = Annotated[
    str,
    typer.Option(
        "--address", "-a", envvar="HASTEN_ADDRESS", help="Router (or worker) to ask, host:port."
    ),
]
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


def _duration_s(text: str) -> float:
    """A duration in seconds. Raises typer.BadParameter."""
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
