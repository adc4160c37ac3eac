"""Takes DAGs in: read, checked against their models' metadata, stored."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from hashlib import blake2b
from typing import Final, Protocol

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import dag_service_pb2 as pb
from hasten.scheduler.v1 import stored_dag_pb2 as stored
from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.check import Models, check, check_graph, check_time
from hasten_policy.scheduler.jobs.dag.machine import fresh
from hasten_policy.scheduler.jobs.dag.plan import Plan, Signature, TensorSpec
from hasten_runtime.errors import MeshError
from hasten_runtime.handlers import Context
from hasten_runtime.load_store import StoreUnavailable
from hasten_runtime.tasks.payloads import PayloadsFull
from hasten_scheduler.accepting import AcceptLimits, bounded_s, check_labels
from hasten_scheduler.dag.kind import DAG
from hasten_scheduler.dag.reading import DAG_S, constants_of, models_of, plan_of
from hasten_scheduler.dag.stored import progress_to_bytes
from hasten_scheduler.dag.tensors import Tensor
from hasten_scheduler.intake import RETRY_AFTER_S, store_away
from hasten_scheduler.jobs.desk import JobDesk, content_differs
from hasten_scheduler.naming import check_job_name, fresh_id, refuse_field
from hasten_scheduler.stored import Payloads

_DIGEST_BYTES: Final = 16
Metadata = Callable[
    [infer_pb.ModelMetadataRequest, Context], Awaitable[infer_pb.ModelMetadataResponse]
]
"""A model's metadata, of any worker that has it."""


class Predicting(Protocol):
    """What is known of models without asking."""

    def workers(self, model: str, version: str) -> int:
        """How many workers would run it now."""
        ...

    def predicted_s(self, model: str, version: str) -> float:
        """What a row takes; 0 when it is not known."""
        ...

    def rows_max(self, model: str, version: str) -> int:
        """Most rows of one request; 0 when it is not known."""
        ...


class DagAcceptor:
    """Takes DAGs in.

    Args:
        desk: Where they are stored.
        payloads: Where long tensors lie.
        limits: As of tasks.
        metadata: Asks workers.
        predicting: Knows models.
    """

    def __init__(
        self,
        desk: JobDesk,
        payloads: Payloads,
        limits: AcceptLimits,
        metadata: Metadata,
        predicting: Predicting,
    ) -> None:
        self._desk = desk
        self._payloads = payloads
        self._limits = limits
        self._metadata = metadata
        self._predicting = predicting

    async def submit(
        self, said: pb.Dag, traceparent: str, context: Context
    ) -> pb.SubmitDagResponse:
        """Stores a DAG. Raises MeshError when it cannot be run; then nothing of it is stored."""
        dag = pb.Dag()
        dag.CopyFrom(said)
        dag.name = dag.name or fresh_id()
        check_job_name(dag.tenant, dag.name, "name")
        check_labels(dag.labels)
        self._set_times(dag)
        name = pb.DagName(name=dag.name, tenant=dag.tenant)
        digest = _digest(said)
        if await self._is_there(dag, digest):
            return pb.SubmitDagResponse(name=name, repeated=True)
        tensors = constants_of(dag)
        plan, models = await self._checked(dag, tensors, context)
        self._complete(dag, models)
        predicted_s = {step.name: self._predicted_s(step) for step in dag.steps}
        _refuse(check_time(_plan(dag, tensors, predicted_s), dag.time_left_us / 1e6))
        spec = stored.StoredDag(
            dag=dag,
            contents=await self._contents(tensors),
            predicted_s=predicted_s,
            traceparent=traceparent,
        )
        _take_contents_out(spec.dag)
        repeated = await self._desk.create(
            DAG,
            dag.tenant,
            dag.name,
            digest=digest,
            keep_s=dag.keep_us / 1e6,
            spec=spec.SerializeToString(deterministic=True),
            body=progress_to_bytes(fresh(plan)),
        )
        return pb.SubmitDagResponse(name=name, repeated=repeated)

    def _set_times(self, dag: pb.Dag) -> None:
        limits = self._limits
        left_s = bounded_s("time_left_us", dag.time_left_us, limits.ahead_s_max) or DAG_S
        keep_s = bounded_s("keep_us", dag.keep_us, limits.keep_s_max) or limits.keep_s
        if left_s + keep_s > limits.keep_s_max:
            # The answers of its first steps are kept for both times.
            refuse_field(
                "time_left_us",
                f"and keep_us must be at most {limits.keep_s_max * 1e6:.0f} microseconds together",
            )
        dag.time_left_us, dag.keep_us = round(left_s * 1e6), round(keep_s * 1e6)

    async def _is_there(self, dag: pb.Dag, digest: bytes) -> bool:
        """A repeat is found also when its models are gone meanwhile. Raises MeshError."""
        try:
            job = await self._desk.find(DAG, dag.tenant, dag.name)
        except MeshError as error:
            if error.refusal.reason is Reason.JOB_NOT_FOUND:
                return False
            raise
        if job.digest != digest:
            raise content_differs(DAG, dag.name)
        return True

    async def _checked(
        self, dag: pb.Dag, tensors: dict[str, Tensor], context: Context
    ) -> tuple[Plan, Models]:
        plan = _plan(dag, tensors, {})
        _refuse(check_graph(plan))
        names = sorted(models_of(plan))
        found = await asyncio.gather(*(self._signature(*each, context) for each in names))
        models = dict(zip(names, found, strict=True))
        _refuse(check(plan, models))
        return plan, models

    async def _signature(self, model: str, version: str, context: Context) -> Signature:
        request = infer_pb.ModelMetadataRequest(name=model, version=version)
        metadata = await self._metadata(request, context)
        return Signature(
            {each.name: TensorSpec(each.datatype, tuple(each.shape)) for each in metadata.inputs},
            {each.name: TensorSpec(each.datatype, tuple(each.shape)) for each in metadata.outputs},
        )

    def _complete(self, dag: pb.Dag, models: Models) -> None:
        """Puts in what is decided once."""
        for step in dag.steps:
            if not step.HasField("split"):
                continue
            split = step.split
            if not (split.rows or split.parts):
                split.parts = max(1, self._predicting.workers(step.model, step.version))
            split.rows_max = self._predicting.rows_max(step.model, step.version)
            del split.join_inputs[:]
            if split.join == pb.DAG_JOIN_MODEL:
                split.join_inputs.extend(models[split.join_model, split.join_version].inputs)

    def _predicted_s(self, step: pb.DagStep) -> float:
        return self._predicting.predicted_s(step.model, step.version)

    async def _contents(self, tensors: dict[str, Tensor]) -> dict[str, bytes]:
        try:
            return {
                name: await self._payloads.encode(tensor.content)
                for name, tensor in tensors.items()
            }
        except PayloadsFull as error:
            raise MeshError(
                Refusal(Reason.QUEUE_FULL, str(error), retry_after_s=RETRY_AFTER_S)
            ) from None
        except StoreUnavailable as error:
            raise MeshError(store_away(error)) from None


def _plan(dag: pb.Dag, tensors: Mapping[str, Tensor], predicted_s: Mapping[str, float]) -> Plan:
    return plan_of(dag, {name: each.spec() for name, each in tensors.items()}, predicted_s)


def _refuse(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise MeshError(refusal)


def _digest(said: pb.Dag) -> bytes:
    """Of all but the times, as of tasks."""
    dag = pb.Dag()
    dag.CopyFrom(said)
    dag.ClearField("time_left_us")
    for step in dag.steps:
        step.ClearField("time_left_us")
    text = dag.SerializeToString(deterministic=True)
    return blake2b(text, digest_size=_DIGEST_BYTES).digest()


def _take_contents_out(dag: pb.Dag) -> None:
    for tensor in dag.inputs.values():
        tensor.ClearField("content")
    for step in dag.steps:
        for each in step.inputs:
            if each.HasField("constant"):
                each.constant.ClearField("content")
