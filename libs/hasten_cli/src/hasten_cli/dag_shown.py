"""DAGs as `hasten` prints them."""

from typing import TYPE_CHECKING, Any, Final

from hasten_cli.durations import format_duration
from hasten_cli.failures import CommandError
from hasten_cli.output import print_json, print_table
from hasten_cli.task_shown import error_as_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hasten_client import DagStatus, DagStepStatus

WIDTH: Final = 32
_COLUMNS: Final = ("dag", "tenant", "state", "steps>", "age>", "took>")
_STEPS: Final = ("step", "state", "model", "parts>", "begun>", "took>", "timeline")


def print_dags(dags: "Sequence[DagStatus]", *, as_json: bool) -> None:
    """A table, or JSON."""
    if as_json:
        print_json({"dags": [dag_as_json(dag) for dag in dags]})
        return
    rows = [
        (
            dag.name,
            dag.tenant,
            dag.state,
            f"{dag.steps_ended}/{dag.steps_count}",
            format_duration(dag.age_s),
            "-" if dag.ended_s is None else format_duration(dag.ended_s),
        )
        for dag in dags
    ]
    print_table(_COLUMNS, rows, empty="no DAGs")


def print_ended(dag: "DagStatus", *, as_json: bool) -> None:
    """A DAG that has ended. Raises CommandError if it did not end well."""
    print_dag(dag, as_json=as_json)
    if dag.state != "done":
        step = f" at step {dag.failed_step}" if dag.failed_step else ""
        raise CommandError(
            f"{dag.name} is {dag.state}{step}{f': {dag.error}' if dag.error else ''}"
        )


def print_dag(dag: "DagStatus", *, as_json: bool) -> None:
    """One DAG: its timeline, what keeps it, its outputs."""
    if as_json:
        print_json(dag_as_json(dag))
        return
    took_s = dag.age_s if dag.ended_s is None else dag.ended_s
    since = "for" if dag.ended_s is None else "in"
    print(f"{dag.name}  {dag.state}  {since} {format_duration(took_s)}")
    total_s = max(took_s, 1e-6)
    print_table(_STEPS, [_step(step, total_s) for step in dag.steps], empty="no steps")
    for step in dag.steps:
        for reason in step.reasons:
            print(f"  {step.name}: {reason}")
        for number, part in enumerate(step.parts):
            if part.error is not None and len(step.parts) > 1:
                print(f"  {step.name}, part {number}: {part.error}")
        if step.error is not None:
            print(f"  {step.name}: {step.error}")
    if dag.outputs:
        from hasten_cli.infer_verb import print_outputs

        print_outputs(dag.outputs)


def _step(step: "DagStepStatus", total_s: float) -> tuple[str, ...]:
    begun_s = step.begun_s
    if begun_s is None:
        return (step.name, step.state, step.model, "-", "-", "-", "")
    ended_s = total_s if step.ended_s is None else step.ended_s
    first = min(WIDTH - 1, round(begun_s / total_s * WIDTH))
    last = max(first + 1, round(ended_s / total_s * WIDTH))
    return (
        step.name,
        step.state,
        step.model,
        str(len(step.parts)),
        format_duration(begun_s),
        format_duration(ended_s - begun_s),
        " " * first + "█" * (last - first),
    )


def dag_as_json(dag: "DagStatus") -> dict[str, Any]:
    """For programs."""
    said: dict[str, Any] = {
        "name": dag.name,
        "tenant": dag.tenant,
        "state": dag.state,
        "age_s": dag.age_s,
        "ended_s": dag.ended_s,
        "time_left_s": dag.time_left_s,
        "failed_step": dag.failed_step,
        "steps_ended": dag.steps_ended,
        "steps_count": dag.steps_count,
        "labels": dict(dag.labels),
        "steps": [_step_as_json(step) for step in dag.steps],
    }
    if dag.error is not None:
        said["error"] = error_as_json(dag.error)
    if dag.outputs:
        from hasten_cli.infer_verb import outputs_as_json

        said["outputs"] = outputs_as_json(dag.outputs)
    return said


def _step_as_json(step: "DagStepStatus") -> dict[str, Any]:
    return {
        "name": step.name,
        "state": step.state,
        "model": step.model,
        "begun_s": step.begun_s,
        "ended_s": step.ended_s,
        "due_s": step.due_s,
        "priority": step.priority,
        "reasons": list(step.reasons),
        "error": None if step.error is None else error_as_json(step.error),
        "parts": [
            {
                "state": part.state,
                "task": part.task_id,
                "error": None if part.error is None else error_as_json(part.error),
            }
            for part in step.parts
        ],
    }
