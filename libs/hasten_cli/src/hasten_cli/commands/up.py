"""`hasten up`."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final

import typer

from hasten_cli.failures import reported
from hasten_cli.local.worker_range import WorkerRange
from hasten_cli.options import AsJson, message_bytes_max

WORKERS_MAX: Final = 64
"""Most workers of one run."""


class Control(StrEnum):
    """How the model repository is controlled."""

    POLL = "poll"
    EXPLICIT = "explicit"
    NONE = "none"


Record = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="Router and workers record their event logs there, for `hasten simulate --replay`.",
        show_default=False,
    ),
]
MessageLimit = Annotated[
    int | None,
    typer.Option(
        "--message-limit",
        parser=message_bytes_max,
        metavar="SIZE",
        help="Router and workers take messages up to this size, as 64MiB. [default: 2147483647 "
        "bytes, what Triton's clients allow]",
        show_default=False,
    ),
]


Models = Annotated[
    Path | None,
    typer.Option(
        envvar="HASTEN_MODELS",
        readable=False,  # Checked later, with a next step.
        help="The workers serve the models of this folder. [default: ./models, "
        "./examples/models, or a sample]",
    ),
]
Workers = Annotated[int, typer.Option(min=1, max=WORKERS_MAX, help="So many workers run.")]
Schedulers = Annotated[
    int, typer.Option(min=0, max=64, help="So many schedulers keep tasks; 0 for no tasks.")
]
TasksPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Clients reach the first scheduler at this port; 0 takes any. [default: 2 above "
        "--port]",
        show_default=False,
    ),
]
Port = Annotated[
    int, typer.Option(min=0, max=65535, help="Clients reach the router at this port; 0 takes any.")
]
HttpPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Clients that speak HTTP reach the router at this port; 0 takes any. [default: 1 "
        "below --port]",
        show_default=False,
    ),
]
MetricsPort = Annotated[
    int,
    typer.Option(min=0, max=65535, help="The router serves its metrics at this port; 0 takes any."),
]
Host = Annotated[
    str, typer.Option(help="The router listens on this interface; 0.0.0.0 lets other machines in.")
]
Processes = Annotated[
    int, typer.Option(min=1, max=64, help="So many processes share the router's port.")
]
HowControlled = Annotated[
    Control,
    typer.Option(
        help="poll follows changes of the models; explicit loads and unloads by command; none "
        "loads all models once."
    ),
]


def _bounds(text: str) -> WorkerRange:
    """Parses MIN..MAX. Raises typer.BadParameter."""
    least, dots, most = text.partition("..")
    if not (dots and least.isascii() and least.isdigit() and most.isascii() and most.isdigit()):
        raise typer.BadParameter(f"{text!r} is not MIN..MAX, as 1..4")
    found = WorkerRange(int(least), int(most))
    if not 0 <= found.least <= found.most <= WORKERS_MAX or not found.most:
        raise typer.BadParameter(
            f"{text!r} does not fit: 0 <= MIN <= MAX and 1 <= MAX <= {WORKERS_MAX}"
        )
    return found


def _rule(text: str) -> str:
    """Checks the name of a scaling rule. Raises typer.BadParameter."""
    from hasten_policy.scaling.rules.table import SCALING_RULES

    try:
        SCALING_RULES.get(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    return text


def _within(workers: int, autoscale: WorkerRange | None) -> int:
    """The number at the start: as asked for, inside the bounds."""
    if autoscale is None:
        return workers
    return max(autoscale.least, min(autoscale.most, workers))


Autoscale = Annotated[
    WorkerRange | None,
    typer.Option(
        parser=_bounds,
        metavar="MIN..MAX",
        help="The autoscaler keeps between MIN and MAX workers, by demand. [default: it only "
        "advises]",
        show_default=False,
    ),
]
AutoscalerRule = Annotated[
    str,
    typer.Option(
        callback=_rule,
        metavar="NAME",
        help="The autoscaler decides by the scaling rule of this name.",
    ),
]
AutoscalerPort = Annotated[
    int | None,
    typer.Option(
        min=0,
        max=65535,
        help="Operators reach the autoscaler at this port; 0 takes any. [default: 4 above --port]",
        show_default=False,
    ),
]


def up(  # noqa: PLR0913, PLR0917  (one parameter an option)
    models: Models = None,
    workers: Workers = 2,
    schedulers: Schedulers = 1,
    tasks_port: TasksPort = None,
    port: Port = 8001,
    http_port: HttpPort = None,
    metrics_port: MetricsPort = 8002,
    host: Host = "127.0.0.1",
    processes: Processes = 1,
    control: HowControlled = Control.POLL,
    record: Record = None,
    message_limit: MessageLimit = None,
    autoscale: Autoscale = None,
    autoscaler_rule: AutoscalerRule = "hasten",
    autoscaler_port: AutoscalerPort = None,
    as_json: AsJson = False,
) -> None:
    """Run the whole mesh on this machine until Ctrl-C.

    Router, workers, schedulers, an autoscaler and Redis, as processes that are watched over and
    started again. The autoscaler only advises, unless --autoscale says how many workers there may
    be. Nothing is left behind at the end. With --json it prints one line when all is ready. Every
    setting of the services (`hasten-router --help-all`, and so on) can be set as a variable.
    """
    import asyncio

    from hasten_cli.local import plan
    from hasten_cli.local.models import models_folder
    from hasten_cli.local.record import record_folder
    from hasten_cli.local.up import up as run
    from hasten_cli.local.voice import voice

    # The supervisor asks the router over gRPC and starts processes: gRPC's own preparations for
    # forks would only write a line to the terminal at each start.
    os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
    with reported(as_json=as_json):
        options = plan.UpOptions(
            models=models_folder(models, here=Path.cwd()),
            workers=_within(workers, autoscale),
            schedulers=schedulers,
            tasks_port=plan.tasks_port_of(port) if tasks_port is None else tasks_port,
            host=host,
            port=port,
            http_port=plan.http_port_of(port) if http_port is None else http_port,
            metrics_port=metrics_port,
            processes=processes,
            control=control.value,
            record=record_folder(record),
            message_bytes_max=message_limit,
            autoscale=autoscale,
            autoscaler_rule=autoscaler_rule,
            autoscaler_port=(
                plan.autoscaler_port_of(port) if autoscaler_port is None else autoscaler_port
            ),
        )
        raise SystemExit(asyncio.run(run(options, voice(as_json=as_json))))
