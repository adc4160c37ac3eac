"""`hasten infer`."""

from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import Address, AsJson, duration


def infer(  # noqa: PLR0913, PLR0917  (one parameter an option)
    model: Annotated[str, typer.Argument(help="Model name.", show_default=False)],
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            metavar="NAME=VALUE",
            help="One input: JSON or text, @file.npy, @file.json, @random, @zeros or @ones.",
            show_default=False,
        ),
    ] = None,
    deadline: Annotated[
        float | None,
        duration("Time within which the answer is of use, as 50ms. [default: the model's]"),
    ] = None,
    priority: Annotated[
        str, typer.Option(help="high, normal, low, batch, or a level: 1 is the highest.")
    ] = "normal",
    tenant: Annotated[str, typer.Option(help="Who pays.", show_default=False)] = "",
    version: Annotated[
        str, typer.Option("--version", help="Model version.", show_default=False)
    ] = "",
    timing: Annotated[bool, typer.Option("--timing", help="Show where the time went.")] = False,
    count: Annotated[int, typer.Option(min=1, help="Send it so many times, one by one.")] = 1,
    address: Address = "localhost:8001",
    as_json: AsJson = False,
) -> None:
    """Run one inference and print its outputs.

    Without --input it says what the model takes and gives an example.
    """
    from hasten_cli.infer_verb import InferOptions
    from hasten_cli.infer_verb import infer as run

    with reported(as_json=as_json):
        run(
            InferOptions(
                address=address,
                model=model,
                version=version,
                inputs=tuple(inputs or ()),
                deadline_s=deadline,
                priority=priority,
                tenant=tenant,
                timing=timing,
                count=count,
            ),
            as_json=as_json,
        )
