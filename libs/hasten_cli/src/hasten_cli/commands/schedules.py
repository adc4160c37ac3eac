"""`hasten schedule`."""

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import TASKS_ADDRESS, AsJson, TasksAddress, Tenant, duration

if TYPE_CHECKING:
    from hasten_cli.schedule_verbs import Wanted

schedule = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Requests that are run by the clock."
)


class CatchUpName(StrEnum):
    """What becomes of times that were missed."""

    SKIP = "skip"
    ONE = "one"
    ALL = "all"


class OverlapName(StrEnum):
    """What becomes of a time at which the run before goes on."""

    SKIP = "skip"
    ALLOW = "allow"
    WAIT = "wait"
    CANCEL_PREVIOUS = "cancel_previous"


Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Name of the schedule.", show_default=False)
]
Cron = Annotated[
    str, typer.Option(help="When: minute hour day month weekday, or @hourly, @daily, ...")
]
Every = Annotated[float | None, duration("When: each so often, as 200ms or 1h.")]
Phase = Annotated[
    float | None, duration("With --every: so long after a multiple of it, counted from 1970.")
]
Zone = Annotated[str, typer.Option(help="With --cron: time zone, as Europe/Berlin. [UTC]")]
CatchUp = Annotated[
    CatchUpName,
    typer.Option(help="Times at which nobody could run it: leave out, run one, or run all."),
]
Overlap = Annotated[OverlapName, typer.Option(help="A time at which the run before has not ended.")]
Deadline = Annotated[float | None, duration("A run must end so long after its time.")]
Hard = Annotated[
    bool,
    typer.Option("--hard", help="Reserve a part of a worker, so that --deadline is kept."),
]
RunTime = Annotated[
    float | None, duration("With --hard: a run takes at most so long. [as measured]", "--run")
]
PriorityClass = Annotated[
    int | None, typer.Option("--class", min=0, max=3, help="Class of its runs, 0 the most urgent.")
]
Keep = Annotated[
    float | None, duration("Outcomes are kept for so long, as 1h. [the scheduler's setting]")
]
Attempts = Annotated[
    int | None, typer.Option(min=1, max=100, help="Most attempts. [the scheduler's setting]")
]
Labels = Annotated[
    list[str] | None,
    typer.Option("--label", "-l", metavar="NAME=VALUE", help="To find its runs by."),
]


@schedule.command()
def create(  # noqa: PLR0913, PLR0917  (one parameter an option)
    name: Name,
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
    cron: Cron = "",
    every: Every = None,
    phase: Phase = None,
    zone: Zone = "",
    catch_up: CatchUp = CatchUpName.SKIP,
    overlap: Overlap = OverlapName.SKIP,
    deadline: Deadline = None,
    hard: Hard = False,
    run: RunTime = None,
    priority_class: PriorityClass = None,
    keep: Keep = None,
    attempts: Attempts = None,
    label: Labels = None,
    version: Annotated[
        str, typer.Option("--version", help="Model version.", show_default=False)
    ] = "",
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Run a request by the clock, from now on.

    For example: hasten schedule create cam digits -i image=@random --every 200ms
    --deadline 200ms --hard
    """
    from hasten_cli import schedule_verbs

    wanted = _wanted(
        *(cron, every, phase, zone, catch_up, overlap, deadline),
        hard=hard,
        rest=(run, priority_class, keep, attempts, label),
    )
    with reported(as_json=as_json):
        what = schedule_verbs.Request(model, version, tuple(inputs or ()))
        schedule_verbs.create(address, name, tenant, what, wanted, as_json=as_json)


@schedule.command()
def update(  # noqa: PLR0913, PLR0917  (one parameter an option)
    name: Name,
    cron: Cron = "",
    every: Every = None,
    phase: Phase = None,
    zone: Zone = "",
    catch_up: CatchUp = CatchUpName.SKIP,
    overlap: Overlap = OverlapName.SKIP,
    deadline: Deadline = None,
    hard: Hard = False,
    run: RunTime = None,
    priority_class: PriorityClass = None,
    keep: Keep = None,
    attempts: Attempts = None,
    label: Labels = None,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Make a schedule another one, from now on: all options are said again. Its request stays."""
    from hasten_cli import schedule_verbs

    wanted = _wanted(
        *(cron, every, phase, zone, catch_up, overlap, deadline),
        hard=hard,
        rest=(run, priority_class, keep, attempts, label),
    )
    with reported(as_json=as_json):
        schedule_verbs.update(address, name, tenant, wanted, as_json=as_json)


@schedule.command()
def get(
    name: Name, tenant: Tenant = "", address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False
) -> None:
    """Show a schedule, and what became of its times."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.get(address, name, tenant, as_json=as_json)


@schedule.command("list")
def list_schedules(
    tenant: Annotated[
        str | None, typer.Option("--tenant", help="Only this tenant's.", show_default=False)
    ] = None,
    hard: Annotated[bool, typer.Option("--hard", help="Only hard ones.")] = False,
    most: Annotated[int, typer.Option("--most", min=1, help="So many at most.")] = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List schedules, in no order."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.list_schedules(address, tenant, most, hard=hard, as_json=as_json)


@schedule.command()
def pause(
    name: Name, tenant: Tenant = "", address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False
) -> None:
    """Let its times go by until it is resumed. A run that has begun goes on."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.act(address, name, tenant, "paused", as_json=as_json)


@schedule.command()
def resume(
    name: Name, tenant: Tenant = "", address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False
) -> None:
    """Go on with its next time."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.act(address, name, tenant, "resumed", as_json=as_json)


@schedule.command()
def delete(
    name: Name, tenant: Tenant = "", address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False
) -> None:
    """End a schedule. A run that has begun goes on."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.act(address, name, tenant, "deleted", as_json=as_json)


@schedule.command("next")
def next_runs(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Only of this schedule.")
    ] = None,
    most: Annotated[int, typer.Option("--most", min=1, max=1000, help="So many of each.")] = 10,
    within: Annotated[float | None, duration("Only within so long, as 1h.")] = None,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Print the times to come."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.next_runs(address, name, tenant, most, within, as_json=as_json)


@schedule.command()
def trigger(
    name: Name,
    at: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S.%fZ"],
            help="For this time, which has passed. [a run of its own, now]",
            show_default=False,
        ),
    ] = None,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Run a schedule once, and print the id of the run's task."""
    from hasten_cli import schedule_verbs

    with reported(as_json=as_json):
        schedule_verbs.trigger(address, name, tenant, at, as_json=as_json)


def _wanted(  # noqa: PLR0913, PLR0917  (one parameter an option)
    cron: str,
    every: float | None,
    phase: float | None,
    zone: str,
    catch_up: CatchUpName,
    overlap: OverlapName,
    deadline: float | None,
    *,
    hard: bool,
    rest: tuple[float | None, int | None, float | None, int | None, list[str] | None],
) -> "Wanted":
    from hasten_cli.schedule_verbs import Wanted

    run, priority_class, keep, attempts, label = rest
    return Wanted(
        cron=cron,
        every_s=every,
        phase_s=phase or 0.0,
        zone=zone,
        catch_up=catch_up.value,
        overlap=overlap.value,
        deadline_s=deadline,
        hard=hard,
        run_s=run,
        priority_class=priority_class,
        keep_s=keep,
        attempts_max=attempts,
        labels=tuple(label or ()),
    )
