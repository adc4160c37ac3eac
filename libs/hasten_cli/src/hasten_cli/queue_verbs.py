"""What `hasten task list`, `hasten queue` and `hasten dead` do."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hasten_cli.calls import ANSWER_S_MAX, task_client
from hasten_cli.durations import format_duration
from hasten_cli.failures import CommandError
from hasten_cli.output import print_json, print_table
from hasten_cli.task_shown import print_tasks, task_as_json

if TYPE_CHECKING:
    from hasten_client import Task
    from hasten_client.task_views import TaskPage

PAGE: Final = 500


def list_tasks(  # noqa: PLR0913  (one an option)
    address: str,
    *,
    tenant: str | None,
    model: str,
    states: Sequence[str],
    labels: Sequence[str],
    job_id: str,
    most: int,
    as_json: bool,
) -> None:
    """Prints tasks."""
    wanted = dict(label.partition("=")[::2] for label in labels)
    with task_client(address) as scheduler:

        def page(token: str, size: int) -> "TaskPage":
            return scheduler.page(
                tenant=tenant,
                model=model,
                states=states,
                labels=wanted,
                job_id=job_id,
                page_size=size,
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )

        print_tasks(_paged(page, most), as_json=as_json, empty="no such tasks")


def list_dead(address: str, tenant: str | None, model: str, most: int, *, as_json: bool) -> None:
    """Prints dead tasks with their errors."""
    with task_client(address) as scheduler:

        def page(token: str, size: int) -> "TaskPage":
            return scheduler.dead_page(
                tenant=tenant,
                model=model,
                page_size=size,
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )

        tasks = _paged(page, most)
    if as_json:
        print_json({"tasks": [task_as_json(task) for task in tasks]})
        return
    print_table(
        ("task", "tenant", "model", "attempts>", "why"),
        [
            (task.request_id, task.tenant, task.model, str(task.attempts), str(task.error or ""))
            for task in tasks
        ],
        empty="no dead tasks",
    )


def requeue(address: str, task_ids: Sequence[str], tenant: str, *, as_json: bool) -> None:
    """Has dead tasks wait again. Raises CommandError if one is not dead."""
    with task_client(address) as scheduler:
        sorted_ = scheduler.requeue_dead(task_ids, tenant=tenant, deadline_s=ANSWER_S_MAX)
    _print_sorted("requeued", sorted_.done, sorted_.not_dead, as_json=as_json)


def drop(address: str, task_ids: Sequence[str], tenant: str, *, as_json: bool) -> None:
    """Forgets dead tasks. Raises CommandError if one is not dead."""
    with task_client(address) as scheduler:
        sorted_ = scheduler.drop_dead(task_ids, tenant=tenant, deadline_s=ANSWER_S_MAX)
    _print_sorted("dropped", sorted_.done, sorted_.not_dead, as_json=as_json)


def pause(address: str, tenant: str | None, model: str, *, paused: bool, as_json: bool) -> None:
    """Pauses or resumes tasks, and says so."""
    with task_client(address) as scheduler:
        act = scheduler.pause if paused else scheduler.resume
        act(tenant=tenant, model=model, deadline_s=ANSWER_S_MAX)
    done = "paused" if paused else "resumed"
    if as_json:
        print_json({"done": done, "tenant": tenant, "model": model})
    else:
        print(f"{done}: tenant {tenant if tenant is not None else 'any'}, model {model or 'any'}")


def purge(address: str, tenant: str, *, as_json: bool) -> None:
    """Forgets all tasks of a tenant, and says how many."""
    with task_client(address) as scheduler:
        purged, cancelled = scheduler.purge(tenant)
    if as_json:
        print_json({"purged": purged, "cancelled": cancelled})
    else:
        print(f"{purged} tasks are forgotten, {cancelled} of them had not ended")


def stats(address: str, *, as_json: bool) -> None:
    """Prints counts."""
    with task_client(address) as scheduler:
        counts = scheduler.stats(deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json(asdict(counts))
        return
    told = ", ".join(f"{count} {state}" for state, count in counts.states.items())
    print(told or "no tasks")
    for scope in counts.paused:
        tenant = "any" if scope.tenant is None else scope.tenant
        print(f"paused: tenant {tenant}, model {scope.model or 'any'}")
    for one in counts.owners:
        print(f"shard {one.shard}: owned by {one.owner or 'nobody'}")
    if counts.lanes:
        print(f"the oldest waits for {format_duration(counts.oldest_s)}")
        print_table(
            ("tenant", "model", "class>", "waiting>"),
            [
                (lane.tenant, lane.model, str(lane.priority), str(lane.waiting))
                for lane in counts.lanes
            ],
            empty="",
        )


def _paged(page: "Callable[[str, int], TaskPage]", most: int) -> "list[Task]":
    found: list[Task] = []
    token = ""
    while len(found) < most:
        got = page(token, min(PAGE, most - len(found)))
        found += got.tasks
        token = got.next_page_token
        if not token:
            break
    return found


def _print_sorted(done: str, ids: Sequence[str], not_dead: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({done: list(ids), "not_dead": list(not_dead)})
    else:
        for task_id in ids:
            print(f"{task_id} {done}")
    if not_dead:
        raise CommandError(
            f"no dead tasks: {', '.join(not_dead)}",
            next_step="see which are: hasten dead list",
            facts={"not_dead": list(not_dead)},
        )
