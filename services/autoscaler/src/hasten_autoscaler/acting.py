"""Starts and stops workers through the pool, in the epoch of one term."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Final, Protocol

import grpc
import grpc.aio

from hasten.worker.v1 import worker_service_pb2 as worker_pb
from hasten_runtime import logs
from hasten_runtime.grpc_client import make_channel
from hasten_runtime.pools.port import Pool, PoolFenced, PoolRefused, PoolUnavailable
from hasten_runtime.protocol_names import DRAIN

ANSWER_MARGIN_S: Final = 2.0
"""A drain's answer may come this much after its patience."""
STOP_AGAIN_S: Final = 1.0
"""After a pool that did not answer."""

_log = logs.logger(__name__)


class Outcome(Protocol):
    """Told what came of a wish."""

    def started(self, worker_id: str, pool: str) -> None:
        """The pool starts it."""
        ...

    def start_refused(self, worker_id: str, why: str, pool: str) -> None:
        """It cannot be had now."""
        ...


class Actor:
    """Carries wishes out, each on its own, so that a slow one keeps no other waiting.

    Args:
        pools: Where workers come from, by name.
        epoch: Of the term.
        holds: The term still holds; asked before each act.
        outcome: Told what comes of it.
        drain_s: Patience with calls that a worker has accepted.
    """

    def __init__(
        self,
        pools: Mapping[str, Pool],
        epoch: int,
        holds: Callable[[], bool],
        outcome: Outcome,
        *,
        drain_s: float,
    ) -> None:
        self._pools = pools
        self._epoch = epoch
        self._holds = holds
        self._outcome = outcome
        self._drain_s = drain_s
        self._acts: set[asyncio.Task[None]] = set()

    def start(self, worker_id: str, pool: str) -> None:
        """Has one started in a pool."""
        self._begin(self._start(worker_id, pool), f"start-{worker_id}")

    def stop(self, worker_id: str, address: str, pool: str) -> None:
        """Lets one finish what it has accepted, then has it stopped.

        Args:
            worker_id: Which.
            address: Where it serves; "" for one that never did.
            pool: Of it.
        """
        self._begin(self._stop(worker_id, address, pool), f"stop-{worker_id}")

    async def close(self) -> None:
        """Gives up what is not done: the next leader finds what there is."""
        for act in self._acts:
            act.cancel()
        await asyncio.gather(*self._acts, return_exceptions=True)

    def _begin(self, act: Coroutine[None, None, None], name: str) -> None:
        task = asyncio.create_task(act, name=name)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)

    async def _start(self, worker_id: str, pool: str) -> None:
        if not self._holds():
            return
        try:
            await self._pools[pool].start(worker_id, self._epoch)
        except (PoolRefused, PoolUnavailable) as error:
            _log.warning("worker.not_started", worker_id=worker_id, pool=pool, reason=str(error))
            self._outcome.start_refused(worker_id, str(error), pool)
        except PoolFenced as error:
            _log.warning("autoscaler.fenced", epoch=self._epoch, reason=str(error))
        else:
            _log.info("worker.asked_for", worker_id=worker_id, epoch=self._epoch)
            self._outcome.started(worker_id, pool)

    async def _stop(self, worker_id: str, address: str, pool: str) -> None:
        if address and self._holds():
            await self._drain(worker_id, address)
        while self._holds():
            try:
                await self._pools[pool].stop(worker_id, self._epoch)
            except PoolUnavailable as error:
                _log.warning("worker.not_stopped", worker_id=worker_id, reason=str(error))
                await asyncio.sleep(STOP_AGAIN_S)
            except PoolFenced as error:
                _log.warning("autoscaler.fenced", epoch=self._epoch, reason=str(error))
                return
            else:
                _log.info("worker.stopped", worker_id=worker_id, epoch=self._epoch)
                return

    async def _drain(self, worker_id: str, address: str) -> None:
        """Asks it to finish. One that does not answer is stopped all the same, and finishes then
        what it can.
        """
        channel = make_channel(address)
        drain = channel.unary_unary(
            DRAIN,
            request_serializer=worker_pb.DrainRequest.SerializeToString,
            response_deserializer=worker_pb.DrainResponse.FromString,
        )
        try:
            done: worker_pb.DrainResponse = await drain(
                worker_pb.DrainRequest(patience_us=round(self._drain_s * 1e6)),
                timeout=self._drain_s + ANSWER_MARGIN_S,
            )
        except grpc.aio.AioRpcError as error:
            _log.warning("worker.not_drained", worker_id=worker_id, reason=error.details())
        else:
            _log.info("worker.drained", worker_id=worker_id, abandoned=done.abandoned)
        finally:
            await channel.close()
