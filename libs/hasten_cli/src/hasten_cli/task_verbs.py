"""What `hasten submit` and `hasten task` do."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from hasten_cli.calls import ANSWER_S_MAX, TASKS_VARIABLE, client, command_error, task_client
from hasten_cli.failures import USAGE, CommandError
from hasten_cli.output import print_json
from hasten_cli.task_shown import print_ended, print_task, task_as_json

if TYPE_CHECKING:
    from hasten_client import NewTask, Task


T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class SplitOptions:
    """Into how many parts; 0 for one a worker. How they are joined."""

    parts: int
    join: str
    best_effort: bool


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
    callback_uri: str
    count: int
    split: SplitOptions | None
    wait: bool


def submit(options: SubmitOptions, *, as_json: bool) -> None:
    """Submits the tasks, waits for them where that was asked for, and prints what came.

    Raises:
        CommandError: One was not accepted, or did not end well.
    """
    if options.split is not None:
        _submit_split(options, options.split, as_json=as_json)
        return
    tasks = list(_tasks(options))
    with task_client(options.address) as scheduler:
        outcomes = []
        for outcome in _counted(scheduler.submit_many(tasks), len(tasks), "submitted"):
            if outcome.error is not None:
                raise command_error(outcome.error, options.address, variable=TASKS_VARIABLE)
            outcomes.append(outcome)
        ended: list[Task] = []
        if options.wait:
            waits = (
                scheduler.wait(one.request_id, tenant=one.tenant, deadline_s=options.deadline_s)
                for one in outcomes
            )
            ended = list(_counted(waits, len(outcomes), "ended"))
    if options.wait:
        print_ended(ended, as_json=as_json)
    elif as_json:
        print_json(
            {"tasks": [{"id": one.request_id, "repeated": one.repeated} for one in outcomes]}
        )
    else:
        for one in outcomes:
            print(f"{one.request_id}{'  (was there already)' if one.repeated else ''}")


def _submit_split(options: SubmitOptions, split: SplitOptions, *, as_json: bool) -> None:
    from hasten_cli.dag_verbs import submit_dag
    from hasten_cli.infer_verb import priority_of
    from hasten_cli.values import read_inputs
    from hasten_client import Split, split_dag

    if options.count > 1 or options.key or options.start_in_s:
        raise CommandError("--split goes with none of --count, --key and --start-in", code=USAGE)
    with client(options.address) as mesh:
        metadata = mesh.metadata(options.model, options.version, deadline_s=ANSWER_S_MAX)
    inputs = read_inputs(options.inputs, metadata, address=options.address)
    dag = split_dag(
        options.model,
        inputs,
        Split(tuple(inputs), parts=split.parts, join=split.join, best_effort=split.best_effort),
        outputs=[output.name for output in metadata.outputs],
        version=options.version,
        name=options.task_id,
        tenant=options.tenant,
        deadline_s=options.deadline_s,
        priority=priority_of(options.priority),
    )
    dag = replace(
        dag,
        keep_s=options.keep_s,
        attempts_max=options.attempts_max,
        labels=dict(label.partition("=")[::2] for label in options.labels),
    )
    submit_dag(options.address, dag, wait=options.wait, as_json=as_json)


def _tasks(options: SubmitOptions) -> "Iterator[NewTask]":
    import uuid

    from hasten_cli.infer_verb import priority_of
    from hasten_cli.values import read_inputs
    from hasten_client import InferRequest, NewTask

    priority = priority_of(options.priority)
    with client(options.address) as mesh:
        metadata = mesh.metadata(options.model, options.version, deadline_s=ANSWER_S_MAX)
        inputs = read_inputs(options.inputs, metadata, address=options.address, verb="submit")
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
            callback_uri=options.callback_uri,
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
    print_task(task, as_json=as_json)


def wait(
    address: str, task_ids: Sequence[str], tenant: str, timeout_s: float | None, *, as_json: bool
) -> None:
    """Prints tasks once they have ended. Raises CommandError if one did not end well."""
    with task_client(address) as scheduler:
        waits = (
            scheduler.wait(task_id, tenant=tenant, deadline_s=timeout_s) for task_id in task_ids
        )
        ended = list(_counted(waits, len(task_ids), "ended"))
    print_ended(ended, as_json=as_json)


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
                "task": task_as_json(said.task),
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
    print_task(task, as_json=as_json)


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
