"""`hasten batch` and `hasten callback`."""

from enum import StrEnum
from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import TASKS_ADDRESS, AsJson, TasksAddress, Tenant, duration

batch = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Many requests, sent as one thing."
)
callback = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Who is told by HTTP that something ended."
)

BatchId = Annotated[str, typer.Argument(metavar="ID", help="Id of the batch.", show_default=False)]
OnlyTenant = Annotated[
    str | None, typer.Option("--tenant", help="Only this tenant's.", show_default=False)
]
Most = Annotated[int, typer.Option("--most", min=1, help="So many at most.")]
Timeout = Annotated[float | None, duration("Longest wait, as 30s. [default: as long as it takes]")]


class FormatName(StrEnum):
    """Formats of lines."""

    JSONL = "jsonl"
    NPZ = "npz"
    DIRECTORY = "directory"


class BatchStateName(StrEnum):
    """States of batches."""

    UPLOADING = "uploading"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    DONE = "done"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class ResultKindName(StrEnum):
    """Which lines of results."""

    ALL = "all"
    ANSWERS = "answers"
    ERRORS = "errors"


class CallbackStateName(StrEnum):
    """States of callbacks."""

    WAITING = "waiting"
    SENDING = "sending"
    DELIVERED = "delivered"
    DEAD = "dead"


Model = Annotated[str, typer.Argument(help="Model that runs the lines.", show_default=False)]
Lines = Annotated[
    str,
    typer.Argument(
        metavar="LINES",
        help="A .jsonl or .npz file, which is uploaded; or a folder or file:///... that the "
        "scheduler reads.",
        show_default=False,
    ),
]
FreshId = Annotated[
    str,
    typer.Option("--id", help="Names the batch: repeated with it, this goes on. [fresh]"),
]
Format = Annotated[
    FormatName | None, typer.Option("--format", help="[default: by the name of LINES]")
]
Deadline = Annotated[
    float | None,
    duration("It ends after this time, done or not, as 2h. [the scheduler's setting]"),
]
Keep = Annotated[
    float | None,
    duration("Its results are kept for so long, as 7d. [the scheduler's setting]"),
]
Attempts = Annotated[
    int | None,
    typer.Option(min=1, max=100, help="Most attempts of a line. [the scheduler's setting]"),
]
PriorityClass = Annotated[
    int, typer.Option("--class", min=0, max=3, help="Class of its tasks, 0 the most urgent.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="NAME=VALUE", help="To find it by."),
]
CallbackUri = Annotated[
    str, typer.Option("--callback", help="Told by HTTP when it has ended.", show_default=False)
]
Version = Annotated[str, typer.Option("--version", help="Model version.", show_default=False)]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until it has ended.")]


@batch.command()
def submit(  # noqa: PLR0913, PLR0917  (one parameter an option)
    model: Model,
    lines: Lines,
    batch_id: FreshId = "",
    fmt: Format = None,
    deadline: Deadline = None,
    keep: Keep = None,
    attempts: Attempts = None,
    priority_class: PriorityClass = 3,
    tenant: Tenant = "",
    label: Labels = None,
    callback_uri: CallbackUri = "",
    version: Version = "",
    wait: Wait = False,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Send a batch: each line is run, and has one line of results.

    For example: hasten batch submit risk patients.jsonl --id night-1 --wait
    """
    from hasten_cli.batch_verbs import BatchOptions
    from hasten_cli.batch_verbs import submit as run

    with reported(as_json=as_json):
        run(
            BatchOptions(
                address=address,
                model=model,
                version=version,
                lines=lines,
                batch_id=batch_id,
                format=fmt.value if fmt else "",
                deadline_s=deadline,
                keep_s=keep,
                attempts_max=attempts,
                priority_class=priority_class,
                tenant=tenant,
                labels=tuple(label or ()),
                callback_uri=callback_uri,
                wait=wait,
            ),
            as_json=as_json,
        )


@batch.command()
def get(
    batch_id: BatchId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Show a batch as it is now."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.act("get", address, batch_id, tenant, as_json=as_json)


@batch.command("list")
def list_batches(
    tenant: OnlyTenant = None,
    state: Annotated[
        list[BatchStateName] | None, typer.Option("--state", "-s", help="Only in this state.")
    ] = None,
    most: Most = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List batches, in no order."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        states = [each.value for each in state or ()]
        batch_verbs.list_batches(address, tenant, states, most, as_json=as_json)


@batch.command()
def wait(
    batch_id: BatchId,
    tenant: Tenant = "",
    timeout: Timeout = None,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Wait until a batch has ended. Exits with 1 unless it is done; errors of lines do not count.

    For example: hasten batch wait night-1 --timeout 2h
    """
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.wait(address, batch_id, tenant, timeout, as_json=as_json)


@batch.command()
def results(  # noqa: PLR0913, PLR0917  (one parameter an option)
    batch_id: BatchId,
    kind: Annotated[
        ResultKindName, typer.Option("--kind", help="All lines, or only some.")
    ] = ResultKindName.ALL,
    position: Annotated[
        int, typer.Option(min=0, help="The first line that is wanted, counted from zero.")
    ] = 0,
    follow: Annotated[
        bool, typer.Option("--follow", help="Wait for more until the batch has ended.")
    ] = False,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Print lines of results, which are JSON with and without --json; also while it runs.

    For example: hasten batch results night-1 --follow > night-1.results.jsonl
    """
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.results(address, batch_id, tenant, kind.value, position, follow=follow)


@batch.command()
def pause(
    batch_id: BatchId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Give no more lines to the queue. Lines that the queue has go on."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.act("pause", address, batch_id, tenant, as_json=as_json)


@batch.command()
def resume(
    batch_id: BatchId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Go on with a batch that is paused."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.act("resume", address, batch_id, tenant, as_json=as_json)


@batch.command()
def cancel(
    batch_id: BatchId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """End a batch. What is done is kept."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.act("cancel", address, batch_id, tenant, as_json=as_json)


@batch.command()
def delete(
    batch_id: BatchId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Throw away the lines and results of a batch that has ended."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.delete(address, batch_id, tenant, as_json=as_json)


@callback.command("list")
def list_callbacks(
    tenant: OnlyTenant = None,
    state: Annotated[
        list[CallbackStateName] | None, typer.Option("--state", "-s", help="Only in this state.")
    ] = None,
    most: Most = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List callbacks, and why they failed.

    For example: hasten callback list --state dead
    """
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        states = [each.value for each in state or ()]
        batch_verbs.list_callbacks(address, tenant, states, most, as_json=as_json)


@callback.command()
def retry(
    event_ids: Annotated[
        list[str], typer.Argument(metavar="ID...", help="Ids of events.", show_default=False)
    ],
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Tell dead callbacks again, as if they were new."""
    from hasten_cli import batch_verbs

    with reported(as_json=as_json):
        batch_verbs.retry_callbacks(address, event_ids, tenant, as_json=as_json)
