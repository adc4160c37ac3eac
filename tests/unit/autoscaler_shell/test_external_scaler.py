"""What KEDA is told, by a client made from KEDA's protocol."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import grpc
import grpc.aio
import pytest

from hasten.autoscaler.v1 import autoscaler_service_pb2 as plans
from hasten.externalscaler.v1 import externalscaler_pb2 as pb
from hasten.externalscaler.v1.externalscaler_pb2_grpc import (
    ExternalScalerStub,
    add_ExternalScalerServicer_to_server,
)
from hasten_autoscaler.book import Book
from hasten_autoscaler.external_scaler import METRIC, KedaServicer
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.grpc_server import make_server

ABOUT = pb.ScaledObjectRef(name="workers", namespace="ml", scalerMetadata={"pool": "spot"})


@dataclass
class FakeReplica:
    """Knows a plan, or none yet."""

    desired: int | None = 3
    book: Book = field(default_factory=Book)

    def plan(self) -> plans.GetPlanResponse:
        if self.desired is None:
            raise MeshError(Refusal(Reason.STORE_UNAVAILABLE, "nothing was decided yet"))
        return plans.GetPlanResponse(desired=self.desired)

    def decide(self, desired: int) -> None:
        self.desired = desired
        self.book._wake()


@pytest.fixture
def replica() -> FakeReplica:
    return FakeReplica()


@pytest.fixture
async def keda(replica: FakeReplica) -> AsyncIterator[ExternalScalerStub]:
    server = make_server()
    servicer = KedaServicer(replica, replica.book, "spot")  # type: ignore[arg-type]
    add_ExternalScalerServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        yield ExternalScalerStub(channel)
    await server.stop(0)


async def test_all_five_methods_speak_of_the_one_number(
    keda: ExternalScalerStub, replica: FakeReplica
) -> None:
    assert (await keda.IsActive(ABOUT)).result
    (spec,) = (await keda.GetMetricSpec(ABOUT)).metricSpecs
    assert (spec.metricName, spec.targetSize, spec.targetSizeFloat) == (METRIC, 1, 1.0)
    asked = pb.GetMetricsRequest(scaledObjectRef=ABOUT, metricName=spec.metricName)
    (value,) = (await keda.GetMetrics(asked)).metricValues
    assert (value.metricName, value.metricValue, value.metricValueFloat) == (METRIC, 3, 3.0)
    specs = keda.StreamMetricSpec(ABOUT)
    assert list((await anext(aiter(specs))).metricSpecs) == [spec]
    specs.cancel()
    active = keda.StreamIsActive(ABOUT)
    told = aiter(active)
    assert (await anext(told)).result
    replica.decide(0)
    assert not (await anext(told)).result
    assert not (await keda.IsActive(ABOUT)).result
    replica.decide(2)
    assert (await anext(told)).result
    active.cancel()


async def test_what_nobody_knows_is_no_zero(keda: ExternalScalerStub, replica: FakeReplica) -> None:
    # KEDA would scale to nothing; told of an error it lets the number stay.
    replica.desired = None
    asked = pb.GetMetricsRequest(scaledObjectRef=ABOUT, metricName=METRIC)
    for call in (keda.IsActive(ABOUT), keda.GetMetrics(asked)):
        with pytest.raises(grpc.aio.AioRpcError, match="nothing was decided yet") as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_another_pool_and_another_metric_are_refused(keda: ExternalScalerStub) -> None:
    other = pb.ScaledObjectRef(scalerMetadata={"pool": "default"})
    with pytest.raises(grpc.aio.AioRpcError, match=r"metadata\.pool must be spot, not 'default'"):
        await keda.IsActive(other)
    with pytest.raises(grpc.aio.AioRpcError, match="metricName must be hasten-desired-replicas"):
        await keda.GetMetrics(pb.GetMetricsRequest(scaledObjectRef=ABOUT, metricName="moon"))
