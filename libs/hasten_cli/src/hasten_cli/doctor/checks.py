"""Which checks there are."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hasten_cli.doctor import machine, ports, router, runs
from hasten_cli.doctor.finding import Check
from hasten_cli.doctor.repository import inspect_repository, repository_findings

ADDRESS_DEFAULT: Final = "localhost:8001"
HERE: Final = frozenset({"localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"})  # noqa: S104  (names)


@dataclass(frozen=True, slots=True)
class DoctorOptions:
    """What to look at.

    Attributes:
        address: Router; None for the one that `hasten up` starts by default.
        redis_url: None for the one that `hasten up` would start.
        consul: Address of an agent; None for none.
        models: Repository; None for the one that `hasten up` would serve.
        here: The working folder.
    """

    address: str | None
    redis_url: str | None
    consul: str | None
    models: Path | None
    here: Path


def checks(options: DoctorOptions) -> Iterator[Check]:
    """The checks, in the order in which they are told."""
    yield from _network(options)
    yield Check(
        "models",
        lambda: repository_findings(options.models, options.here, inspect_repository),
    )
    yield Check("gpu", lambda: runs.gpu_findings(runs.gpus_shown, runs.onnxruntime_providers))
    yield Check("native transport", runs.transport_findings)
    yield Check("open files", lambda: machine.file_findings(machine.open_files_limits))
    yield Check(
        "disk", lambda: machine.disk_findings(machine.run_parent(), machine.disk_free_bytes)
    )
    yield Check("memory", lambda: machine.memory_findings(machine.memory_available_bytes))
    yield Check(
        "shared memory", lambda: machine.shared_findings(machine.SHARED, machine.disk_free_bytes)
    )


def _network(options: DoctorOptions) -> Iterator[Check]:
    address = options.address or ADDRESS_DEFAULT
    port = port_here(address)
    if port is not None:
        yield Check("ports", lambda: ports.port_findings(port, ports.holder_of))
    yield Check(
        "router",
        lambda: router.router_findings(
            address, router.ask_router, is_named=options.address is not None
        ),
    )
    # Its client takes a sixth of a second.
    from hasten_cli.doctor import redis

    url = options.redis_url
    if url is None:
        yield Check(
            "redis", lambda: redis.program_findings(redis.find_program, redis.program_version)
        )
    else:
        yield Check("redis", lambda: redis.redis_findings(url, redis.ask_redis))
    agent = options.consul
    if agent is not None:
        from hasten_cli.doctor import consul

        yield Check("consul", lambda: consul.consul_findings(agent, consul.ask_consul))


def port_here(address: str) -> int | None:
    """The port of a router of this machine; None for one elsewhere."""
    host, _, port = address.rpartition(":")
    return int(port) if host in HERE and port.isascii() and port.isdigit() else None
