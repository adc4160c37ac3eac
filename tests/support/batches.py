"""Batches at make-believe schedulers, over stores in memory and a folder."""

import json
from pathlib import Path

from hasten.inference.v2 import inference_pb2 as infer_pb
from hasten.scheduler.v1 import batch_service_pb2 as pb
from hasten_policy.reasons import Reason, Refusal
from hasten_runtime.tasks.batch_folder import BatchFolder
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import TaskRecord
from hasten_scheduler.batches.desk import BatchDesk, BatchRules
from hasten_scheduler.batches.kind import BatchContext, BatchKind
from hasten_scheduler.batches.servicer import batch_to_wire
from hasten_scheduler.batches.sources import SourceLimits
from hasten_scheduler.callbacks.desk import CallbackDesk
from hasten_scheduler.jobs.kinds import JobKind
from hasten_scheduler.jobs.tasks import JobTasks
from tests.support.jobs import JobWorld

JOB_ID = "batch:acme/b"
ENDS_S = 200.0
KNOWN = {"m", "other"}


def refuses(model: str, version: str) -> Refusal | None:
    del version
    return None if model in KNOWN else Refusal(Reason.MODEL_NOT_FOUND, f"no model {model}")


def answer(record: TaskRecord, request: infer_pb.ModelInferRequest) -> bytes | Refusal:
    """Twice the input; an error for 7."""
    del record
    (value,) = request.raw_input_contents[0]
    if value == 7:
        return Refusal(Reason.MODEL_FAILED, "seven")
    said = infer_pb.ModelInferResponse(model_name=request.model_name)
    said.outputs.add(name="y", datatype="UINT8", shape=[1])
    said.raw_output_contents.append(bytes([2 * value]))
    return said.SerializeToString()


class BatchWorld:
    """A world with batches in it."""

    def __init__(self, folder: Path) -> None:
        self.jobs = JobWorld(answer, shards=3)
        self.folder = BatchFolder(folder)
        self.desk = BatchDesk(
            self.jobs.desk,
            self._context(None),
            BatchRules(ENDS_S, 1e6, 3600.0, 1e6, check_callback=lambda _: None),
        )
        self.text = folder.parent / "lines.jsonl"

    def _context(self, tasks: JobTasks | None) -> BatchContext:
        return BatchContext(
            folder=self.folder,
            payloads=self.jobs.payloads,
            tasks=tasks,  # type: ignore[arg-type]  # the desk has no use for it
            refuses_model=refuses,
            teller=CallbackDesk(self.jobs.desk, keep_s=3600.0),
            limits=SourceLimits(chunk_lines=2, prefixes=(self.text_folder,)),
            window=4,
            upload_s_max=100.0,
            task_keep_s=3600.0,
        )

    @property
    def text_folder(self) -> Path:
        return self.folder.path("").parent.parent

    def kinds(self, tasks: JobTasks) -> list[JobKind]:
        return [BatchKind(self._context(tasks))]

    async def create(self, lines: list[str], *, callback_uri: str = "") -> None:
        self.text.write_text("\n".join(lines))
        new = pb.NewBatch(
            name=pb.BatchName(batch_id="b", tenant="acme"),
            model="m",
            format=pb.BatchFormat.BATCH_FORMAT_JSONL,
            uri=self.text.as_uri(),
            inputs={"x": pb.BatchInput(datatype="UINT8", shape=[-1])},
            callback_uri=callback_uri,
        )
        await self.desk.create(new, "")

    async def job(self) -> Job:
        return await self.jobs.job(JOB_ID)

    async def batch(self) -> pb.Batch:
        return batch_to_wire(await self.job())

    async def ended(self) -> bool:
        return await self.jobs.has_ended(JOB_ID)

    async def results(self) -> list[pb.ResultLine]:
        found = self.desk.results("acme", "b", 0, follow=False)
        return [line async for lines in found for line in lines]

    async def succeeded(self, count: int) -> bool:
        return (await self.batch()).succeeded >= count


def line_of(value: int, **more: str) -> str:
    return json.dumps({"inputs": {"x": [value]}, **more})
