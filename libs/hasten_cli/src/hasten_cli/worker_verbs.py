"""What `hasten workers` does."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Final

from hasten_cli.calls import ANSWER_S_MAX, client
from hasten_cli.durations import format_duration
from hasten_cli.failures import CommandError
from hasten_cli.output import print_json, print_table

if TYPE_CHECKING:
    from hasten_client import Worker

_COLUMNS: Final = (
    "worker",
    "address",
    "standing",
    "in flight>",
    "backlog>",
    "per call>",
    "answered>",
    "failed>",
    "cpu>",
    "memory>",
    "models",
)


def list_workers(address: str, *, as_json: bool) -> None:
    """Prints the workers."""
    with client(address) as mesh:
        workers = mesh.workers(deadline_s=ANSWER_S_MAX)
    if as_json:
        print_json({"workers": [asdict(worker) for worker in workers]})
        return
    print_table(_COLUMNS, [_cells(worker) for worker in workers], empty="the router sees no worker")


def drain(address: str, worker_id: str, patience_s: float, *, as_json: bool) -> None:
    """Drains a worker and says what came of it. Raises CommandError if calls were left."""
    with client(address) as mesh:
        abandoned = mesh.drain_worker(
            worker_id, patience_s=patience_s, deadline_s=patience_s + ANSWER_S_MAX
        )
    if abandoned:
        raise CommandError(
            f"{worker_id} still had {abandoned} open calls when patience ended; it takes no more",
            next_step="wait longer with --patience, or stop it and lose them",
            facts={"abandoned": abandoned},
        )
    if as_json:
        print_json({"worker": worker_id, "abandoned": 0})
    else:
        print(f"{worker_id} is drained and idle")


def _cells(worker: "Worker") -> tuple[str, ...]:
    return (
        worker.worker_id,
        worker.address,
        worker.standing.replace("_", " "),
        str(worker.in_flight),
        format_duration(worker.backlog_s),
        format_duration(worker.service_s) if worker.service_s else "-",
        str(worker.answered),
        str(worker.failed),
        f"{worker.cpu_cores:.2f}",
        f"{worker.memory_bytes / 2**20:.0f} MiB",
        ", ".join(
            f"{m.name}:{m.version}{'' if m.ready else ' (not ready)'}" for m in worker.models
        ),
    )
