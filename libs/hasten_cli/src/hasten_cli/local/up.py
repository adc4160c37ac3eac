"""`hasten up`: the whole mesh on this machine until it is told to stop."""

import asyncio
import importlib
import itertools
import os
import signal
import time
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from hasten_cli.failures import FAILED, USAGE, CommandError
from hasten_cli.local import ports, record, redis
from hasten_cli.local.models import with_troubles, without_models, write_sample
from hasten_cli.local.plan import (
    SOCKET,
    Place,
    UpOptions,
    redis_spec,
    service_specs,
    worker_spec,
)
from hasten_cli.local.run_folder import RunFolder
from hasten_cli.local.supervisor import Service, StartError, Supervisor
from hasten_cli.local.voice import Summary, Voice

if TYPE_CHECKING:
    from hasten_cli.local.mesh import MeshView

REFRESH_S: Final = 1.0
REFRESH_START_S: Final = 0.2
REDIS_TRIES: Final = 3
_PORT_TAKEN: Final = "Address already in use"

T = TypeVar("T")


class Stopped(Exception):  # noqa: N818  (no error: the user's wish)
    """A signal came before the mesh was ready."""


async def up(options: UpOptions, voice: Voice) -> int:
    """Runs the mesh until SIGINT, SIGTERM or SIGHUP; returns the exit code.

    Raises:
        CommandError: It did not come up. Nothing is left running and no file is left.
    """
    begin_s = time.monotonic()
    _check_ports(options)
    with (
        ports.claimed(options.host, options.port, option="--port"),
        ports.claimed(options.host, options.http_port, option="--http-port"),
        ports.claimed(options.host, options.metrics_port, option="--metrics-port"),
        ports.claimed(options.host, options.tasks_port, option="--tasks-port"),
        ports.claimed("127.0.0.1", options.autoscaler_port, option="--autoscaler-port"),
        RunFolder() as folder,
    ):
        supervisor = Supervisor(folder, say=voice.say)
        async with _until_signal(supervisor, voice) as stop:
            try:
                await _run(options, voice, folder, supervisor, stop, begin_s)
            except Stopped:
                pass
            except StartError as error:
                raise _start_failed(error) from None
        unrecorded = list(record.troubles(folder.logs)) if options.record is not None else []
    for trouble in unrecorded:
        voice.say(trouble.says)
    voice.say("stopped; nothing is left")
    return FAILED if any(trouble.failed for trouble in unrecorded) else 0


def _check_ports(options: UpOptions) -> None:
    """Raises CommandError where two of the router's ports are one."""
    chosen = {
        "--port": options.port,
        "--http-port": options.http_port,
        "--metrics-port": options.metrics_port,
    }
    for (one, port), (other, same) in itertools.combinations(chosen.items(), 2):
        if port == same != 0:
            raise CommandError(
                f"{one} and {other} are both {port}",
                next_step="give them different ports",
                code=USAGE,
            )


async def _run(
    options: UpOptions,
    voice: Voice,
    folder: RunFolder,
    supervisor: Supervisor,
    stop: asyncio.Event,
    begin_s: float,
) -> None:
    """Starts everything, says so, and shows it until `stop`."""
    if options.models is None:
        voice.say("no --models and no ./models here: serving the sample model `echo`")
    async with AsyncExitStack() as opened:
        async with _shown(supervisor, voice):
            endpoint = await _unless(stop, _start_redis(supervisor, folder))
            redis_s = time.monotonic() - begin_s
            models = options.models or write_sample(folder.path / "models")
            place = Place(models, endpoint.url, folder.path, os.environ)
            await opened.enter_async_context(_pool(supervisor, options, place))
            await _unless(stop, _start_services(supervisor, options, place))
            services_s = time.monotonic() - begin_s - redis_s
        from hasten_cli.local.mesh import MeshView

        (router,) = supervisor.of_kind("router")
        mesh = await opened.enter_async_context(MeshView(_reachable(router.address)))
        await _unless(stop, _seen(supervisor, mesh))
        total_s = time.monotonic() - begin_s
        view_s = total_s - services_s - redis_s
        troubles = with_troubles(await mesh.troubles(), models, options.control)
        slowest = max(supervisor.services, key=lambda service: service.ready_after_s)
        voice.ready(
            Summary(
                address=mesh.address,
                http=_reachable(str(router.facts.get("http_address") or "")),
                metrics=_reachable(str(router.facts.get("metrics_address", ""))),
                services=supervisor.services,
                redis_url=endpoint.url,
                run_dir=str(folder.path),
                took=f"ready in {total_s:.1f} s: redis {redis_s:.2f} s, services "
                f"{services_s:.2f} s (slowest {slowest.spec.name}), first view {view_s:.2f} s",
                example=await mesh.example(),
                no_model="no model is served; the reasons follow"
                if troubles
                else without_models(models, options.control),
            )
        )
        for trouble in troubles:
            voice.say(trouble)
        if options.record is not None:
            for unrecorded in record.troubles(folder.logs):
                voice.say(unrecorded.says)
        await _watch(supervisor, mesh, voice, stop)


async def _start_redis(supervisor: Supervisor, folder: RunFolder) -> redis.RedisEndpoint:
    """Starts Redis on a free port; on another one if somebody was quicker."""
    program = redis.find_redis(os.environ.get("PATH"))
    tries = 0
    while True:
        tries += 1
        endpoint = redis.RedisEndpoint(ports.free_port())
        config = redis.write_config(endpoint, folder.path)
        spec = redis_spec(program, config, os.environ)
        try:
            await supervisor.begin([spec], probe=partial(redis.answers, endpoint))
        except StartError as error:
            if tries == REDIS_TRIES or _PORT_TAKEN not in error.tail:
                raise
            await supervisor.forget(spec.name)
        else:
            return endpoint


async def _start_services(supervisor: Supervisor, options: UpOptions, place: Place) -> None:
    """Starts all services at once; meanwhile loads the client that asks the router."""
    await asyncio.gather(
        supervisor.begin(service_specs(options, place)),
        asyncio.to_thread(importlib.import_module, "hasten_cli.local.mesh"),
    )


async def _seen(supervisor: Supervisor, mesh: "MeshView") -> None:
    """Waits until the router gives calls to every worker. Raises StartError."""
    names = [service.spec.name for service in supervisor.of_kind("worker")]
    if not await mesh.serving(names):
        router = supervisor.of_kind("router")[0]
        raise StartError(
            f"the router does not see all of {', '.join(names)}",
            router.child.log_tail() if router.child is not None else "",
        )


@asynccontextmanager
async def _pool(supervisor: Supervisor, options: UpOptions, place: Place) -> AsyncIterator[None]:
    """Inside the block an autoscaler that may act can have workers started and stopped."""
    if options.autoscale is None:
        yield
        return
    from hasten_cli.local.pool import SupervisorPool
    from hasten_runtime.pools.socket import PoolServer

    pool = SupervisorPool(supervisor, partial(worker_spec, options, place))
    server = PoolServer(pool, place.folder / SOCKET)
    await server.open()
    try:
        yield
    finally:
        await server.close()
        await pool.close()


@asynccontextmanager
async def _shown(supervisor: Supervisor, voice: Voice) -> AsyncIterator[None]:
    """Shows the services, inside the block, as they become ready."""

    async def show() -> None:
        while True:
            voice.show(supervisor.services, {})
            await asyncio.sleep(REFRESH_START_S)

    showing = asyncio.create_task(show()) if voice.live else None
    try:
        yield
    finally:
        if showing is not None:
            showing.cancel()
            await asyncio.wait({showing})


async def _watch(
    supervisor: Supervisor, mesh: "MeshView", voice: Voice, stop: asyncio.Event
) -> None:
    """Shows the services until `stop`."""
    while not stop.is_set():
        if voice.live:
            voice.show(supervisor.services, await mesh.workers())
        supervisor.bound_logs()
        try:
            async with asyncio.timeout(REFRESH_S):
                await stop.wait()
        except TimeoutError:
            continue


@asynccontextmanager
async def _until_signal(supervisor: Supervisor, voice: Voice) -> AsyncIterator[asyncio.Event]:
    """An event that the first signal sets; a second one kills. At the end all is stopped."""
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    numbers = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        numbers.append(signal.SIGHUP)  # Under nohup it is ignored, and stays so.

    def on_signal() -> None:
        if stop.is_set():
            supervisor.kill()
            return
        stop.set()
        leaving = ", ".join(map(_together, supervisor.stages()))
        voice.say(f"stopping: {leaving} (once more to kill them)")

    for number in numbers:
        loop.add_signal_handler(number, on_signal)
    try:
        yield stop
    finally:
        stop.set()
        voice.close()
        await supervisor.stop()
        for number in numbers:
            loop.remove_signal_handler(number)


async def _unless(stop: asyncio.Event, action: Coroutine[Any, Any, T]) -> T:
    """The action's result. Raises Stopped, with the action cancelled, if `stop` comes first."""
    acting = asyncio.create_task(action)
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({acting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if not acting.done():
            raise Stopped
        return acting.result()
    finally:
        stopping.cancel()
        acting.cancel()
        await asyncio.wait({acting, stopping})


def _together(stage: Sequence[Service]) -> str:
    """Services that are stopped together: "router", "2 workers"."""
    kind = stage[0].spec.kind
    return kind if len(stage) == 1 else f"{len(stage)} {kind}s"


def _reachable(address: str) -> str:
    """An address that a client on this machine can dial."""
    host, _, port = address.rpartition(":")
    return f"127.0.0.1:{port}" if host in {"0.0.0.0", "[::]", ""} else address  # noqa: S104


def _start_failed(error: StartError) -> CommandError:
    tail = f"\n  last lines of its log:\n{_indented(error.tail)}" if error.tail else ""
    return CommandError(f"{error}{tail}", next_step="mend that, then run `hasten up` again")


def _indented(text: str) -> str:
    return "\n".join(f"    {line}" for line in text.splitlines())
