"""The queue in front of a real router and a real worker: whom it turns away."""

import asyncio
import urllib.request
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from hasten_runtime.protocol_names import MODEL_INFER
from hasten_sim.replay import replay
from loadtest.call import serialised
from loadtest.repository import write_synthetic
from tests.support.services import (
    NOBODY_FREEZES,
    Service,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import PATIENCE_S, eventually

pytestmark = pytest.mark.integration

STREAM = "/inference.GRPCInferenceService/ModelStreamInfer"
OWN_CONNECTION = [("grpc.use_local_subchannel_pool", 1)]
PAYLOAD = serialised("quick", "INPUT", np.zeros((1, 2), np.float32))


@pytest.fixture
def mesh(tmp_path: Path) -> Iterator[dict[str, Service]]:
    models = tmp_path / "models"
    write_synthetic(models, "quick", alpha_ms=1, beta_ms=0.1, batch_max=32)
    worker_settings = worker_environ("one", models, {"kind": "static"}, record=str(tmp_path))
    with running_service(
        "hasten_worker.main", worker_settings, log_path=tmp_path / "one.log"
    ) as worker:
        router_settings = router_environ(
            {"kind": "static"},
            workers=worker.address,
            record=str(tmp_path),
            drain__notice_s="0",
            **NOBODY_FREEZES,
        )
        with running_service(
            "hasten_router.main", router_settings, log_path=tmp_path / "router.log"
        ) as router:
            yield {"router": router, "worker": worker}


async def ended(infer: Any) -> str:
    try:
        await infer(PAYLOAD, timeout=PATIENCE_S * 5)
    except grpc.aio.AioRpcError as error:
        return error.code().name
    return "OK"


async def served(infer: Any) -> bool:
    return await ended(infer) == "OK"


@pytest.mark.parametrize("service", ["router", "worker"])
async def test_sixty_callers_at_once_are_all_answered(
    mesh: dict[str, Service], service: str
) -> None:
    async with grpc.aio.insecure_channel(mesh[service].address, options=OWN_CONNECTION) as channel:
        infer = channel.unary_unary(MODEL_INFER)
        await eventually(lambda: served(infer), what="the model is served")
        found: Counter[str] = Counter()

        async def caller() -> None:
            for _ in range(10):
                found[await ended(infer)] += 1

        await asyncio.gather(*(caller() for _ in range(60)))
    assert found == {"OK": 600}


async def test_idle_streams_of_strangers_cut_no_inference_and_no_inference_cuts_health(
    mesh: dict[str, Service],
) -> None:
    address = mesh["router"].address
    async with (
        grpc.aio.insecure_channel(address, options=OWN_CONNECTION) as strangers,
        grpc.aio.insecure_channel(address, options=OWN_CONNECTION) as honest,
    ):
        infer = honest.unary_unary(MODEL_INFER)
        await eventually(lambda: served(infer), what="the model is served")
        opened = [strangers.stream_stream(STREAM)() for _ in range(900)]
        found = Counter(await asyncio.gather(*(ended(infer) for _ in range(60))))
        for stream in opened:
            stream.cancel()
        assert found == {"OK": 60}
        flood = [
            asyncio.ensure_future(ended(strangers.unary_unary(MODEL_INFER))) for _ in range(900)
        ]
        check = health_pb2_grpc.HealthStub(honest).Check
        for _ in range(10):
            answer = await check(health_pb2.HealthCheckRequest(), timeout=PATIENCE_S)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING
        assert set(await asyncio.gather(*flood)) <= {"OK", "CANCELLED"}


async def test_the_lag_of_the_host_is_measured_recorded_and_replayed(
    mesh: dict[str, Service], tmp_path: Path
) -> None:
    for service in mesh.values():
        page = f"http://{service.facts['metrics_address']}/metrics"
        text = await asyncio.to_thread(lambda url: urllib.request.urlopen(url).read(), page)  # noqa: S310
        assert b"hasten_loop_lag_seconds " in text
        assert b"hasten_host_stolen_ratio " in text

    logs = logs_of(tmp_path)
    assert len(logs) == 2
    await eventually(
        lambda: all(b"HostLag" in plain(log) for log in logs), what="both logs hold the lag"
    )
    assert all(replay(log).first_difference is None for log in logs)


def logs_of(folder: Path) -> list[Path]:
    return list(folder.glob("*.hlog"))


def plain(log: Path) -> bytes:
    """What of a log that is still written can be read."""
    unpack = zlib.decompressobj(31)
    return unpack.decompress(log.read_bytes()).partition(b"\n")[2]
