"""What `hasten dag` does, and `hasten submit --split`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from hasten_cli.calls import ANSWER_S_MAX, client, dag_client
from hasten_cli.dag_shown import print_dag, print_dags, print_ended
from hasten_cli.output import print_json

if TYPE_CHECKING:
    from hasten_client import Dag, DagClient, DagStatus, ModelMetadata

PAGE = 500


@dataclass(frozen=True, slots=True)
class DagOptions:
    """What the user asked for; see `hasten dag submit --help`."""

    address: str
    file: Path
    name: str
    inputs: tuple[str, ...]
    deadline_s: float | None
    tenant: str
    wait: bool


def submit(options: DagOptions, *, as_json: bool) -> None:
    """Submits the DAG of a file, and waits for its end where that was asked for.

    Raises:
        CommandError: It was not accepted, or did not end well.
    """
    from hasten_cli.dag_file import read_dag

    with client(options.address) as mesh:

        def metadata(model: str, version: str) -> "ModelMetadata":
            return mesh.metadata(model, version, deadline_s=ANSWER_S_MAX)

        dag = read_dag(options.file, options.inputs, metadata)
    dag = replace(
        dag,
        name=options.name or dag.name,
        tenant=options.tenant or dag.tenant,
        deadline_s=options.deadline_s or dag.deadline_s,
    )
    submit_dag(options.address, dag, wait=options.wait, as_json=as_json)


def submit_dag(address: str, dag: "Dag", *, wait: bool, as_json: bool) -> None:
    """Submits a DAG. Raises CommandError as `submit`."""
    with dag_client(address) as scheduler:
        submitted = scheduler.submit(dag, deadline_s=ANSWER_S_MAX)
        ended = _waited(scheduler, submitted.name, submitted.tenant, None) if wait else None
    if ended is not None:
        print_ended(ended, as_json=as_json)
    elif as_json:
        print_json({"name": submitted.name, "repeated": submitted.repeated})
    else:
        print(f"{submitted.name}{'  (was there already)' if submitted.repeated else ''}")


def _waited(scheduler: "DagClient", name: str, tenant: str, timeout_s: float | None) -> "DagStatus":
    return scheduler.wait(name, tenant=tenant, deadline_s=timeout_s)


def get(address: str, name: str, tenant: str, *, as_json: bool) -> None:
    """Prints a DAG with its timeline."""
    with dag_client(address) as scheduler:
        dag = scheduler.get(name, tenant=tenant, deadline_s=ANSWER_S_MAX)
    print_dag(dag, as_json=as_json)


def wait(address: str, name: str, tenant: str, timeout_s: float | None, *, as_json: bool) -> None:
    """Prints a DAG once it has ended. Raises CommandError if it did not end well."""
    with dag_client(address) as scheduler:
        dag = _waited(scheduler, name, tenant, timeout_s)
    print_ended(dag, as_json=as_json)


def list_dags(address: str, tenant: str | None, most: int, *, as_json: bool) -> None:
    """Prints DAGs."""
    found: list[DagStatus] = []
    with dag_client(address) as scheduler:
        token = ""
        while len(found) < most:
            size = min(PAGE, most - len(found))
            page = scheduler.page(
                tenant=tenant, page_size=size, page_token=token, deadline_s=ANSWER_S_MAX
            )
            found += page.dags
            token = page.next_page_token
            if not token:
                break
    print_dags(found, as_json=as_json)


def cancel(address: str, names: Sequence[str], tenant: str, *, as_json: bool) -> None:
    """Ends DAGs and says where they were."""
    with dag_client(address) as scheduler:
        before = {
            name: scheduler.cancel(name, tenant=tenant, deadline_s=ANSWER_S_MAX) for name in names
        }
    if as_json:
        print_json({"before": before})
        return
    for name in before:
        print(f"{name} cancelled")
