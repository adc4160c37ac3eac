"""`hasten submit`."""

from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import TASKS_ADDRESS, AsJson, TasksAddress, Tenant, duration

Model = Annotated[str, typer.Argument(help="Model name.", show_default=False)]
Inputs = Annotated[
    list[str] | None,
    typer.Option(
        "--input",
        "-i",
        metavar="NAME=VALUE",
        help="One input: JSON or text, @file.npy, @file.json, @random, @zeros or @ones.",
        show_default=False,
    ),
]
Id = Annotated[
    str,
    typer.Option(
        "--id", help="Names the task: repeated with it, this finds the first one. [fresh]"
    ),
]
Deadline = Annotated[
    float | None, duration("Time within which the answer is of use, as 10m. [default: none]")
]
StartIn = Annotated[float | None, duration("It must not start before, as 30s. [default: at once]")]
Keep = Annotated[
    float | None, duration("Its outcome is kept for so long, as 1h. [the scheduler's setting]")
]
Attempts = Annotated[
    int | None, typer.Option(min=1, max=100, help="Most attempts. [the scheduler's setting]")
]
Priority = Annotated[
    str, typer.Option(help="high, normal, low, batch, or a level: 1 is the highest.")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="NAME=VALUE", help="To find it by."),
]
Key = Annotated[str, typer.Option(help="Of the tasks with the same key only one runs at once.")]
Callback = Annotated[
    str, typer.Option("--callback", help="Told by HTTP when it has ended.", show_default=False)
]
Version = Annotated[str, typer.Option("--version", help="Model version.", show_default=False)]
SplitInto = Annotated[
    int | None,
    typer.Option(
        "--split",
        min=0,
        help="Split it along the rows of its inputs into so many tasks (0: one a worker), whose "
        "outputs are joined again; see hasten dag get ID.",
        show_default=False,
    ),
]
JoinBy = Annotated[str, typer.Option("--join", help="With --split: concat, mean or vote.")]
BestEffort = Annotated[
    bool, typer.Option("--best-effort", help="With --split: parts that fail are left out.")
]
Count = Annotated[int, typer.Option(min=1, help="Submit so many of them.")]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until all have ended.")]


def submit(  # noqa: PLR0913, PLR0917  (one parameter an option)
    model: Model,
    inputs: Inputs = None,
    task_id: Id = "",
    deadline: Deadline = None,
    start_in: StartIn = None,
    keep: Keep = None,
    attempts: Attempts = None,
    priority: Priority = "normal",
    tenant: Tenant = "",
    label: Labels = None,
    key: Key = "",
    callback: Callback = "",
    version: Version = "",
    count: Count = 1,
    split: SplitInto = None,
    join: JoinBy = "concat",
    best_effort: BestEffort = False,
    wait: Wait = False,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Submit a task: it is stored, and run when a worker is free, by its deadline.

    For example: hasten submit risk -i x=@random --deadline 10m --id order-17 --wait
    """
    from hasten_cli.task_verbs import SplitOptions, SubmitOptions
    from hasten_cli.task_verbs import submit as run

    with reported(as_json=as_json):
        run(
            SubmitOptions(
                address=address,
                model=model,
                version=version,
                inputs=tuple(inputs or ()),
                task_id=task_id,
                deadline_s=deadline,
                start_in_s=start_in or 0.0,
                keep_s=keep,
                attempts_max=attempts,
                priority=priority,
                tenant=tenant,
                labels=tuple(label or ()),
                key=key,
                callback_uri=callback,
                count=count,
                split=None if split is None else SplitOptions(split, join, best_effort),
                wait=wait,
            ),
            as_json=as_json,
        )
