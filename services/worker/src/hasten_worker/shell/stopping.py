"""Sees to it that the runs that were asked to stop do."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hasten_runtime import logs
from hasten_worker.shell.batch import Batch

_log = logs.logger(__name__)


@dataclass(frozen=True, slots=True)
class Graces:
    """How long a run may go on that was asked to stop.

    Attributes:
        kill_s: Then it is ended with its process, if that is not the worker's.
        stuck_s: Then its lane is lost, and the worker with it.
    """

    kill_s: float = 0.5
    stuck_s: float = 2.0


class Stopping:
    """Of all batches.

    Args:
        graces: How long they may go on.
        batches: Those that run, by id.
        stuck: Told of one that nothing stops.
    """

    def __init__(
        self, graces: Graces, batches: Mapping[int, Batch], stuck: Callable[[Batch], None]
    ) -> None:
        self._graces = graces
        self._batches = batches
        self._stuck = stuck

    def stop(self, batch: Batch) -> None:
        """Asks a batch to stop, and looks whether it does."""
        batch.terminate()
        loop = asyncio.get_running_loop()
        loop.call_later(self._graces.kill_s, self._kill, batch.batch_id)
        loop.call_later(self._graces.stuck_s, self._check, batch.batch_id)

    def _kill(self, batch_id: int) -> None:
        batch = self._batches.get(batch_id)
        if batch is not None and batch.kill():
            _log.warning(
                "run.killed",
                model=batch.served.key,
                grace_s=self._graces.kill_s,
                help="a run ignored its termination; the process of its model ends for it",
            )

    def _check(self, batch_id: int) -> None:
        batch = self._batches.get(batch_id)
        if batch is None:
            return
        _log.critical(
            "lane.stuck",
            model=batch.served.key,
            grace_s=self._graces.stuck_s,
            help="a run ignored its termination; this worker exits to be started anew",
        )
        self._stuck(batch)
