"""A worker that starts, is found, leaves, and is told nonsense."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import cast

import grpc
import pytest

from hasten.common.v1.load_pb2 import WorkerState
from hasten.inference.v2 import inference_pb2 as pb
from hasten.worker.v1 import worker_service_pb2 as wpb
from hasten.worker.v1.worker_service_pb2_grpc import WorkerServiceStub
from hasten_runtime.discovery import open_discovery
from hasten_runtime.redis_store.load import RedisLoadStore
from hasten_runtime.settings import DiscoverySettings
from hasten_sim.replay import replay
from hasten_worker.life import EXIT_BROKEN
from tests.integration.worker.conftest import Start
from tests.integration.worker.repository import stubborn_inputs, write_slow, write_stubborn
from tests.integration.worker.test_deadlines import INFER, request_for
from tests.support.patience import redis_answers_within
from tests.support.ports import free_port
from tests.support.servers import RedisServer
from tests.support.services import Service
from tests.support.waiting import eventually

pytestmark = pytest.mark.integration

HEALTH = "/grpc.health.v1.Health/Check"
NOT_SERVING = b"\x08\x02"


async def ended(service: Service) -> int:
    await eventually(lambda: service.process.exit_status is not None, what="it has ended")
    status = service.process.exit_status
    assert status is not None
    return status


async def state(channel: grpc.aio.Channel) -> WorkerState:
    found = await WorkerServiceStub(channel).GetState(wpb.GetStateRequest())
    return cast("WorkerState", found.state)


async def test_sigterm_finishes_what_was_accepted_and_takes_nothing_new(
    start: Start, few_models: Path
) -> None:
    write_slow(few_models, "endless", alpha_ms=600_000)
    service = start(few_models, {"kind": "memory"}, drain__notice_s="0.05", lanes="2")
    async with grpc.aio.insecure_channel(service.address) as channel:
        # While this one is under way the worker is there and refuses the others.
        endless = channel.unary_unary(INFER)(request_for("endless").SerializeToString())
        slow = request_for("slow").SerializeToString()
        accepted = [channel.unary_unary(INFER)(slow) for _ in range(2)]
        codes = [asyncio.ensure_future(call.code()) for call in accepted]

        async def taken() -> bool:
            depth = (await state(channel)).load.depth
            return depth + sum(code.done() for code in codes) >= 3

        async def draining() -> bool:
            return (await state(channel)).draining

        await eventually(taken)
        os.kill(service.process.pid, signal.SIGTERM)
        await eventually(draining)
        late = channel.unary_unary(INFER)(request_for("quick").SerializeToString())
        assert await late.code() is grpc.StatusCode.UNAVAILABLE
        assert await channel.unary_unary(HEALTH)(b"") == NOT_SERVING
        assert [await code for code in codes] == [grpc.StatusCode.OK] * 2
        endless.cancel()
    assert await ended(service) == 0


async def test_patience_is_bounded(start: Start, few_models: Path) -> None:
    service = start(few_models, {"kind": "memory"}, drain__notice_s="0", drain__patience_s="0.1")
    async with grpc.aio.insecure_channel(service.address) as channel:
        slow = request_for("slow").SerializeToString()
        calls = [channel.unary_unary(INFER)(slow) for _ in range(100)]
        codes = [asyncio.ensure_future(call.code()) for call in calls]

        async def taken() -> bool:
            return (await state(channel)).load.depth >= 20

        await eventually(taken)
        os.kill(service.process.pid, signal.SIGTERM)
        assert await ended(service) == 0
        # More than those that may have come too late.
        assert [await code for code in codes].count(grpc.StatusCode.UNAVAILABLE) > 10


async def test_it_is_registered_and_reported_while_it_serves(
    start: Start, few_models: Path, redis_server: RedisServer
) -> None:
    discovery = {"kind": "redis", "address": redis_server.url}
    service = start(
        few_models,
        discovery,
        redis_url=redis_server.url,
        report_period_s="0.2",
        drain__notice_s="0",
    )
    found = open_discovery(DiscoverySettings(kind="redis", address=redis_server.url))
    views = found.watch("worker")
    store = RedisLoadStore(redis_server.url)
    try:
        view = await anext(views)
        while not view.instances:
            view = await anext(views)
        (instance,) = view.instances
        assert (instance.instance_id, instance.address) == ("w1", service.address)
        assert instance.meta["pid"] == str(service.process.pid)
        assert instance.meta["metrics"] == service.facts["metrics_address"]
        with redis_answers_within():
            reports = await eventually(store.reports)
            assert {model.name for model in reports["w1"].models} == {"slow", "quick"}
            os.kill(service.process.pid, signal.SIGTERM)
            assert await ended(service) == 0
            assert await store.reports() == {}
        while view.instances:
            view = await asyncio.wait_for(anext(views), 60)
    finally:
        await views.aclose()  # type: ignore[attr-defined]  # it is a generator
        await store.close()
        await found.close()


async def test_a_dead_redis_changes_nothing_but_the_log(start: Start, few_models: Path) -> None:
    url = f"redis://127.0.0.1:{free_port()}"
    service = start(
        few_models,
        {"kind": "redis", "address": url},
        redis_url=url,
        report_period_s="0.1",
        drain__notice_s="0",
    )
    async with grpc.aio.insecure_channel(service.address) as channel:
        await channel.unary_unary(INFER)(request_for("quick").SerializeToString())
        log = service.process.log_path
        await eventually(lambda: "report.store_lost" in log.read_text())
        for _ in range(5):
            await channel.unary_unary(INFER)(request_for("quick").SerializeToString())
        assert log.read_text().count("report.store_lost") == 1
    os.kill(service.process.pid, signal.SIGTERM)
    assert await ended(service) == 0


async def test_a_run_that_cannot_be_stopped_ends_the_process_with_its_own_code(
    start: Start, few_models: Path, tmp_path: Path
) -> None:
    write_stubborn(few_models)
    logs = tmp_path / "logs"
    service = start(
        few_models, {"kind": "memory"}, stop_grace_s="0.2", record=str(logs), isolation="thread"
    )
    async with grpc.aio.insecure_channel(service.address) as channel:
        request = pb.ModelInferRequest(model_name="stubborn")
        for name, value in stubborn_inputs().items():
            request.inputs.add(name=name, datatype="FP32", shape=value.shape)
            request.raw_input_contents.append(value.tobytes())
        call = channel.unary_unary(INFER)(request.SerializeToString())
        code = asyncio.ensure_future(call.code())
        assert await ended(service) == EXIT_BROKEN
        assert await code is not grpc.StatusCode.OK
    assert "lane.stuck" in service.process.log_tail
    # The log of the last moments is whole: they are the ones that matter.
    (log,) = logs.iterdir()
    recorded = replay(log)
    assert recorded.same
    assert recorded.end == "closed"


async def test_a_refused_model_stops_nothing(start: Start, few_models: Path) -> None:
    (few_models / "broken" / "1").mkdir(parents=True)
    (few_models / "broken" / "1" / "model.onnx").write_bytes(b"no model")
    service = start(few_models, {"kind": "memory"}, drain__notice_s="0")
    async with grpc.aio.insecure_channel(service.address) as channel:
        index = channel.unary_unary("/inference.GRPCInferenceService/RepositoryIndex")
        answer = pb.RepositoryIndexResponse.FromString(await index(b""))
        states = {model.name: model.state for model in answer.models}
        assert states == {"broken": "UNAVAILABLE", "quick": "READY", "slow": "READY"}
        code = await channel.unary_unary(INFER)(request_for("broken").SerializeToString()).code()
        assert code is grpc.StatusCode.NOT_FOUND


def run_worker(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "hasten_worker.main", *arguments],
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_mistyped_setting_stops_the_start_with_a_sentence() -> None:
    ended = run_worker(HASTEN_WORKER_MODELS_DIRR="/x", HASTEN_WORKER_LANES="many")
    assert ended.returncode == 2
    assert "HASTEN_WORKER_MODELS_DIRR" in ended.stderr
    assert "HASTEN_WORKER_LANES" in ended.stderr
    assert "models_dir" in ended.stderr


def test_the_settings_in_effect_are_printed_and_nothing_starts(tmp_path: Path) -> None:
    ended = run_worker("--check-config", HASTEN_WORKER_MODELS_DIR=str(tmp_path))
    assert ended.returncode == 0
    assert f'models_dir = "{tmp_path}"' in ended.stdout


@pytest.mark.parametrize("setting", ["address", "metrics_address", "link_port"])
def test_an_address_in_use_is_named_with_its_setting(
    worker: Service, models: Path, setting: str
) -> None:
    variable = f"HASTEN_WORKER_{setting.upper()}"
    taken = worker.address
    free = {
        "HASTEN_WORKER_ADDRESS": "127.0.0.1:0",
        "HASTEN_WORKER_METRICS_ADDRESS": "127.0.0.1:0",
    }
    told = taken.rpartition(":")[2] if setting == "link_port" else taken
    ended = run_worker(HASTEN_WORKER_MODELS_DIR=str(models), **(free | {variable: told}))
    assert ended.returncode == 1
    flag = f"--{setting.replace('_', '-')}"
    assert f"cannot listen at {taken}: Address already in use" in ended.stderr
    assert f"the setting {setting} ({flag}, {variable})" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("address", ["192.0.2.1:0", "no-such-host.invalid:0"])
def test_an_address_of_another_host_is_named(models: Path, address: str) -> None:
    ended = run_worker(
        HASTEN_WORKER_MODELS_DIR=str(models),
        HASTEN_WORKER_ADDRESS="127.0.0.1:0",
        HASTEN_WORKER_METRICS_ADDRESS=address,
    )
    assert ended.returncode == 1
    assert f"cannot listen at {address}" in ended.stderr
    assert "HASTEN_WORKER_METRICS_ADDRESS" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_repository_that_is_not_there_is_named(tmp_path: Path) -> None:
    ended = run_worker(
        HASTEN_WORKER_MODELS_DIR=str(tmp_path / "nowhere"),
        HASTEN_WORKER_ADDRESS="127.0.0.1:0",
        HASTEN_WORKER_METRICS_ADDRESS="127.0.0.1:0",
    )
    assert ended.returncode == 1
    assert "nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr
