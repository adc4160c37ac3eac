"""What operators ask of the mesh, with both clients, against a real server."""

import subprocess
import sys
from typing import Any

import pytest

import hasten_client as hc
from hasten.common.v1.load_pb2 import Load, ModelLoad, WorkerState
from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from tests.unit.client.scripted_server import ScriptedServer


async def test_the_other_calls_ask_and_read_what_the_protocol_says(
    client: Any, server: ScriptedServer
) -> None:
    server.answers = {
        "ServerLive": pb.ServerLiveResponse(live=True),
        "ServerReady": pb.ServerReadyResponse(ready=False),
        "ModelReady": pb.ModelReadyResponse(ready=True),
        "ServerMetadata": pb.ServerMetadataResponse(name="hasten", version="1", extensions=["a"]),
        "ModelMetadata": pb.ModelMetadataResponse(
            name="m",
            versions=["1"],
            platform="onnx",
            inputs=[
                pb.ModelMetadataResponse.TensorMetadata(name="x", datatype="FP32", shape=[-1, 2])
            ],
        ),
        "ModelConfig": pb.ModelConfigResponse(config={"name": "m", "max_batch_size": 8}),
        "ModelStatistics": pb.ModelStatisticsResponse(model_stats=[{"name": "m"}]),
        "RepositoryIndex": pb.RepositoryIndexResponse(
            models=[
                {"name": "b", "version": "10", "state": "READY"},
                {"name": "b", "version": "9", "state": "READY"},
                {"name": "a", "state": "UNAVAILABLE", "reason": "broken"},
            ]
        ),
        "RepositoryModelLoad": pb.RepositoryModelLoadResponse(),
        "RepositoryModelUnload": pb.RepositoryModelUnloadResponse(),
    }
    assert await client.live() is True
    assert await client.ready() is False
    assert await client.ready("m", "1") is True
    assert (await client.server_metadata()).extensions == ("a",)
    metadata = await client.metadata("m", deadline_s=60.0)
    assert metadata.inputs == (hc.TensorMetadata("x", "FP32", (-1, 2)),)
    assert (await client.config("m")).max_batch_size == 8
    assert (await client.statistics())[0].name == "m"
    index = await client.index(ready_only=True)
    assert [(state.name, state.version) for state in index] == [("a", ""), ("b", "9"), ("b", "10")]
    assert pb.RepositoryIndexRequest.FromString(server.requests["RepositoryIndex"]).ready
    await client.load("m", config_json="{}", files={"1/model.onnx": b"onnx"})
    load = pb.RepositoryModelLoadRequest.FromString(server.requests["RepositoryModelLoad"])
    assert load.model_name == "m"
    assert load.parameters["config"].string_param == "{}"
    assert load.parameters["file:1/model.onnx"].bytes_param == b"onnx"
    await client.unload("m", unload_dependents=True)
    unload = pb.RepositoryModelUnloadRequest.FromString(server.requests["RepositoryModelUnload"])
    assert unload.parameters["unload_dependents"].bool_param


async def test_workers_are_listed_by_name_and_drained(client: Any, server: ScriptedServer) -> None:
    state = WorkerState(
        worker_id="w2",
        address="127.0.0.1:1",
        load=Load(depth=3, backlog_s=0.5),
        models=[ModelLoad(name="m", version="1", ready=True)],
    )
    server.answers = {
        "ListWorkers": router_pb.ListWorkersResponse(
            workers=[
                router_pb.WorkerView(state=state, standing="ready", in_flight=2),
                router_pb.WorkerView(state=WorkerState(worker_id="w1"), standing="draining"),
            ]
        ),
        "DrainWorker": router_pb.DrainWorkerResponse(abandoned=4),
    }
    first, second = await client.workers()
    assert (first.worker_id, first.standing) == ("w1", "draining")
    assert (second.depth, second.in_flight, second.backlog_s) == (3, 2, 0.5)
    assert second.models == (hc.WorkerModel("m", "1", ready=True),)
    assert await client.drain_worker("w2", patience_s=1.5) == 4
    asked = router_pb.DrainWorkerRequest.FromString(server.requests["DrainWorker"])
    assert (asked.worker_id, asked.patience_us) == ("w2", 1_500_000)


async def test_a_call_that_the_server_does_not_offer_is_unimplemented(client: Any) -> None:
    with pytest.raises(hc.Unimplemented):
        await client.workers()


def test_calls_of_operators_need_no_numpy(server: ScriptedServer) -> None:
    server.answers = {"ServerLive": pb.ServerLiveResponse(live=True)}
    source = (
        "import sys\n"
        "from hasten_client import Client\n"
        f"with Client({server.address!r}) as client: assert client.live()\n"
        "sys.exit('numpy was loaded' if 'numpy' in sys.modules else 0)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", source], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == 0, ended.stderr
