"""DAGs of make-believe models, and a caller of one scheduler, for tests over stores in memory."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import scheduler_service_pb2 as task_pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.port import TaskRecord
from hasten_scheduler.accepting import AcceptLimits
from hasten_scheduler.dag.accepting import DagAcceptor
from hasten_scheduler.dag.kind import DagKind
from hasten_scheduler.dag.servicer import DagServicer
from hasten_scheduler.dag.tensors import Tensor, tensor_from_wire, tensor_to_wire
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.naming import Name
from tests.support.jobs import JobOwner, JobWorld

ROWS = ("FP32", [-1, 2])
MODELS: dict[str, tuple[dict[str, tuple[str, list[int]]], dict[str, tuple[str, list[int]]]]] = {
    # y = 2 x, and which column is larger.
    "double": ({"x": ROWS}, {"y": ROWS, "larger": ("INT64", [-1, 1])}),
    "add": ({"a": ROWS, "b": ROWS}, {"y": ROWS}),
    "sum": ({"y": ROWS}, {"total": ("FP32", [-1])}),
}


def infer(_: TaskRecord, request: infer_pb.ModelInferRequest) -> bytes | Refusal:
    """What the models make of a request; "double" fails on rows of negative numbers."""
    given = {
        each.name: np.frombuffer(content, "<f4").reshape(each.shape)
        for each, content in zip(request.inputs, request.raw_input_contents, strict=True)
    }
    made: dict[str, Any]
    if request.model_name == "double":
        if (given["x"] < 0).any():
            return Refusal(Reason.MODEL_FAILED, "a negative number")
        larger = given["x"].argmax(axis=1).reshape(-1, 1).astype("<i8")
        made = {"y": given["x"] * np.float32(2), "larger": larger}
    elif request.model_name == "add":
        made = {"y": given["a"] + given["b"]}
    else:
        made = {"total": given["y"].sum(axis=0)}
    response = infer_pb.ModelInferResponse(model_name=request.model_name)
    for name, array in made.items():
        datatype = "INT64" if array.dtype.kind == "i" else "FP32"
        response.outputs.add(name=name, datatype=datatype, shape=array.shape)
        response.raw_output_contents.append(array.tobytes())
    return response.SerializeToString()


class Caller:
    """Calls the servicer of one scheduler."""

    def __init__(self, world: JobWorld, owner: JobOwner) -> None:
        self._owner = owner
        acceptor = DagAcceptor(
            world.desk,
            world.payloads,
            AcceptLimits(request_bytes_max=100_000, shards=len(world.queues)),
            self._metadata,
            self,
        )
        self._servicer = DagServicer(acceptor, world.desk, owner.tasks, world.payloads, self)

    async def _metadata(
        self, request: infer_pb.ModelMetadataRequest, _: object
    ) -> infer_pb.ModelMetadataResponse:
        if request.name not in MODELS:
            raise MeshError(Refusal(Reason.MODEL_NOT_FOUND, f"no model {request.name!r}"))
        inputs, outputs = MODELS[request.name]
        response = infer_pb.ModelMetadataResponse(name=request.name)
        for name, (datatype, shape) in inputs.items():
            response.inputs.add(name=name, datatype=datatype, shape=shape)
        for name, (datatype, shape) in outputs.items():
            response.outputs.add(name=name, datatype=datatype, shape=shape)
        return response

    def workers(self, model: str, version: str) -> int:
        del model, version
        return 3

    def predicted_s(self, model: str, version: str) -> float:
        del model, version
        return 0.5

    def rows_max(self, model: str, version: str) -> int:
        del version
        return 4 if model == "double" else 0

    async def explain(self, name: Name) -> task_pb.ExplainResponse:
        return task_pb.ExplainResponse(reasons=[f"{name.request_id} waits for a worker"])

    async def submit(self, dag: pb.Dag) -> pb.SubmitDagResponse:
        request = pb.SubmitDagRequest(dag=dag)
        return await self._servicer.SubmitDag(request, _context())

    async def refused(self, dag: pb.Dag) -> Refusal:
        with pytest.raises(MeshError) as error:
            await self.submit(dag)
        return error.value.refusal

    async def get(self, name: str = "d") -> pb.DagStatus:
        request = pb.GetDagRequest(name=pb.DagName(name=name, tenant="acme"))
        return (await self._servicer.GetDag(request, _context())).dag

    async def wait(self, name: str = "d") -> pb.DagStatus:
        request = pb.WaitDagRequest(name=pb.DagName(name=name, tenant="acme"))
        return (await self._servicer.WaitDag(request, _context())).dag

    async def cancel(self, name: str = "d") -> int:
        request = pb.CancelDagRequest(name=pb.DagName(name=name, tenant="acme"))
        return (await self._servicer.CancelDag(request, _context())).before

    async def list(self, **wanted: Any) -> list[pb.DagStatus]:
        listed = await self._servicer.ListDags(pb.ListDagsRequest(**wanted), _context())
        return list(listed.dags)


class _Context:
    def time_remaining(self) -> float:
        return 60.0


def _context() -> Any:
    return _Context()


def array(*rows: list[float]) -> pb.Tensor:
    made = np.array(rows, "<f4")
    return tensor_to_wire(Tensor("FP32", made.shape, made.tobytes()))


def source(step: str, tensor: str = "y") -> pb.DagSource:
    return pb.DagSource(step=step, tensor=tensor)


def taken(name: str, *sources: pb.DagSource, split: bool = False) -> pb.DagInput:
    return pb.DagInput(name=name, sources=sources, split=split)


def double(name: str, *sources: pb.DagSource, **more: Any) -> pb.DagStep:
    inputs = [taken("x", *(sources or (source("", "rows"),)), split="split" in more)]
    return pb.DagStep(name=name, model="double", inputs=inputs, **more)


def dag(*steps: pb.DagStep, rows: pb.Tensor | None = None, **more: Any) -> pb.Dag:
    facts: dict[str, Any] = {
        "name": "d",
        "tenant": "acme",
        "steps": steps,
        "inputs": {"rows": rows or array([1, 2], [3, 4], [6, 5])},
        "outputs": [pb.DagOutput(name="answer", sources=[source(steps[-1].name)])],
    }
    return pb.Dag(**(facts | more))


def numbers(outputs: Mapping[str, pb.Tensor], name: str = "answer") -> Any:
    tensor = tensor_from_wire(outputs[name])
    return np.reshape(tensor.numbers(), tensor.shape).tolist()


def kinds_of(world: JobWorld) -> Any:
    def kinds(tasks: JobTasks) -> list[DagKind]:
        return [DagKind(tasks, world.payloads)]

    return kinds
