"""One onnxruntime session running batches: gather, run, scatter."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
import onnxruntime as ort

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.reasons import Reason
from hasten_worker.engine.onnx.buffers import BufferKey, BufferPool, BufferSet, Place
from hasten_worker.engine.onnx.session import LOG_SILENT, SessionPlan, clean_message
from hasten_worker.engine.onnx.tensor_plan import TensorPlan, tensor_plans
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, ModelError

Member = Mapping[str, Array]
_STATIC: Final[BufferKey] = ()
_BYTES: Final = "BYTES"


class RowsLostError(ModelError):
    """An output has not one row for each row of the batch."""


def run_options() -> ort.RunOptions:
    """Options of one run; setting `terminate` stops it from another thread."""
    options = ort.RunOptions()
    options.log_severity_level = LOG_SILENT
    # The default, said aloud: to find out that nobody has said it, onnxruntime's Python layer
    # raises and catches an exception on each run, which takes 30 us.
    options.add_run_config_entry("gpu_graph_id", "0")
    return options


class OnnxRunner:
    """Runs batches on one session, from any number of threads.

    Args:
        session: Open.
        plan: How it was opened.
        config: Completed.

    Raises:
        ModelRefused: The model mixes types that cannot travel together.
    """

    def __init__(
        self, session: ort.InferenceSession, plan: SessionPlan, config: ModelConfig
    ) -> None:
        self._session = session
        on_device = plan.device != "cpu"
        self._place = Place(plan.device, plan.device_id, uploads=on_device)
        self._batch_max = config.max_batch_size
        self._cut = 1 if self._batch_max else 0
        self._inputs = tensor_plans(config.input)
        self._outputs = tensor_plans(config.output)
        self._output_names = [tensor.name for tensor in self._outputs]
        self._by_name = {tensor.name: tensor for tensor in self._inputs}
        self._static = all(tensor.fixed and not tensor.optional for tensor in self._inputs)
        self._pool = BufferPool()
        self._bindable = [False] * len(self._outputs)
        types = {tensor.element.name for tensor in (*self._inputs, *self._outputs)}
        self._text = _BYTES in types
        if self._text and "BF16" in types:
            raise ModelRefused("the model has BYTES and BF16 tensors, which do not run together")

    def settle(self, seen: Sequence[dict[str, Array]]) -> None:
        """Outputs that had their declared sizes in these runs get buffers of their own.

        Until then onnxruntime allocates every output, whatever its size turns out to be.
        """
        self._bindable = [
            tensor.fixed
            and all(run[tensor.name].shape[self._cut :] == tensor.outer for run in seen)
            for tensor in self._outputs
        ]
        self._pool = BufferPool()

    def run(
        self, members: Sequence[Member], padded_rows: int, options: ort.RunOptions
    ) -> list[dict[str, Array]]:
        """Runs the members as one batch.

        Args:
            members: As in `hasten_worker.model.Run.execute`; one, if the model does not batch.
            padded_rows: As there.
            options: From `run_options`.

        Returns:
            The outputs of each member; they share no memory with later runs.

        Raises:
            ModelError: The model failed, was terminated, or does not keep rows apart.
        """
        if not self._batch_max and len(members) != 1:
            raise ModelError(f"{len(members)} calls in one batch of a model that has none")
        try:
            rows = padded_rows if self._batch_max else 1
            if self._text:
                return self._run_text(members, rows, options)
            return self._run_bound(members, rows, options)
        except ModelError:
            raise
        except Exception as error:
            stopped = bool(options.terminate)
            message = "the run was terminated" if stopped else clean_message(error)
            raise ModelError(message, terminated=stopped) from error

    def _run_bound(
        self, members: Sequence[Member], padded_rows: int, options: ort.RunOptions
    ) -> list[dict[str, Array]]:
        first = members[0]
        key = _STATIC if self._static else self._key(first)
        buffers = self._pool.take(key, padded_rows) or self._new_buffers(first, padded_rows)
        bound = buffers.bound(padded_rows)
        sizes = self._fill(bound.inputs, members, padded_rows)
        outputs = buffers.run(bound, options)
        results = self._scatter(outputs, sizes, padded_rows)
        # A buffer set whose run failed is not given back: its device may still be writing.
        self._pool.give(key, buffers)
        return results

    def _key(self, member: Member) -> BufferKey:
        return tuple(
            (tensor.name, member[tensor.name].shape[self._cut :])
            for tensor in self._inputs
            if tensor.name in member
        )

    def _new_buffers(self, member: Member, padded_rows: int) -> BufferSet:
        given = [
            (tensor, member[tensor.name].shape[self._cut :])
            for tensor in self._inputs
            if tensor.name in member
        ]
        outputs = list(zip(self._outputs, self._bindable, strict=True))
        rows_max = max(self._batch_max, padded_rows) if self._batch_max else None
        return BufferSet(self._session, self._place, given, outputs, rows_max)

    def _fill(
        self, buffers: list[tuple[str, Array]], members: Sequence[Member], padded_rows: int
    ) -> list[int]:
        """Puts the members one behind the other; returns the rows of each."""
        if not self._batch_max:
            for name, buffer in buffers:
                np.copyto(buffer, members[0][name], casting="no")
            return [1]
        sizes: list[int] = []
        for name, buffer in buffers:
            arrays = [member[name] for member in members]
            if not sizes:
                sizes = [len(array) for array in arrays]
                rows = sum(sizes)
            np.concatenate(arrays, out=buffer[:rows], casting="no")
            # Padding repeats the last row: a real row is inside of what the model can take,
            # where zeros might divide by zero.
            buffer[rows:padded_rows] = buffer[rows - 1]
        return sizes

    def _run_text(
        self, members: Sequence[Member], padded_rows: int, options: ort.RunOptions
    ) -> list[dict[str, Array]]:
        """Text has no fixed size, so there are no buffers to bind."""
        feeds: dict[str, Array] = {}
        sizes = [1]
        for name, first in members[0].items():
            plan = self._by_name[name]
            array = first
            if self._batch_max:
                arrays = [member[name] for member in members]
                sizes = [len(part) for part in arrays]
                short = padded_rows - sum(sizes)
                if short > 0:
                    arrays.append(np.repeat(arrays[-1][-1:], short, axis=0))
                array = np.concatenate(arrays)
            head, tail = array.shape[: self._cut], array.shape[self._cut :]
            shaped = array.reshape((*head, *plan.inner_sizes(tail)))
            feeds[name] = _decoded(name, shaped) if plan.element.name == _BYTES else shaped
        values = self._session.run(self._output_names, feeds, options)
        outputs = [
            _encoded(value) if plan.element.name == _BYTES else value
            for plan, value in zip(self._outputs, cast("list[Array]", values), strict=True)
        ]
        return self._scatter(outputs, sizes, padded_rows)

    def _scatter(
        self, outputs: Sequence[Array], sizes: Sequence[int], padded_rows: int
    ) -> list[dict[str, Array]]:
        results: list[dict[str, Array]] = [{} for _ in sizes]
        for plan, inner in zip(self._outputs, outputs, strict=True):
            if not self._batch_max:
                results[0][plan.name] = inner.reshape(plan.outer_sizes(inner.shape)).copy()
                continue
            if inner.ndim == 0 or inner.shape[0] != padded_rows:
                raise RowsLostError(_unbatched(plan, inner, padded_rows))
            array = inner.reshape((padded_rows, *plan.outer_sizes(inner.shape[1:])))
            start = 0
            for result, rows in zip(results, sizes, strict=True):
                result[plan.name] = array[start : start + rows].copy()
                start += rows
        return results


def _unbatched(plan: TensorPlan, array: Array, rows: int) -> str:
    found = f"first dimension {array.shape[0]}" if array.ndim else "no dimensions"
    return (
        f"output {plan.name!r} has {found} for a batch of {rows} rows: the model does not keep "
        "the rows of a batch apart; set max_batch_size: 0"
    )


def _decoded(name: str, array: Array) -> Array:
    """Bytes as str: of bytes objects onnxruntime would take the repr."""
    flat = array.reshape(-1)
    texts = np.empty(flat.shape, dtype=np.object_)
    for index, element in enumerate(flat):
        try:
            texts[index] = cast("bytes", element).decode()
        except UnicodeDecodeError:
            raise ModelError(
                f"input {name!r}: element {index} is not UTF-8, and onnxruntime takes only text",
                reason=Reason.INVALID_REQUEST,
            ) from None
    return texts.reshape(array.shape)


def _encoded(array: Array) -> Array:
    flat = array.reshape(-1)
    content = np.empty(flat.shape, dtype=np.object_)
    for index, element in enumerate(flat):
        content[index] = cast("str", element).encode()
    return content.reshape(array.shape)
