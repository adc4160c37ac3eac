"""Calling the mesh from a command: the client, and its errors as sentences."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hasten_cli.failures import FAILED, UNREACHABLE, USAGE, CommandError

if TYPE_CHECKING:
    from hasten_client import (
        BatchClient,
        Client,
        DagClient,
        HastenError,
        ScheduleClient,
        TaskClient,
    )

    ClientT = TypeVar("ClientT", BatchClient, Client, DagClient, ScheduleClient, TaskClient)

ANSWER_S_MAX: Final = 10.0
"""Longest wait for an answer that needs no work."""

VARIABLE: Final = "HASTEN_ADDRESS"
"""The environment's variable that names a router."""
PLAN_VARIABLE: Final = "HASTEN_PLAN_ADDRESS"
"""The environment's variable that names an autoscaler."""
TASKS_VARIABLE: Final = "HASTEN_TASKS_ADDRESS"
"""The environment's variable that names a scheduler."""
_NEXT_STEPS: Final = {
    "DEADLINE_INFEASIBLE": "allow more time: --deadline, or send a smaller input",
    "DEADLINE_PASSED": "allow more time: --deadline",
    "SHED_BEFORE_START": "allow more time: --deadline, or add workers",
    "OVERLOADED": "try again later, allow more time, or add workers",
    "QUEUE_FULL": "try again later, or add workers",
    "MODEL_NOT_FOUND": "see which models there are: hasten models list",
    "VERSION_NOT_FOUND": "see which versions there are: hasten models list",
    "NO_WORKER": "see who is there: hasten workers list",
    "MODEL_LOADING": "wait until it is READY: hasten models list",
    "CONTROL_MODE": "start the workers with explicit control: hasten up --control explicit",
    "TASK_NOT_FOUND": "see which tasks there are: hasten task list",
    "TASK_CONTENT_DIFFERS": "give the new content another --id",
    "URI_NOT_ALLOWED": "upload the lines: name the file without file://",
    "TASK_STATE": "see where it is: hasten task get ID",
    "JOB_NOT_FOUND": "see which there are: hasten batch list, dag list, schedule list",
    "JOB_CONTENT_DIFFERS": "give the new content another id, or name",
    "RESERVATION_INFEASIBLE": "allow a later --deadline, run it less often, or add workers",
    "NOT_LEADER": "ask the replica that leads: hasten plan shows its name",
    "STORE_UNAVAILABLE": "run the same command again; with --id it finds what was stored",
    "UNIMPLEMENTED": "ask a router: a worker does not offer this call",
}


@contextmanager
def client(address: str) -> Iterator["Client"]:
    """A client of the mesh at the address; what it raises becomes a CommandError."""
    from hasten_client import Client

    with _opened(Client, address) as opened:
        yield opened


@contextmanager
def task_client(address: str) -> Iterator["TaskClient"]:
    """A client of the scheduler at the address; what it raises becomes a CommandError."""
    from hasten_client import TaskClient

    with _opened(TaskClient, address) as opened:
        yield opened


@contextmanager
def schedule_client(address: str) -> Iterator["ScheduleClient"]:
    """A client of the scheduler at the address; what it raises becomes a CommandError."""
    from hasten_client import ScheduleClient

    with _opened(ScheduleClient, address) as opened:
        yield opened


@contextmanager
def dag_client(address: str) -> Iterator["DagClient"]:
    """A client of DAGs at the scheduler; what it raises becomes a CommandError."""
    from hasten_client import DagClient

    with _opened(DagClient, address) as opened:
        yield opened


@contextmanager
def batch_client(address: str) -> Iterator["BatchClient"]:
    """As `task_client`, for batches and callbacks."""
    from hasten_client import BatchClient

    with _opened(BatchClient, address) as opened:
        yield opened


@contextmanager
def _opened(kind: "type[ClientT]", address: str) -> "Iterator[ClientT]":
    from hasten_client import Client, HastenError, InvalidArgument

    try:
        opened = kind(address)
    except InvalidArgument as error:
        raise CommandError(error.message, code=USAGE) from None
    try:
        with opened:
            yield opened
    except HastenError as error:
        raise command_error(
            error, address, variable=VARIABLE if kind is Client else TASKS_VARIABLE
        ) from error


def command_error(error: "HastenError", address: str, *, variable: str = VARIABLE) -> CommandError:
    """The error as a sentence with a next step."""
    from hasten_client import Unreachable

    facts: dict[str, Any] = {
        "reason": error.reason,
        "status": error.status,
        "retry_after_s": error.retry_after_s,
        "metadata": dict(error.metadata),
    }
    if isinstance(error, Unreachable):
        return CommandError(
            f"nobody answers at {address} ({error.message})",
            next_step="start a mesh here with `hasten up`, or name one with --address or "
            f"{variable}",
            code=UNREACHABLE,
            facts=facts,
        )
    return CommandError(
        str(error),
        next_step=_NEXT_STEPS.get(error.reason or error.status, ""),
        code=FAILED,
        facts=facts,
    )
