"""The services of a run as a table for a terminal."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from hasten_cli.local.plan import kinds
from hasten_cli.local.supervisor import Service

if TYPE_CHECKING:
    from rich.table import Table

    from hasten_client import Worker

COLUMNS: Final = ("service", "pid", "address", "state", "models", "in flight", "restarts")
MODELS_SHOWN: Final = 4
_STYLES: Final = {"ready": "green", "starting": "yellow", "restarting": "bold red"}


@dataclass(frozen=True, slots=True)
class Row:
    """One service, every cell as text, in the order of COLUMNS."""

    service: str
    pid: str
    address: str
    state: str
    models: str
    in_flight: str
    restarts: str

    @property
    def cells(self) -> tuple[str, ...]:
        """In the order of COLUMNS."""
        return (
            self.service,
            self.pid,
            self.address,
            self.state,
            self.models,
            self.in_flight,
            self.restarts,
        )


def rows(services: Sequence[Service], workers: Mapping[str, "Worker"]) -> list[Row]:
    """One row a service; `workers` is the router's view by name, empty while it is not known."""
    return [_row(service, workers) for service in sorted(services, key=_order)]


def table(shown: Sequence[Row]) -> "Table":
    """The rows for a terminal."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold")
    for column in COLUMNS:
        right = column in {"pid", "in flight", "restarts"}
        made.add_column(column, justify="right" if right else "left", overflow="fold")
    for row in shown:
        style = _STYLES.get(row.state, "")
        made.add_row(
            *(
                Text(cell, style=style if name == "state" else "")
                for name, cell in zip(COLUMNS, row.cells, strict=True)
            )
        )
    return made


def _order(service: Service) -> tuple[int, int, str]:
    """The front door first; worker-10 after worker-9."""
    name = service.spec.name
    return kinds().index(service.spec.kind), len(name), name


def _row(service: Service, workers: Mapping[str, "Worker"]) -> Row:
    seen = workers.get(service.spec.name) if service.spec.kind == "worker" else None
    in_flight = ""
    if seen is not None:
        in_flight = str(seen.in_flight)
    elif service.spec.kind == "router" and workers:
        in_flight = str(sum(worker.in_flight for worker in workers.values()))
    state: str = service.state
    if state == "ready" and seen is not None and seen.standing != "ready":
        state = seen.standing.replace("_", " ")
    return Row(
        service=service.spec.name,
        pid=str(service.pid or ""),
        address=service.address,
        state=state,
        models=_models(seen),
        in_flight=in_flight,
        restarts=str(service.restarts or ""),
    )


def _models(worker: "Worker | None") -> str:
    """The names of a worker's models, the first few of many."""
    if worker is None:
        return ""
    names = sorted({model.name for model in worker.models})
    shown = ", ".join(names[:MODELS_SHOWN])
    more = len(names) - MODELS_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
