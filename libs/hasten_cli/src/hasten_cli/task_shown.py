"""Tasks as `hasten` prints them."""

from typing import TYPE_CHECKING, Any, Final

from hasten_cli.durations import format_duration
from hasten_cli.failures import CommandError
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hasten_client import HastenError, Task

_COLUMNS: Final = ("task", "tenant", "state", "model", "class>", "age>", "left>", "attempts>")


def print_tasks(tasks: "Sequence[Task]", *, as_json: bool, empty: str) -> None:
    """A table, or JSON."""
    if as_json:
        print_json({"tasks": [task_as_json(task) for task in tasks]})
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


def print_ended(tasks: "Sequence[Task]", *, as_json: bool) -> None:
    """Prints tasks that have ended. Raises CommandError if one did not end well."""
    if as_json:
        print_json({"tasks": [task_as_json(task) for task in tasks]})
    elif len(tasks) == 1:
        print_task(tasks[0], as_json=False)
    else:
        print_tasks(tasks, as_json=False, empty="no tasks")
    bad = [task for task in tasks if task.state != "done"]
    if bad:
        first = bad[0]
        raise CommandError(
            f"{len(bad)} of {len(tasks)} tasks did not end well; the first: {first.request_id} is "
            f"{first.state}{f': {first.error}' if first.error else ''}",
            next_step="see hasten dead list" if first.state == "dead" else "",
            facts={"not_done": [task.request_id for task in bad]},
        )


def print_task(task: "Task", *, as_json: bool) -> None:
    """One task with its answer or error."""
    if as_json:
        print_json(task_as_json(task))
        return
    print(f"{task.request_id}  {task.state}  {task.model}  class {task.priority}", end="")
    print(f"  age {format_duration(task.age_s)}  attempts {task.attempts}/{task.attempts_max}")
    if task.error is not None:
        print(f"  {task.error}")
    if task.result is not None:
        from hasten_cli.infer_verb import print_outputs

        print_outputs(task.result.outputs)


def task_as_json(task: "Task") -> dict[str, Any]:
    """For programs."""
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
        "job": task.job_id,
    }
    if task.error is not None:
        said["error"] = error_as_json(task.error)
    if task.result is not None:
        from hasten_cli.infer_verb import outputs_as_json

        said["outputs"] = outputs_as_json(task.result.outputs)
    return said


def error_as_json(error: "HastenError") -> dict[str, Any]:
    """For programs."""
    return {
        "reason": error.reason,
        "status": error.status,
        "message": error.message,
        "metadata": dict(error.metadata),
    }
