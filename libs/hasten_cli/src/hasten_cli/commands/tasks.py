"""`hasten task`, `hasten queue` and `hasten dead`."""

from enum import StrEnum
from typing import Annotated

import typer

from hasten_cli.failures import reported
from hasten_cli.options import TASKS_ADDRESS, AsJson, TasksAddress, Tenant, duration

task = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Tasks that were submitted, one by one."
)
queue = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="All tasks: counts, pauses, purges."
)
dead = typer.Typer(
    no_args_is_help=True, rich_markup_mode=None, help="Tasks that were given up, with their inputs."
)

TaskId = Annotated[str, typer.Argument(metavar="ID", help="Id of the task.", show_default=False)]
TaskIds = Annotated[
    list[str], typer.Argument(metavar="ID...", help="Ids of tasks.", show_default=False)
]
OnlyTenant = Annotated[
    str | None, typer.Option("--tenant", help="Only this tenant's.", show_default=False)
]
OnlyModel = Annotated[
    str, typer.Option("--model", help="Only of this model, NAME or NAME/VERSION.")
]
Most = Annotated[int, typer.Option("--most", min=1, help="So many at most.")]


class StateName(StrEnum):
    """States of tasks."""

    WAITING = "waiting"
    LATER = "later"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    DEAD = "dead"
    CANCELLED = "cancelled"


@task.command()
def get(
    task_id: TaskId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Show a task as it is now, with its answer once it is done."""
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.get(address, task_id, tenant, as_json=as_json)


@task.command()
def wait(
    task_ids: TaskIds,
    tenant: Tenant = "",
    timeout: Annotated[
        float | None, duration("Longest wait, as 30s. [default: as long as it takes]")
    ] = None,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Wait until tasks have ended. Exits with 1 if one did not end well.

    For example: hasten task wait order-17 --timeout 1m
    """
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.wait(address, task_ids, tenant, timeout, as_json=as_json)


@task.command("list")
def list_tasks(  # noqa: PLR0913, PLR0917  (one parameter an option)
    tenant: OnlyTenant = None,
    model: OnlyModel = "",
    state: Annotated[
        list[StateName] | None, typer.Option("--state", "-s", help="Only in this state.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option("--label", "-l", metavar="NAME=VALUE", help="Only with this label."),
    ] = None,
    job: Annotated[
        str, typer.Option("--job", metavar="KIND:TENANT/NAME", help="Only of this job.")
    ] = "",
    most: Most = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List tasks, in no order.

    For example: hasten task list --state running --model risk
    """
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.list_tasks(
            address,
            tenant=tenant,
            model=model,
            states=[each.value for each in state or ()],
            labels=label or (),
            job_id=job,
            most=most,
            as_json=as_json,
        )


@task.command()
def cancel(
    task_ids: TaskIds,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """End tasks, whether they wait or run."""
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.cancel(address, task_ids, tenant, as_json=as_json)


@task.command()
def update(
    task_id: TaskId,
    priority_class: Annotated[
        int | None,
        typer.Option("--class", min=0, max=3, help="Its class from now on, 0 the most urgent."),
    ] = None,
    deadline: Annotated[float | None, duration("Its deadline, from now on, as 10m.")] = None,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Change class or deadline of a task that waits."""
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.update(
            address,
            task_id,
            tenant,
            priority_class=priority_class,
            time_left_s=deadline,
            as_json=as_json,
        )


@task.command()
def watch(
    tenant: OnlyTenant = None,
    model: OnlyModel = "",
    position: Annotated[
        str, typer.Option(help="Go on after this position, of --json before. [from now on]")
    ] = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Print what changes, until Ctrl-C."""
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.watch(address, tenant, model, position, as_json=as_json)


@task.command()
def explain(
    task_id: TaskId,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Say why a task is where it is, and what must happen before it goes on."""
    from hasten_cli import task_verbs

    with reported(as_json=as_json):
        task_verbs.explain(address, task_id, tenant, as_json=as_json)


@queue.command()
def stats(address: TasksAddress = TASKS_ADDRESS, as_json: AsJson = False) -> None:
    """Count tasks by state and lane, and say who owns which shard."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.stats(address, as_json=as_json)


@queue.command()
def pause(
    tenant: OnlyTenant = None,
    model: OnlyModel = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Start no more tasks of a tenant, of a model, or at all. Those that run go on.

    For example: hasten queue pause --model risk
    """
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.pause(address, tenant, model, paused=True, as_json=as_json)


@queue.command()
def resume(
    tenant: OnlyTenant = None,
    model: OnlyModel = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Take a pause of the same scope back."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.pause(address, tenant, model, paused=False, as_json=as_json)


@queue.command()
def purge(
    tenant: Annotated[str, typer.Argument(help="The tenant.", show_default=False)],
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """End and forget all tasks of a tenant."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.purge(address, tenant, as_json=as_json)


@dead.command("list")
def list_dead(
    tenant: OnlyTenant = None,
    model: OnlyModel = "",
    most: Most = 100,
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """List dead tasks, and why they were given up."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.list_dead(address, tenant, model, most, as_json=as_json)


@dead.command()
def requeue(
    task_ids: TaskIds,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Have dead tasks wait again, as if they were new."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.requeue(address, task_ids, tenant, as_json=as_json)


@dead.command()
def drop(
    task_ids: TaskIds,
    tenant: Tenant = "",
    address: TasksAddress = TASKS_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Forget dead tasks."""
    from hasten_cli import queue_verbs

    with reported(as_json=as_json):
        queue_verbs.drop(address, task_ids, tenant, as_json=as_json)
