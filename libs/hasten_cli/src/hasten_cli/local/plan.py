"""What local mode starts: each service as a command and its environment. Nothing is run here."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from hasten_cli.local.worker_range import WorkerRange
from hasten_policy.machines import MACHINES

REDIS: Final = "redis"
SOCKET: Final = "pool.sock"
"""In the run folder: there an autoscaler reaches the supervisor."""
SEVERAL: Final = ("worker", "scheduler")
"""Kinds of which there may be any number; of the others there is one."""
_ADDRESSES: Final = {
    "router": {
        "HASTEN_ROUTER_ADDRESS": "address",
        "HASTEN_ROUTER_HTTP_ADDRESS": "http_address",
        "HASTEN_ROUTER_METRICS_ADDRESS": "metrics_address",
    },
    "scheduler": {"HASTEN_SCHEDULER_ADDRESS": "address"},
    "autoscaler": {"HASTEN_AUTOSCALER_ADDRESS": "address"},
}
"""Of services that clients know: what they must have again after a restart."""

TASKS_PORT_ABOVE: Final = 2
"""Between them lies the port of the router's metrics."""
HTTP_PORT_BELOW: Final = 1
"""As at Triton: 8000 where gRPC has 8001."""
AUTOSCALER_PORT_ABOVE: Final = 4
"""Between them lie the ports of the scheduler."""
STARTING_MAX: Final = 2
"""Workers that start at once on one machine, each of which loads all models."""
DRAIN_S: Final = 8.0
"""Longest wait for calls in flight when the mesh is stopped."""
SERVICE_STOP_S: Final = 15.0
"""Longest wait for a router or worker to leave, its drain included, before it is killed."""
REDIS_STOP_S: Final = 5.0
"""Longest wait for Redis to close its files, before it is killed."""


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user asked for.

    Attributes:
        models: Model repository; None for a sample.
        workers: Number of workers, >= 1.
        schedulers: Number of schedulers.
        tasks_port: The first scheduler's port; 0 for a free one.
        host: Interface that the router listens on.
        port: The router's port; 0 for a free one.
        http_port: The router's port for HTTP; 0 for a free one.
        metrics_port: Port of the router's metrics; 0 for a free one.
        processes: Processes of the router.
        control: How the workers' model repository is controlled: poll, explicit or none.
        record: Folder for the event logs of router and workers; None for none.
        autoscale: Least and most workers; None for an autoscaler that only advises.
        autoscaler_rule: Which scaling rule decides.
        autoscaler_port: The autoscaler's port; 0 for a free one.
        message_bytes_max: Largest message that router and workers take; None for their own limit.
    """

    models: Path | None
    workers: int = 2
    schedulers: int = 1
    tasks_port: int = 8003
    host: str = "127.0.0.1"
    port: int = 8001
    http_port: int = 8000
    metrics_port: int = 8002
    processes: int = 1
    control: str = "poll"
    record: Path | None = None
    autoscale: WorkerRange | None = None
    autoscaler_rule: str = "hasten"
    autoscaler_port: int = 8005
    message_bytes_max: int | None = None


@dataclass(frozen=True, slots=True)
class ServiceSpec:
    """One process to keep running.

    Attributes:
        name: Unique, for people and for its log file.
        kind: What it is: one of `kinds()`.
        argv: Command line.
        environ: Its whole environment.
        stop_s_max: Longest wait after SIGTERM.
        announces: It writes a ready line on standard output.
        meanwhile: What goes on while it is gone and what does not, for people.
        forgets: What it no longer has after a restart, for people; "" for nothing.
    """

    name: str
    kind: str
    argv: tuple[str, ...]
    environ: Mapping[str, str]
    stop_s_max: float
    announces: bool = True
    meanwhile: str = ""
    forgets: str = ""

    def with_environ(self, **values: str) -> "ServiceSpec":
        """The same service with some variables changed."""
        return replace(self, environ={**self.environ, **values})


def redis_spec(executable: str, config: Path, environ: Mapping[str, str]) -> ServiceSpec:
    """The Redis that holds load state and leases."""
    return ServiceSpec(
        name="redis",
        kind=REDIS,
        argv=(executable, str(config)),
        environ=service_environ(environ, "", config.parent),
        stop_s_max=REDIS_STOP_S,
        announces=False,
        meanwhile="calls go on, and workers that are started anew are found when it is back",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where the services run.

    Attributes:
        models: Model repository.
        redis_url: Of the Redis that holds load state and leases.
        folder: The run folder.
        environ: The user's environment.
    """

    models: Path
    redis_url: str
    folder: Path
    environ: Mapping[str, str]


def service_specs(options: UpOptions, place: Place) -> list[ServiceSpec]:
    """A service for each machine that there is, and as many workers as the user asked for."""
    specs: list[ServiceSpec] = []
    for kind in MACHINES:
        if kind == "worker":
            numbers = range(1, options.workers + 1)
            specs += [worker_spec(options, place, f"worker-{number}") for number in numbers]
        elif kind == "scheduler":
            numbers = range(1, options.schedulers + 1)
            specs += [_scheduler_spec(options, place, number) for number in numbers]
        elif kind == "router":
            specs.append(_router_spec(options, place))
        elif kind == "autoscaler":
            specs.append(_autoscaler_spec(options, place))
        else:
            specs.append(_spec(kind, kind, options, place, {}))
    return specs


def _spec(
    kind: str, name: str, options: UpOptions, place: Place, own: Mapping[str, str]
) -> ServiceSpec:
    """A machine's service, on free ports of loopback unless its `own` variables say otherwise."""
    prefix = f"HASTEN_{kind.upper()}_"
    alike = {
        "ID": name,
        "ADDRESS": "127.0.0.1:0",
        "METRICS_ADDRESS": "127.0.0.1:0",
        "DISCOVERY__KIND": "redis",
        "DISCOVERY__ADDRESS": place.redis_url,
        "REDIS_URL": place.redis_url,
        **_shared(options),
        **own,
    }
    return ServiceSpec(
        name=name,
        kind=kind,
        argv=(sys.executable, "-m", f"hasten_{kind}.main"),
        environ={
            **service_environ(place.environ, prefix, place.folder),
            **{prefix + variable: value for variable, value in alike.items()},
        },
        stop_s_max=SERVICE_STOP_S,
    )


def worker_spec(options: UpOptions, place: Place, name: str) -> ServiceSpec:
    """A worker of this name."""
    own = {"MODELS_DIR": str(place.models), "MODEL_CONTROL": options.control}
    spec = _spec("worker", name, options, place, own)
    if options.control != "explicit":
        return spec
    return replace(spec, forgets="models that were loaded by command must be loaded again")


def tasks_port_of(port: int) -> int:
    """The first scheduler's port in a mesh whose router has this one, where nobody said another."""
    return port + TASKS_PORT_ABOVE if port else 0


def http_port_of(port: int) -> int:
    """The port for HTTP of a router with this one, where nobody said another."""
    return max(port - HTTP_PORT_BELOW, 0)


def _scheduler_spec(options: UpOptions, place: Place, number: int) -> ServiceSpec:
    """The first is the one that clients know; the others take over when it is gone."""
    own = {
        "DRAIN__PATIENCE_S": "1",
        "PAYLOADS__FOLDER": str(place.folder / "payloads"),
    }
    if number == 1:
        own["ADDRESS"] = host_port(options.host, options.tasks_port)
    spec = _spec("scheduler", f"scheduler-{number}", options, place, own)
    return replace(spec, meanwhile="calls go on, and tasks wait or go on with another scheduler")


def _autoscaler_spec(options: UpOptions, place: Place) -> ServiceSpec:
    own = {
        "ADDRESS": host_port("127.0.0.1", options.autoscaler_port),
        "POLICY__RULE": options.autoscaler_rule,
    }
    if options.autoscale is not None:
        own |= {
            "MODE": "act",
            "DRIVER": "process",
            "DRIVER_ADDRESS": str(place.folder / SOCKET),
            "BOUNDS__WORKERS_MIN": str(options.autoscale.least),
            "BOUNDS__WORKERS_MAX": str(options.autoscale.most),
            "POLICY__STARTING_MAX": str(STARTING_MAX),
        }
    spec = _spec("autoscaler", "autoscaler", options, place, own)
    return replace(spec, meanwhile="calls go on, with the workers that there are")


def autoscaler_port_of(port: int) -> int:
    """The autoscaler's port in a mesh whose router has this one."""
    return port + AUTOSCALER_PORT_ABOVE if port else 0


def _router_spec(options: UpOptions, place: Place) -> ServiceSpec:
    """The mesh's front door."""
    own = {
        "ADDRESS": host_port(options.host, options.port),
        "HTTP_ADDRESS": host_port(options.host, options.http_port),
        "METRICS_ADDRESS": host_port(options.host, options.metrics_port),
        "PROCESSES": str(options.processes),
        # Nobody balances over this one router: it need not show that it is leaving.
        "DRAIN__NOTICE_S": "0",
        "DRAIN__PATIENCE_S": str(DRAIN_S),
    }
    return _spec("router", "router", options, place, own)


def kinds() -> tuple[str, ...]:
    """All kinds of services, in the order in which they are shown and stopped.

    The front door comes first, so that nothing is sent to workers that are leaving; the Redis that
    all of them use comes last.
    """
    return (*MACHINES, REDIS)


def _shared(options: UpOptions) -> dict[str, str]:
    """What all services are told alike, where the user said it."""
    said = {"RECORD": options.record, "GRPC__MESSAGE_BYTES_MAX": options.message_bytes_max}
    return {name: str(value) for name, value in said.items() if value is not None}


def host_port(host: str, port: int) -> str:
    """As servers take it: an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host and not host.startswith("[") else f"{host}:{port}"


def pinned(spec: ServiceSpec, facts: Mapping[str, Any]) -> ServiceSpec:
    """The service with the ports it got, if clients know it, so that a restart keeps them."""
    values = {}
    for variable, fact in _ADDRESSES.get(spec.kind, {}).items():
        host = spec.environ.get(variable, "").rpartition(":")[0]
        port = str(facts.get(fact) or "").rpartition(":")[2]
        if host and port.isdigit():
            values[variable] = f"{host}:{port}"
    return spec.with_environ(**values)


def service_environ(environ: Mapping[str, str], prefix: str, folder: Path) -> dict[str, str]:
    """The user's environment, of our own variables only those that start with `prefix`.

    A service refuses to start on a variable of its own that it does not know, and must not
    see those meant for others. Temporary files go into the run folder and vanish with it.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if not name.startswith("HASTEN_") or (prefix and name.startswith(prefix))
    }
    return {**kept, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder / "tmp")}


def restart_delay_s(failures: int, *, first_s: float = 0.2, delay_s_max: float = 10.0) -> float:
    """Wait before start number `failures` + 1 of a service that ended `failures` >= 1 times."""
    return min(delay_s_max, first_s * 2.0 ** min(failures - 1, 32))
