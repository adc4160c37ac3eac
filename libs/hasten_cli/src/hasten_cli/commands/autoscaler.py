"""`hasten plan`, `hasten explain` and `hasten what-if`."""

from typing import Annotated, Final

import typer

from hasten_cli.calls import PLAN_VARIABLE
from hasten_cli.failures import reported
from hasten_cli.options import AsJson

ADDRESS: Final = "localhost:8005"
AutoscalerAddress = Annotated[
    str,
    typer.Option(
        "--address",
        "-a",
        envvar=PLAN_VARIABLE,
        help="Autoscaler to ask, host:port.",
    ),
]

explain = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Why things are as they are."
)


@explain.callback()
def _explain() -> None:
    """Why things are as they are."""


def plan(
    review: Annotated[
        bool, typer.Option("--review", help="Judge past decisions by what came of them.")
    ] = False,
    address: AutoscalerAddress = ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Show how many workers there are and should be, and why."""
    from hasten_cli import autoscaler_verbs

    with reported(as_json=as_json):
        if review:
            autoscaler_verbs.review(address, as_json=as_json)
        else:
            autoscaler_verbs.plan(address, as_json=as_json)


@explain.command("scale")
def explain_scale(
    number: Annotated[
        int, typer.Option(min=0, help="Number of a decision; 0 for the last.", show_default=False)
    ] = 0,
    last: Annotated[int, typer.Option(min=1, max=512, help="So many decisions.")] = 1,
    address: AutoscalerAddress = ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Say why the autoscaler decided as it did."""
    from hasten_cli import autoscaler_verbs

    with reported(as_json=as_json):
        autoscaler_verbs.explain(address, number, last, as_json=as_json)


def what_if(
    demand: Annotated[
        float, typer.Option(min=0.0, help="Demand is multiplied by this number.")
    ] = 1.0,
    workers: Annotated[
        int | None,
        typer.Option(
            min=0, help="With so many workers. [default: as many as are needed]", show_default=False
        ),
    ] = None,
    workers_max: Annotated[
        int | None,
        typer.Option(
            min=1, help="With this bound. [default: the bound in effect]", show_default=False
        ),
    ] = None,
    budget: Annotated[
        float | None,
        typer.Option(
            min=0.0,
            help="With this budget an hour. [default: the budget in effect]",
            show_default=False,
        ),
    ] = None,
    address: AutoscalerAddress = ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Say what would be with other demand, or with another number of workers."""
    from hasten_cli import autoscaler_verbs

    with reported(as_json=as_json):
        question = autoscaler_verbs.Question(demand, workers, workers_max, budget)
        autoscaler_verbs.what_if(address, question, as_json=as_json)
