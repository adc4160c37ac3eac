"""Life of the worker's process: start, run, leave in order."""

import asyncio
import contextlib
import os
from typing import Final, NoReturn

from hasten_runtime import logs, process
from hasten_runtime.discovery import Instance
from hasten_runtime.discovery.port import WEIGHT_FACT
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.readiness import faults_of
from hasten_worker.settings import WorkerSettings
from hasten_worker.store_port import MakeStore
from hasten_worker.wiring import SERVICES, CannotStart, Worker, open_worker

EXIT_BROKEN: Final = 70
"""The worker could not trust itself any more and must be started anew."""
CLOSE_S: Final = 0.5
"""For connections to close once no call is left."""

_log = logs.logger(__name__)


async def live(settings: WorkerSettings, stop: asyncio.Event, make_store: MakeStore) -> int:
    """Runs one worker until `stop` is set; returns the exit code.

    A worker that cannot trust itself any more ends the process with EXIT_BROKEN.

    Raises:
        CannotStart: An address or the model repository is not there.
    """
    async with open_worker(settings, make_store) as worker, asyncio.TaskGroup() as group:
        worker.shell.on_broken = stop.set
        worker.shell.open()
        await worker.server.start()
        if await _loaded(worker, stop):
            group.create_task(worker.reporter.run(worker.teller.state), name="reporting")
            await _announce(worker)
            following = worker.readiness.follow(worker.health.set_ready)
            readiness = group.create_task(following, name="readiness")
            await stop.wait()
            readiness.cancel()
        if worker.shell.broken:
            await _break_off(worker)
        await worker.leaving.drain()
        worker.health.close()
        await worker.door.close(CLOSE_S)
        await worker.server.stop(CLOSE_S)
        await worker.store.stop()
        worker.reporter.close()
    return 0


async def _loaded(worker: Worker, stop: asyncio.Event) -> bool:
    """Loads the models of the start; False when told to stop before that is done."""
    async with asyncio.TaskGroup() as group:
        loading = group.create_task(_load(worker), name="loading")
        stopping = group.create_task(stop.wait(), name="stopping")
        await asyncio.wait((loading, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        loading.cancel()
    return not stop.is_set()


async def _load(worker: Worker) -> None:
    worker.teller.loading()
    try:
        await worker.store.start()
    except ModelRefused as error:
        raise CannotStart(str(error)) from error
    worker.teller.loaded()


async def _announce(worker: Worker) -> None:
    """Says that it serves: to those who ask, to those who look, to whoever started it.

    A worker that is not ready is announced too: what it serves, it serves.
    """
    worker.readiness.begin(faults_of(worker.store, strict=worker.settings.strict_readiness))
    worker.health.set_ready(worker.readiness.refresh())
    for service in SERVICES:
        worker.health.set(service, serving=True)
    await worker.presence.announce(
        Instance(
            service="worker",
            instance_id=worker.worker_id,
            address=worker.settings.advertised(worker.address),
            meta={
                "metrics": worker.settings.advertised(worker.metrics_address),
                "pid": str(os.getpid()),
                WEIGHT_FACT: f"{worker.settings.weight:g}",
            },
        )
    )
    process.announce_ready(
        service="worker",
        address=worker.address,
        metrics_address=worker.metrics_address,
        id=worker.worker_id,
    )


async def _break_off(worker: Worker) -> NoReturn:
    """Ends the process at once: threads that never return would hold up any other end."""
    worker.health.enter_drain()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_S):
            await worker.presence.withdraw()
    if worker.recorder is not None:
        # Its last events are the ones that matter.
        await asyncio.to_thread(worker.recorder.close)
    _log.critical("worker.broken", exit_code=EXIT_BROKEN, help="start it anew")
    logs.drain()
    os._exit(EXIT_BROKEN)
