"""`hasten dag`."""

from pathlib import Path
from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import TASKS_ADDRESS, AsJson, TasksAddress, Tenant, duration

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Several models that feed each other, accepted as one thing.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the DAG.", show_default=False)]
Names = Annotated[
    list[str], typer.Argument(metavar="NAME...", help="Names of DAGs.", show_default=False)
]
File = Annotated[
    Path, typer.Argument(metavar="FILE", help="A .toml or .json file.", show_default=False)
]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="An input of the DAG, instead of the file's: JSON or text, @file.npy, @random.",
        show_default=False,
    ),
]
Called = Annotated[
    str,
    typer.Option(
        "--name", help="Names the DAG: repeated with it, this finds the first one. [the file's]"
    ),
]
Deadline = Annotated[
    float | None, duration("Time within which it has to end, as 2m. [default: the file's, or 1h]")
]
Timeout = Annotated[float | None, duration("Longest wait, as 30s. [default: as long as it takes]")]


@app.command()
def submit(  # noqa: PLR0913, PLR0917  (one parameter an option)
    file: File,
    name: Called = "",
    inputs: Inputs = None,
    deadline: Deadline = None,
    tenant: Tenant = "",
    wait: Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")] = False,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Submit the DAG of a file: it is checked against its models, stored, and run by its deadline.

    For example: hasten dag submit recommend.toml --name order-17 -i image=@photo.npy --wait
    """
    from hasten_cli import dag_verbs

    with reported(as_json=as_json):
        options = dag_verbs.DagOptions(
            address=address,
            file=file,
            name=name,
            inputs=tuple(inputs or ()),
            deadline_s=deadline,
            tenant=tenant,
            wait=wait,
        )
        dag_verbs.submit(options, as_json=as_json)


@app.command()
def get(
    name: Name, tenant: Tenant = "", address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False
) -> None:
    """Show a DAG: the timeline of its steps, what keeps them, and its outputs once it is done."""
    from hasten_cli import dag_verbs

    with reported(as_json=as_json):
        dag_verbs.get(address, name, tenant, as_json=as_json)


@app.command()
def wait(
    name: Name,
    tenant: Tenant = "",
    timeout: Timeout = None,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Wait until a DAG has ended. Exits with 1 if it did not end well."""
    from hasten_cli import dag_verbs

    with reported(as_json=as_json):
        dag_verbs.wait(address, name, tenant, timeout, as_json=as_json)


@app.command("list")
def list_dags(
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only this tenant's.", show_default=False)
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, help="So many at most.")] = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List DAGs, in no order."""
    from hasten_cli import dag_verbs

    with reported(as_json=as_json):
        dag_verbs.list_dags(address, tenant, most, as_json=as_json)


@app.command()
def cancel(
    names: Names,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """End DAGs and their tasks."""
    from hasten_cli import dag_verbs

    with reported(as_json=as_json):
        dag_verbs.cancel(address, names, tenant, as_json=as_json)
