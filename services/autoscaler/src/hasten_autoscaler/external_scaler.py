"""externalscaler.ExternalScaler: a cluster's own scaler, KEDA, asks how many workers it needs.

Every replica answers, from the leader's last checkpoint: the number that KEDA is told does not
depend on whom it asks, and does not jump when another replica leads.
"""

# ruff: noqa: N802 (the methods have the protocol's names)

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from typing import Final, TypeVar

from hasten.externalscaler.v1 import externalscaler_pb2 as pb
from hasten.externalscaler.v1.externalscaler_pb2_grpc import ExternalScalerServicer
from hasten_autoscaler.book import Book
from hasten_autoscaler.replica import Replica
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context

METRIC: Final = "hasten-desired-replicas"
"""Workers that there should be. A target of one a worker makes an HPA want just as many."""
POOL: Final = "pool"
"""Key of the trigger's metadata that names the pool."""
LOOK_S: Final = 1.0
"""Between two looks of a stream at what the leader decided."""

_T = TypeVar("_T", bound=Hashable)


class KedaServicer(ExternalScalerServicer):
    """Answers KEDA for one pool.

    Args:
        replica: Leads or follows.
        book: Of decisions: wakes streams.
        pool: Name of the pool.
    """

    def __init__(self, replica: Replica, book: Book, pool: str) -> None:
        self._replica = replica
        self._book = book
        self._pool = pool

    async def IsActive(self, request: pb.ScaledObjectRef, _: Context) -> pb.IsActiveResponse:
        """Whether there should be any worker."""
        self._check(request)
        return pb.IsActiveResponse(result=self._desired() > 0)

    async def StreamIsActive(
        self, request: pb.ScaledObjectRef, _: Context
    ) -> AsyncIterator[pb.IsActiveResponse]:
        """The same at once, and whenever it changes."""
        self._check(request)
        async for active in self._changes(lambda: self._desired() > 0):
            yield pb.IsActiveResponse(result=active)

    async def GetMetricSpec(
        self, request: pb.ScaledObjectRef, _: Context
    ) -> pb.GetMetricSpecResponse:
        """The one metric, of which each worker is for one."""
        self._check(request)
        return _spec()

    async def GetMetrics(self, request: pb.GetMetricsRequest, _: Context) -> pb.GetMetricsResponse:
        """How many workers there should be."""
        self._check(request.scaledObjectRef)
        # KEDA asks by the name that GetMetricSpec gave.
        if request.metricName not in {METRIC, ""}:
            raise _refused(f"metricName must be {METRIC}, not {request.metricName!r}")
        desired = self._desired()
        value = pb.MetricValue(
            metricName=METRIC, metricValue=desired, metricValueFloat=float(desired)
        )
        return pb.GetMetricsResponse(metricValues=[value])

    async def StreamMetricSpec(
        self, request: pb.ScaledObjectRef, _: Context
    ) -> AsyncIterator[pb.GetMetricSpecResponse]:
        """As GetMetricSpec, at once; it never changes while this process lives."""
        self._check(request)
        async for _same in self._changes(lambda: METRIC):
            yield _spec()

    async def _changes(self, now: Callable[[], _T]) -> AsyncIterator[_T]:
        """A value at once and whenever it is another one, until the caller leaves."""
        before: _T | None = None
        while True:
            changed = self._book.changed
            value = now()
            if value != before:
                before = value
                yield value
            try:
                async with asyncio.timeout(LOOK_S):
                    await changed.wait()
            except TimeoutError:
                continue

    def _desired(self) -> int:
        return self._replica.plan().desired

    def _check(self, request: pb.ScaledObjectRef) -> None:
        """The trigger is about this pool. Raises MeshError."""
        pool = request.scalerMetadata.get(POOL, self._pool)
        if pool != self._pool:
            raise _refused(f"metadata.{POOL} must be {self._pool}, not {pool!r}")


def _spec() -> pb.GetMetricSpecResponse:
    spec = pb.MetricSpec(metricName=METRIC, targetSize=1, targetSizeFloat=1.0)
    return pb.GetMetricSpecResponse(metricSpecs=[spec])


def _refused(why: str) -> MeshError:
    return MeshError(Refusal(Reason.INVALID_REQUEST, why))
