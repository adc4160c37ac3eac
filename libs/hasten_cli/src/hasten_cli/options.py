"""Options that several verbs share."""

from typing import Annotated

import typer

from hasten_cli.durations import parse_duration_s

Address = Annotated[
    str,
    typer.Option(
        "--address", "-a", envvar="HASTEN_ADDRESS", help="Router (or worker) to ask, host:port."
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def duration_s(text: str) -> float:
    """A duration option in seconds. Raises typer.BadParameter."""
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
