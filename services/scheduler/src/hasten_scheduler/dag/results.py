"""What the steps of a DAG have given, read from the store."""

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Final

from google.protobuf.message import DecodeError

from hasten_policy.reasons import Reason, Refusal
from hasten_policy.scheduler.jobs.dag.machine import JOIN, key_of
from hasten_policy.scheduler.jobs.dag.plan import How, Source, Step
from hasten_policy.scheduler.jobs.dag.progress import Progress, StepState
from hasten_runtime.errors import MeshError
from hasten_runtime.tasks.jobs import Job
from hasten_runtime.tasks.port import State
from hasten_scheduler.dag.stored import KeptDag
from hasten_scheduler.dag.tensors import Tensor, joined, outputs_of
from hasten_scheduler.jobs.tasks import JobTasks
from hasten_scheduler.stored import Payloads

READ_AT_ONCE: Final = 64
KEPT_THINGS: Final = 8
KEPT_BYTES: Final = 1 << 20
"""Inputs and outputs of so many steps are kept at hand, each if it has no more bytes than this."""


class Results:
    """Tensors of one DAG.

    Args:
        job: The DAG's.
        kept: The DAG.
        progress: How far it is.
        tasks: Its tasks.
        payloads: Of them, and of its inputs.
    """

    def __init__(
        self, job: Job, kept: KeptDag, progress: Progress, tasks: JobTasks, payloads: Payloads
    ) -> None:
        self._job = job
        self._kept = kept
        self._progress = progress
        self._tasks = tasks
        self._payloads = payloads
        self._steps = {step.name: step for step in kept.plan.steps}
        self._at_hand: OrderedDict[str, dict[str, Tensor]] = OrderedDict()

    async def first_of(self, sources: Sequence[Source]) -> Tensor | None:
        """The tensor of the first source that gives one; None where all were skipped.

        Raises:
            MeshError: PAYLOAD_LOST, INTERNAL for a model that gives other than it said.
            StoreUnavailable: The payload store is away.
        """
        for source in sources:
            if not source.step:
                return await self._given(source.tensor)
            if self._progress.steps[source.step].state is StepState.DONE:
                return await self._output(source)
        return None

    async def rows_for(self, step: Step) -> int:
        """Rows of a step's inputs that are split. Raises as `first_of`; SHAPE_MISMATCH."""
        tensors = [await self.first_of(each.sources) for each in step.inputs if each.split]
        rows = {tensor.rows for tensor in tensors if tensor is not None}
        if len(rows) > 1:
            raise MeshError(
                Refusal(
                    Reason.SHAPE_MISMATCH,
                    f"step {step.name!r}: inputs that are split have {sorted(rows)} rows",
                    metadata=(("step", step.name),),
                )
            )
        return rows.pop() if rows else 0

    async def of_parts(self, step: Step) -> dict[str, Tensor]:
        """The outputs of a step's parts, not those of its joining model. Raises as `first_of`."""
        parts = self._progress.steps[step.name].parts
        done = [number for number, part in enumerate(parts) if part.state is StepState.DONE]
        given: list[dict[str, Tensor]] = []
        for begin in range(0, len(done), READ_AT_ONCE):
            keys = [key_of(step.name, part) for part in done[begin : begin + READ_AT_ONCE]]
            given += await self._of_tasks(keys)
        if step.split is None:
            return given[0]
        try:
            return joined(step.split.join, given)
        except (ValueError, KeyError) as error:
            raise _unlike(step.name, error) from None

    async def _given(self, name: str) -> Tensor:
        at_hand = self._at_hand.get(f":{name}")
        if at_hand is not None:
            return at_hand[name]
        dag = self._kept.dag
        step, _, input_name = name.rpartition(":")
        wire = dag.inputs.get(name)
        if wire is None:
            found = next(each for each in dag.steps if each.name == step)
            wire = next(each.constant for each in found.inputs if each.name == input_name)
        content = await self._payloads.decode(self._kept.spec.contents[name])
        if content is None:
            raise MeshError(
                Refusal(
                    Reason.PAYLOAD_LOST,
                    f"the payload store does not have the DAG's input {input_name!r} any more",
                )
            )
        tensor = Tensor(wire.datatype, tuple(wire.shape), content)
        self._keep(f":{name}", {name: tensor})
        return tensor

    async def _output(self, source: Source) -> Tensor:
        outputs = await self._outputs(self._steps[source.step])
        try:
            return outputs[source.tensor]
        except KeyError as error:
            raise _unlike(source.step, error) from None

    async def _outputs(self, step: Step) -> Mapping[str, Tensor]:
        if step.name in self._at_hand:
            self._at_hand.move_to_end(step.name)
            return self._at_hand[step.name]
        if step.split is not None and step.split.join.how is How.MODEL:
            (outputs,) = await self._of_tasks([key_of(step.name, JOIN)])
        else:
            outputs = await self.of_parts(step)
        self._keep(step.name, outputs)
        return outputs

    def _keep(self, what: str, tensors: dict[str, Tensor]) -> None:
        if sum(len(tensor.content) for tensor in tensors.values()) <= KEPT_BYTES:
            self._at_hand[what] = tensors
            if len(self._at_hand) > KEPT_THINGS:
                self._at_hand.popitem(last=False)

    async def _of_tasks(self, keys: Sequence[str]) -> list[dict[str, Tensor]]:
        records = await self._tasks.records(self._job, keys)
        results = [
            record.result if record is not None and record.state is State.DONE else None
            for record in records
        ]
        return list(
            await asyncio.gather(
                *(self._read(key, result) for key, result in zip(keys, results, strict=True))
            )
        )

    async def _read(self, key: str, result: bytes | None) -> dict[str, Tensor]:
        answer = None if result is None else await self._payloads.decode(result)
        if answer is None:
            raise MeshError(
                Refusal(Reason.PAYLOAD_LOST, f"the answer of {key!r} is not there any more")
            )
        try:
            return outputs_of(answer)
        except (ValueError, DecodeError) as error:
            raise _unlike(key, error) from None


def _unlike(what: str, error: Exception) -> MeshError:
    return MeshError(
        Refusal(Reason.MODEL_FAILED, f"{what!r} gave other than its metadata says: {error}")
    )
