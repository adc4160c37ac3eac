"""The router at an address: answers, is ready, and why not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from hasten_cli.calls import command_error
from hasten_cli.doctor.finding import Finding, bounded, fail, ok, warn
from hasten_client import (
    Client,
    HastenError,
    ModelState,
    RetryPolicy,
    Unimplemented,
    Unreachable,
    Worker,
)

ANSWER_S_MAX: Final = 2.0
SERVING: Final = frozenset({"ready", "slow_start"})


@dataclass(frozen=True, slots=True)
class Mesh:
    """What a router says of its mesh.

    Attributes:
        server: Its name and version.
        ready: It may be sent calls.
        workers: As it sees them.
        models: Its repository index.
    """

    server: str
    ready: bool
    workers: tuple[Worker, ...]
    models: tuple[ModelState, ...]


def router_findings(
    address: str, ask: Callable[[str], Mesh], *, is_named: bool
) -> Iterator[Finding]:
    """The router and, where it answers, its workers and models.

    Args:
        address: As clients take it.
        ask: Asks the router. Raises HastenError.
        is_named: The operator named it, so that somebody should answer there.
    """
    try:
        mesh = ask(address)
    except Unreachable as error:
        said = command_error(error, address)
        finding = fail if is_named else warn
        yield finding("router", said.message, said.next_step)
        return
    except Unimplemented as error:
        yield fail(
            "router",
            f"what answers at {address} is no router of Hasten ({error.message})",
            "name the router's address for gRPC with --address; its port is 8001 by default",
        )
        return
    except HastenError as error:
        said = command_error(error, address)
        yield fail("router", f"{address}: {said.message}", said.next_step or "name a router there")
        return
    serving = [worker for worker in mesh.workers if worker.standing in SERVING]
    if mesh.ready:
        yield ok("router", f"{mesh.server} at {address} is ready")
    else:
        yield fail("router", *_not_ready(address, mesh, serving=len(serving)))
    if mesh.workers and len(serving) < len(mesh.workers):
        away = ", ".join(
            f"{worker.worker_id} ({worker.standing.replace('_', ' ')})"
            for worker in mesh.workers
            if worker.standing not in SERVING
        )
        yield warn(
            "workers",
            f"{len(serving)} of {len(mesh.workers)} workers get calls; these do not: {away}",
            "see `hasten workers list`, and the logs of these workers",
        )
    elif mesh.workers:
        yield ok("workers", f"{len(serving)} workers get calls")
    yield from bounded(list(_models(mesh.models)))


def ask_router(address: str) -> Mesh:
    """Asks the router, ANSWER_S_MAX a question. Raises HastenError."""
    with Client(address, retry=RetryPolicy(attempts_max=1)) as client:
        server = client.server_metadata(deadline_s=ANSWER_S_MAX)
        return Mesh(
            server=f"{server.name} {server.version}",
            ready=client.ready(deadline_s=ANSWER_S_MAX),
            workers=tuple(client.workers(deadline_s=ANSWER_S_MAX)),
            models=tuple(client.index(deadline_s=ANSWER_S_MAX)),
        )


def _not_ready(address: str, mesh: Mesh, *, serving: int) -> tuple[str, str]:
    what = f"{mesh.server} at {address} is not ready"
    if not mesh.workers:
        return (
            f"{what}: it sees no worker",
            "start workers that use the same discovery (address and namespace) as the router",
        )
    if not serving:
        return (
            f"{what}: none of its {len(mesh.workers)} workers gets calls",
            "see `hasten workers list`, and the logs of the workers",
        )
    return (
        f"{what}, though {serving} workers get calls: it starts, leaves, or lacks a model",
        "its metrics port says why at /health/ready",
    )


def _models(models: tuple[ModelState, ...]) -> Iterator[Finding]:
    served = sum(state.state == "READY" for state in models)
    if served:
        yield ok("models of the mesh", f"{served} model versions are served")
    for state in models:
        if state.state == "UNAVAILABLE" and state.reason and state.reason != "unloaded":
            version = f" version {state.version}" if state.version else ""
            yield fail(
                "models of the mesh",
                f"model {state.name}{version} is not served: {state.reason}",
                f"mend or remove the folder {state.name} of the repository",
            )
