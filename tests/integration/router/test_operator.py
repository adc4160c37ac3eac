"""What operators and platforms see: workers, drain, health, leaving."""

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hasten.common.v1 import load_pb2
from hasten.inference.v2 import inference_pb2 as inference_pb
from hasten.router.v1 import router_service_pb2 as pb
from hasten_router.life import started
from hasten_router.settings import RouterSettings
from tests.integration.router.harness import Client, request, router_over, told
from tests.support.fake_worker import FakeWorker
from tests.support.waiting import eventually

LIST = "/hasten.router.v1.RouterService/ListWorkers"
DRAIN = "/hasten.router.v1.RouterService/DrainWorker"
NOTICE_S = 59.0
"""Over when the test says so."""


async def listed(client: Client) -> Any:
    return await client.ask(LIST, pb.ListWorkersRequest(), pb.ListWorkersResponse)


async def test_workers_are_listed_as_the_router_sees_them() -> None:
    worker = FakeWorker()
    worker.holds = True
    async with router_over(worker) as (client, _):
        call = asyncio.ensure_future(client.start())
        await eventually(lambda: len(worker.held) == 1)
        [row] = (await listed(client)).workers
        assert (row.state.worker_id, row.state.address) == (worker.address, worker.address)
        assert (row.standing, row.in_flight) == ("ready", 1)
        assert [model.name for model in row.state.models] == ["echo"]
        assert row.report_age_s < 60.0
        worker.release()
        await call
        await eventually(lambda: len(worker.calls) == 1)
        [row] = (await listed(client)).workers
        assert (row.in_flight, row.answered, row.failed) == (0, 1, 0)


async def test_a_worker_that_cannot_be_reached_is_listed_as_connecting() -> None:
    async with router_over() as (client, _):
        assert not (await listed(client)).workers
    worker = FakeWorker()
    async with router_over(worker) as (client, router):
        await worker.stop()
        await eventually(lambda: not router.mesh.views())
        [row] = (await listed(client)).workers
        assert row.standing == "connecting"


async def test_a_drained_worker_is_out_of_rotation_first_and_then_told() -> None:
    stays, leaves = FakeWorker("stays"), FakeWorker("leaves")
    async with router_over(stays, leaves) as (client, _):
        answer = await client.ask(
            DRAIN,
            pb.DrainWorkerRequest(worker_id=leaves.address, patience_us=1_000_000),
            pb.DrainWorkerResponse,
        )
        assert answer.abandoned == 0
        before = len(leaves.calls)
        await asyncio.gather(*(client.infer(request()) for _ in range(20)))
        assert len(leaves.calls) == before
        rows = {row.state.address: row for row in (await listed(client)).workers}
        assert rows[leaves.address].standing == "draining"


async def test_draining_an_unknown_worker_names_the_known_ones() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, _):
        with pytest.raises(grpc.aio.AioRpcError) as raised:
            await client.ask(
                DRAIN, pb.DrainWorkerRequest(worker_id="nobody"), pb.DrainWorkerResponse
            )
    status, reason, message, _ = told(raised.value)
    assert (status, reason) == ("INVALID_ARGUMENT", "INVALID_REQUEST")
    assert worker.address in message


async def health_of(client: Client, service: str) -> str:
    stub = health_pb2_grpc.HealthStub(client.channel)
    answer = await stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=60)
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


async def test_health_tells_the_server_from_its_readiness() -> None:
    worker = FakeWorker()
    async with router_over(worker) as (client, router):

        async def all_say(wanted: str) -> bool:
            said = {await health_of(client, service) for service in ("", "readiness")}
            return said == {wanted}

        await eventually(lambda: all_say("SERVING"))
        await worker.stop()
        await eventually(lambda: not router.mesh.ready())
        await eventually(lambda: all_say("NOT_SERVING"))
        # The process is well all the same: nobody need start it anew or send elsewhere for ever.
        for service in ("liveness", "inference.GRPCInferenceService"):
            assert await health_of(client, service) == "SERVING"


async def test_a_router_is_ready_while_all_that_should_be_served_is_served_by_some_worker() -> None:
    good, lame = FakeWorker("good"), FakeWorker("lame")
    lame.gaps = [
        load_pb2.ModelGap(name="echo", version="1", reason="its disk is full"),
        load_pb2.ModelGap(name="other", reason="it is no ONNX file"),
    ]
    async with router_over(good, lame) as (client, router):

        async def server_ready() -> bool:
            answer = await client.ask(
                "ServerReady", inference_pb.ServerReadyRequest(), inference_pb.ServerReadyResponse
            )
            return answer.ready

        await eventually(lambda: len(router.mesh.faults()) == 1)
        (fault,) = router.mesh.faults()
        assert fault.startswith("model other does not serve: it is no ONNX file (worker ")
        assert not await server_ready()
        lame.gaps.pop()
        lame.report()
        await eventually(server_ready)
        good.models[:] = []
        good.report()
        lame.models[:] = []
        lame.report()
        await eventually(lambda: router.mesh.faults() != [])
        assert [fault.split(" (")[0] for fault in router.mesh.faults()] == [
            "model echo version 1 does not serve: its disk is full"
        ]
        lame.gaps.clear()
        lame.report()
        await eventually(lambda: router.mesh.faults() == ["no worker serves a model"])
        assert not await server_ready()


async def test_a_relaxed_router_is_ready_as_soon_as_some_worker_takes_calls() -> None:
    worker = FakeWorker()
    worker.gaps = [load_pb2.ModelGap(name="other", reason="it is no ONNX file")]
    async with router_over(worker, strict_readiness=False) as (client, _):
        answer = await client.ask(
            "ServerReady", inference_pb.ServerReadyRequest(), inference_pb.ServerReadyResponse
        )
        assert answer.ready
        assert await health_of(client, "readiness") == "SERVING"


@pytest.fixture
def notice_over(monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Ends the notice of a router that leaves: a busy machine needs any time for what is in it."""
    over = asyncio.Event()
    sleep = asyncio.sleep

    async def sleep_or_wait(delay_s: float) -> None:
        await (over.wait() if delay_s == NOTICE_S else sleep(delay_s))

    monkeypatch.setattr(asyncio, "sleep", sleep_or_wait)
    return over


async def test_a_router_that_leaves_says_so_finishes_and_refuses_the_rest(
    notice_over: asyncio.Event,
) -> None:
    worker = FakeWorker()
    worker.holds = True
    await worker.start()
    settings = RouterSettings(
        address="127.0.0.1:0",
        http_address="127.0.0.1:0",
        metrics_address="127.0.0.1:0",
        workers=(worker.address,),
        drain={"notice_s": NOTICE_S, "patience_s": 60.0},
    )
    leave = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def live() -> None:
        async with started(settings) as (router, where):
            await eventually(router.mesh.ready)
            address.set_result(where)
            await leave.wait()

    running = asyncio.create_task(live())
    async with grpc.aio.insecure_channel(await address) as channel:
        client = Client(channel)
        early = asyncio.ensure_future(client.start(request(request_id="early")))
        await eventually(lambda: len(worker.held) == 1)
        leave.set()

        async def not_serving() -> bool:
            return await health_of(client, "") == "NOT_SERVING"

        await eventually(not_serving)
        noticed = asyncio.ensure_future(client.start(request(request_id="noticed")))
        await eventually(lambda: len(worker.held) == 2)
        notice_over.set()

        async def refuses() -> bool:
            call = client.start(request(), timeout_s=0.5)
            try:
                await call
            except grpc.aio.AioRpcError as error:
                return told(error)[:2] == ("UNAVAILABLE", "DRAINING")
            return False

        await eventually(refuses)
        worker.release()
        ids = [inference_pb.ModelInferResponse.FromString(await c).id for c in (early, noticed)]
        assert ids == ["early", "noticed"]
        await running
    await worker.stop()
