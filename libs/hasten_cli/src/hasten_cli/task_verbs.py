"""What `hasten submit`, `hasten task`, `hasten queue` and `hasten dead` do."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hasten_cli.calls import ANSWER_S_MAX, client, command_error, task_client
from hasten_cli.durations import format_duration
from hasten_cli.failures import CommandError
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from hasten_client import HastenError, NewTask, Task
    from hasten_client.task_views import TaskPage

_COLUMNS: Final = ("task", "tenant", "state", "model", "class>", "age>", "left>", "attempts>")
PAGE: Final = 500

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SubmitOptions:
    """What the user asked for; see `hasten submit --help`."""

    address: str
    model: str
    version: str
    inputs: tuple[str, ...]
    task_id: str
    deadline_s: float | None
    start_in_s: float
    keep_s: float | None
    attempts_max: int | None
    priority: str
    tenant: str
    labels: tuple[str, ...]
    key: str
    count: int
    wait: bool


def submit(options: SubmitOptions, *, as_json: bool) -> None:
    """Submits the tasks, waits for them where that was asked for, and prints what came.

    Raises:
        CommandError: One was not accepted, or did not end well.
    """
    tasks = list(_tasks(options))
    with task_client(options.address) as scheduler:
        outcomes = []
        for outcome in _counted(scheduler.submit_many(tasks), len(tasks), "submitted"):
            if outcome.error is not None:
                raise command_error(outcome.error, options.address, of_tasks=True)
            outcomes.append(outcome)
        ended: list[Task] = []
        if options.wait:
            waits = (
                scheduler.wait(one.request_id, tenant=one.tenant, deadline_s=options.deadline_s)
                for one in outcomes
            )
            ended = list(_counted(waits, len(outcomes), "ended"))
    if options.wait:
        _print_ended(ended, as_json=as_json)
    elif as_json:
        print_json(
            {"tasks": [{"id": one.request_id, "repeated": one.repeated} for one in outcomes]}
        )
    else:
        for one in outcomes:
            print(f"{one.request_id}{'  (was there already)' if one.repeated else ''}")


def _tasks(options: SubmitOptions) -> "Iterator[NewTask]":
    import uuid

    from hasten_cli.infer_verb import priority_of
    from hasten_cli.values import read_inputs
    from hasten_client import InferRequest, NewTask

    priority = priority_of(options.priority)
    with client(options.address) as mesh:
        metadata = mesh.metadata(options.model, options.version, deadline_s=ANSWER_S_MAX)
        inputs = read_inputs(options.inputs, metadata, address=options.address)
    labels = dict(label.partition("=")[::2] for label in options.labels)
    first = options.task_id or uuid.uuid4().hex
    for number in range(options.count):
        yield NewTask(
            InferRequest(
                model=options.model,
                inputs=inputs,
                version=options.version,
                priority=priority,
                tenant=options.tenant,
                request_id=first if options.count == 1 else f"{first}-{number + 1}",
            ),
            deadline_s=options.deadline_s,
            start_in_s=options.start_in_s,
            keep_s=options.keep_s,
            attempts_max=options.attempts_max,
            labels=labels,
            concurrency_key=options.key,
        )


def _counted(things: "Iterator[T]", total: int, what: str) -> "Iterator[T]":
    """The things, with a line on a terminal's standard error that tells how many have come."""
    tell = total > 1 and sys.stderr.isatty()
    for number, thing in enumerate(things, 1):
        if tell:
            print(f"\r{what} {number} of {total}", end="", file=sys.stderr, flush=True)
        yield thing
    if tell:
        print(file=sys.stderr)


# --- one task -------------------------------------------------------------------------


def get(address: str, task_id: str, tenant: str, *, as_json: bool) -> None:
    """Prints a task as it is now."""
    with task_client(address) as scheduler:
        task = scheduler.get(task_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
    _print_task(task, as_json=as_json)


def wait(
    address: str, task_ids: Sequence[str], tenant: str, timeout_s: float | None, *, as_json: bool
) -> None:
    """Prints tasks once they have ended. Raises CommandError if one did not end well."""
    with task_client(address) as scheduler:
        waits = (
            scheduler.wait(task_id, tenant=tenant, deadline_s=timeout_s) for task_id in task_ids
        )
        ended = list(_counted(waits, len(task_ids), "ended"))
    _print_ended(ended, as_json=as_json)


def cancel(address: str, task_ids: Sequence[str], tenant: str, *, as_json: bool) -> None:
    """Cancels tasks and says where they were."""
    with task_client(address) as scheduler:
        before = {
            task_id: scheduler.cancel(task_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
            for task_id in task_ids
        }
    if as_json:
        print_json({"before": before})
        return
    from hasten_client.task_views import ENDED

    for task_id, state in before.items():
        print(f"{task_id} {'had ended: ' + state if state in ENDED else 'cancelled'}")


def explain(address: str, task_id: str, tenant: str, *, as_json: bool) -> None:
    """Prints why a task is where it is."""
    with task_client(address) as scheduler:
        said = scheduler.explain(task_id, tenant=tenant, deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json(
            {
                "task": _as_json(said.task),
                "reasons": list(said.reasons),
                "lane_waiting": said.lane_waiting,
                "owner": asdict(said.owner),
            }
        )
        return
    print(f"{said.task.request_id} is {said.task.state}")
    for reason in said.reasons:
        print(f"  {reason}")
    print(f"  shard {said.owner.shard}, owned by {said.owner.owner or 'nobody'}")


def update(
    address: str,
    task_id: str,
    tenant: str,
    *,
    priority_class: int | None,
    time_left_s: float | None,
    as_json: bool,
) -> None:
    """Changes a task that waits, and prints it."""
    with task_client(address) as scheduler:
        task = scheduler.update(
            task_id,
            tenant=tenant,
            priority_class=priority_class,
            time_left_s=time_left_s,
            deadline_s=ANSWER_S_MAX,
        )
    _print_task(task, as_json=as_json)


def watch(address: str, tenant: str | None, model: str, position: str, *, as_json: bool) -> None:
    """Prints what changes, until Ctrl-C."""
    with (
        task_client(address) as scheduler,
        closing(scheduler.watch(position=position, tenant=tenant, model=model)) as watching,
    ):
        for change in watching:
            if as_json:
                print_json(asdict(change))
            else:
                print(f"{change.state:<10} {change.model:<24} {change.request_id}", flush=True)


# --- many -----------------------------------------------------------------------------


def list_tasks(  # noqa: PLR0913  (one an option)
    address: str,
    *,
    tenant: str | None,
    model: str,
    states: Sequence[str],
    labels: Sequence[str],
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
                page_size=size,
                page_token=token,
                deadline_s=ANSWER_S_MAX,
            )

        _print_tasks(_paged(page, most), as_json=as_json, empty="no such tasks")


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
        print_json({"tasks": [_as_json(task) for task in tasks]})
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


# --- printing -------------------------------------------------------------------------


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


def _print_tasks(tasks: "Sequence[Task]", *, as_json: bool, empty: str) -> None:
    if as_json:
        print_json({"tasks": [_as_json(task) for task in tasks]})
        return
    print_table(
        _COLUMNS,
        [
            (
                task.request_id,
                task.tenant,
                task.state,
                task.model,
                str(task.priority),
                format_duration(task.age_s),
                _left(task),
                f"{task.attempts}/{task.attempts_max}",
            )
            for task in tasks
        ],
        empty=empty,
    )


def _left(task: "Task") -> str:
    if task.time_left_s is None:
        return "-"
    return format_duration(task.time_left_s) if task.time_left_s > 0 else "over"


def _print_ended(tasks: "Sequence[Task]", *, as_json: bool) -> None:
    """Prints tasks that have ended. Raises CommandError if one did not end well."""
    if as_json:
        print_json({"tasks": [_as_json(task) for task in tasks]})
    elif len(tasks) == 1:
        _print_task(tasks[0], as_json=False)
    else:
        _print_tasks(tasks, as_json=False, empty="no tasks")
    bad = [task for task in tasks if task.state != "done"]
    if bad:
        first = bad[0]
        raise CommandError(
            f"{len(bad)} of {len(tasks)} tasks did not end well; the first: {first.request_id} is "
            f"{first.state}{f': {first.error}' if first.error else ''}",
            next_step="see hasten dead list" if first.state == "dead" else "",
            facts={"not_done": [task.request_id for task in bad]},
        )


def _print_task(task: "Task", *, as_json: bool) -> None:
    if as_json:
        print_json(_as_json(task))
        return
    print(f"{task.request_id}  {task.state}  {task.model}  class {task.priority}", end="")
    print(f"  age {format_duration(task.age_s)}  attempts {task.attempts}/{task.attempts_max}")
    if task.error is not None:
        print(f"  {task.error}")
    if task.result is not None:
        from hasten_cli.infer_verb import print_outputs

        print_outputs(task.result)


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


def _as_json(task: "Task") -> dict[str, Any]:
    said: dict[str, Any] = {
        "id": task.request_id,
        "tenant": task.tenant,
        "state": task.state,
        "model": task.model,
        "priority": task.priority,
        "age_s": task.age_s,
        "time_left_s": task.time_left_s,
        "start_in_s": task.start_in_s,
        "ended_s": task.ended_s,
        "attempts": task.attempts,
        "attempts_max": task.attempts_max,
        "runs": task.runs,
        "labels": dict(task.labels),
        "key": task.concurrency_key,
    }
    if task.error is not None:
        said["error"] = _error(task.error)
    if task.result is not None:
        from hasten_cli.infer_verb import outputs_as_json

        said["outputs"] = outputs_as_json(task.result)
    return said


def _error(error: "HastenError") -> dict[str, Any]:
    return {
        "reason": error.reason,
        "status": error.status,
        "message": error.message,
        "metadata": dict(error.metadata),
    }
