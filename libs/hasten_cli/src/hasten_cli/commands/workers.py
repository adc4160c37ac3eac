"""`hasten workers`: list, drain."""

from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import Address, AsJson, duration

app = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="The workers, as the router sees them."
)


@app.command("list")
def list_workers(address: Address = "localhost:8001", as_json: AsJson = False) -> None:
    """List the workers with their standing, load and models."""
    from hasten_cli import worker_verbs

    with reported(as_json=as_json):
        worker_verbs.list_workers(address, as_json=as_json)


@app.command()
def drain(
    worker: Annotated[str, typer.Argument(help="Name of the worker.", show_default=False)],
    patience: Annotated[
        float,
        duration("Longest wait for the calls it has accepted, as 30s.", show_default=True),
    ] = "30s",  # type: ignore[assignment]  # text that the option's parser reads
    address: Address = "localhost:8001",
    as_json: AsJson = False,
) -> None:
    """Take a worker out of rotation and wait until it is idle."""
    from hasten_cli import worker_verbs

    with reported(as_json=as_json):
        worker_verbs.drain(address, worker, patience, as_json=as_json)
