"""Redis and Consul die for many leases: synchronous inference goes on as if nothing were."""

import time
from contextlib import ExitStack
from pathlib import Path

import grpc
import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as pb
from loadtest.repository import write_synthetic
from tests.support.servers import ConsulAgent, RedisServer
from tests.support.services import (
    NOBODY_FREEZES,
    router_environ,
    running_service,
    worker_environ,
)
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

SERVICE = "/inference.GRPCInferenceService/"
LEASE_S = 0.5
GONE_S = 16 * LEASE_S
"""A lease, what a troubled registry is not believed, and the pauses between tries, all together."""
BACK_S = 6 * LEASE_S
ANSWER_S_MAX = 20.0
"""More than a busy machine takes."""


def request() -> bytes:
    message = pb.ModelInferRequest(model_name="step")
    message.inputs.add(name="INPUT", datatype="FP32", shape=[1, 2])
    message.raw_input_contents.append(np.ones(2, "<f4").tobytes())
    return message.SerializeToString()


def failures(address: str, seconds: float) -> list[str]:
    """Calls for so long; what went wrong."""
    failed: list[str] = []
    ends_s = time.monotonic() + seconds
    with grpc.insecure_channel(address) as channel:
        infer = channel.unary_unary(SERVICE + "ModelInfer")

        def over() -> bool:
            try:
                infer(request(), timeout=ANSWER_S_MAX)
            except grpc.RpcError as error:
                failed.append(f"{error.code().name}: {error.details()}")
            return bool(failed) or time.monotonic() > ends_s

        eventually_sync(over, seconds + 2 * ANSWER_S_MAX)
    return failed


def is_ready(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        ask = channel.unary_unary(SERVICE + "ModelReady")
        answer = ask(pb.ModelReadyRequest(name="step").SerializeToString(), timeout=ANSWER_S_MAX)
    return pb.ModelReadyResponse.FromString(answer).ready


def test_inference_goes_on_while_redis_and_consul_are_dead(
    tmp_path: Path, own_redis_server: RedisServer, own_consul_agent: ConsulAgent
) -> None:
    models = tmp_path / "models"
    write_synthetic(models, "step", alpha_ms=5, beta_ms=0, batch_max=4)
    discovery = {
        "kind": "consul",
        "address": own_consul_agent.address,
        "lease_s": str(LEASE_S),
    }
    redis = {"redis_url": own_redis_server.url}
    with ExitStack() as running:
        for name in ("one", "two"):
            environ = worker_environ(name, models, discovery, **redis)
            running.enter_context(
                running_service("hasten_worker.main", environ, log_path=tmp_path / f"{name}.log")
            )
        router = running.enter_context(
            running_service(
                "hasten_router.main",
                router_environ(discovery, **redis, **NOBODY_FREEZES),
                log_path=tmp_path / "router.log",
            )
        )
        eventually_sync(lambda: is_ready(router.address), 60, what="the model is ready")
        own_redis_server.kill()
        own_consul_agent.kill()
        assert failures(router.address, GONE_S) == []
        own_redis_server.restart()
        own_consul_agent.restart()
        assert failures(router.address, BACK_S) == []
