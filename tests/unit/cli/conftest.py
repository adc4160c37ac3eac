"""A scripted mesh for the commands."""

import signal
from collections.abc import Iterator

import pytest

from hasten.common.v1.load_pb2 import Load, ModelLoad, WorkerState
from hasten.inference.v2 import inference_pb2 as pb
from hasten.router.v1 import router_service_pb2 as router_pb
from tests.unit.client.scripted_server import ScriptedServer


@pytest.fixture(autouse=True)
def _a_hang_up_is_heard() -> Iterator[None]:
    """Children inherit an ignored SIGHUP, so under nohup the mesh would rightly ignore it too."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@pytest.fixture
def mesh() -> Iterator[ScriptedServer]:
    """Answers as a mesh with one model `m` that gives back x (FP32, two numbers a row)."""
    with ScriptedServer() as server:
        server.answers = {
            "ModelMetadata": pb.ModelMetadataResponse(
                name="m",
                versions=["1"],
                platform="onnxruntime_onnx",
                inputs=[
                    pb.ModelMetadataResponse.TensorMetadata(
                        name="x", datatype="FP32", shape=[-1, 2]
                    )
                ],
            ),
            "ModelConfig": pb.ModelConfigResponse(config={"name": "m", "max_batch_size": 8}),
            "ModelStatistics": pb.ModelStatisticsResponse(
                model_stats=[
                    {
                        "name": "m",
                        "version": "1",
                        "inference_count": 6,
                        "execution_count": 2,
                        "inference_stats": {"compute_infer": {"count": 6, "ns": 6_000_000}},
                    }
                ]
            ),
            "RepositoryIndex": pb.RepositoryIndexResponse(
                models=[
                    {"name": "m", "version": "1", "state": "READY"},
                    {"name": "n", "version": "", "state": "UNAVAILABLE", "reason": "no file"},
                ]
            ),
            "RepositoryModelLoad": pb.RepositoryModelLoadResponse(),
            "RepositoryModelUnload": pb.RepositoryModelUnloadResponse(),
            "ListWorkers": router_pb.ListWorkersResponse(
                workers=[
                    router_pb.WorkerView(
                        state=WorkerState(
                            worker_id="worker-1",
                            address="127.0.0.1:9",
                            load=Load(backlog_s=0.25),
                            models=[ModelLoad(name="m", version="1", ready=False)],
                            memory_bytes=2**20,
                        ),
                        standing="slow_start",
                        in_flight=3,
                        answered=5,
                    )
                ]
            ),
            "DrainWorker": router_pb.DrainWorkerResponse(abandoned=0),
        }
        yield server
