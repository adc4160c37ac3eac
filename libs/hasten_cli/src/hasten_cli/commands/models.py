"""`hasten models`: list, load, unload, show."""

from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import Address, AsJson, duration

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="The models of the mesh.")

Name = Annotated[str, typer.Argument(help="Model name.", show_default=False)]
Version = Annotated[str, typer.Option("--version", help="Version; empty for the newest.")]
Patience = Annotated[
    float,
    duration("Longest wait, as 30s.", "--timeout", show_default=True),
]


@app.command("list")
def list_models(address: Address = "localhost:8001", as_json: AsJson = False) -> None:
    """List the models, their versions and states."""
    from hasten_cli import model_verbs

    with reported(as_json=as_json):
        model_verbs.list_models(address, as_json=as_json)


@app.command()
def show(
    model: Name,
    version: Version = "",
    address: Address = "localhost:8001",
    as_json: AsJson = False,
) -> None:
    """Show what a model takes and gives, and what it did so far."""
    from hasten_cli import model_verbs

    with reported(as_json=as_json):
        model_verbs.show(address, model, version, as_json=as_json)


@app.command()
def load(
    model: Name,
    timeout: Patience = "5m",  # type: ignore[assignment]  # text that the option's parser reads
    address: Address = "localhost:8001",
    as_json: AsJson = False,
) -> None:
    """Load a model, or load it again; ends when it serves."""
    from hasten_cli import model_verbs

    with reported(as_json=as_json):
        model_verbs.load(address, model, timeout, as_json=as_json)


@app.command()
def unload(
    model: Name,
    timeout: Patience = "5m",  # type: ignore[assignment]  # text that the option's parser reads
    address: Address = "localhost:8001",
    as_json: AsJson = False,
) -> None:
    """Unload a model; calls that are under way are finished."""
    from hasten_cli import model_verbs

    with reported(as_json=as_json):
        model_verbs.unload(address, model, timeout, as_json=as_json)
