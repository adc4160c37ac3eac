"""One onnxruntime session running batches: gather, run, scatter."""

from collections.abc import Mapping, Sequence
from typing import Final, cast

import numpy as np
import onnxruntime as ort

from hasten.inference.v2.model_config_pb2 import ModelConfig
from hasten_policy.reasons import Reason
from hasten_worker.engine.onnx.buffers import BufferPool, BufferSet, Place
from hasten_worker.engine.onnx.packing import Member, Packing, RowsLostError
from hasten_worker.engine.onnx.session import LOG_SILENT, SessionPlan, clean_message
from hasten_worker.model import Array, ModelError, Tell

__all__ = ["OnnxRun", "OnnxRunner", "RowsLostError", "run_options"]

_BYTES: Final = "BYTES"


def run_options() -> ort.RunOptions:
    """Options of one run; setting `terminate` stops it from another thread."""
    options = ort.RunOptions()
    options.log_severity_level = LOG_SILENT
    # The default, said aloud: to find out that nobody has said it, onnxruntime's Python layer
    # raises and catches an exception on each run, which takes 30 us.
    options.add_run_config_entry("gpu_graph_id", "0")
    return options


class OnnxRunner:
    """Runs batches on one session in this process, from any number of threads.

    See `hasten_worker.engine.onnx.port.ModelRunner`.

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
        self._place = place_of(plan)
        self._packing = Packing(config)
        self._output_names = [tensor.name for tensor in self._packing.outputs]
        self._pool = BufferPool()
        self._bindable = [False] * len(self._output_names)

    @property
    def away_s(self) -> float:
        """It is always there."""
        return 0.0

    def new_run(self) -> "OnnxRun":
        """A fresh run."""
        return OnnxRun(self)

    def serve(self, tell: Tell) -> None:
        """There is nothing to tell: it ends with this process."""

    def close(self) -> None:
        """The session ends with the last run that still holds it."""

    def settle(self, seen: Sequence[dict[str, Array]]) -> None:
        """Outputs that had their declared sizes in these runs get buffers of their own.

        Until then onnxruntime allocates every output, whatever its size turns out to be.
        """
        self._bindable = self._packing.bindable(seen)
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
        self._packing.check(members)
        rows = padded_rows if self._packing.batch_max else 1
        try:
            if self._packing.text:
                return self._run_text(members, rows, options)
            return self._run_bound(members, rows, options)
        except ModelError:
            raise
        except Exception as error:
            raise failure(error, options) from error

    def _run_bound(
        self, members: Sequence[Member], padded_rows: int, options: ort.RunOptions
    ) -> list[dict[str, Array]]:
        packing = self._packing
        key = packing.key(members[0])
        buffers = self._pool.take(key, padded_rows) or self._new_buffers(members[0], padded_rows)
        bound = buffers.bound(padded_rows)
        sizes = packing.fill(bound.inputs, members, padded_rows)
        outputs = buffers.run(bound, options)
        results = packing.scatter(outputs, sizes, padded_rows)
        # A buffer set whose run failed is not given back: its device may still be writing.
        self._pool.give(key, buffers)
        return results

    def _new_buffers(self, member: Member, padded_rows: int) -> BufferSet:
        packing = self._packing
        given = [(packing.by_name[name], sizes) for name, sizes in packing.given(member)]
        outputs = list(zip(packing.outputs, self._bindable, strict=True))
        return BufferSet(self._session, self._place, given, outputs, packing.rows_max(padded_rows))

    def _run_text(
        self, members: Sequence[Member], padded_rows: int, options: ort.RunOptions
    ) -> list[dict[str, Array]]:
        """Text has no fixed size, so there are no buffers to bind."""
        packing = self._packing
        merged, sizes = packing.merged(members, padded_rows)
        feeds: dict[str, Array] = {}
        for name, array in merged.items():
            shaped = packing.inner(packing.by_name[name], array)
            text = packing.by_name[name].element.name == _BYTES
            feeds[name] = _decoded(name, shaped) if text else shaped
        values = self._session.run(self._output_names, feeds, options)
        outputs = [
            _encoded(value) if plan.element.name == _BYTES else value
            for plan, value in zip(packing.outputs, cast("list[Array]", values), strict=True)
        ]
        return packing.scatter(outputs, sizes, padded_rows)


class OnnxRun:
    """One batch on one session."""

    __slots__ = ("_options", "_runner", "_stopped")

    def __init__(self, runner: OnnxRunner) -> None:
        self._runner = runner
        self._options = run_options()
        self._stopped = False

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        """See `hasten_worker.model.Run`."""
        if self._stopped:
            raise ModelError("the run was terminated before it began", terminated=True)
        return self._runner.run(members, padded_rows, self._options)

    def terminate(self) -> None:
        """See `hasten_worker.model.Run`."""
        self._stopped = True
        self._options.terminate = True

    def kill(self) -> bool:
        """See `hasten_worker.model.Run`: a thread cannot be ended."""
        return False


def place_of(plan: SessionPlan) -> Place:
    """Where the data of a session that is opened so live."""
    return Place(plan.device, plan.device_id, uploads=plan.device != "cpu")


def failure(error: Exception, options: ort.RunOptions) -> ModelError:
    """What a run that raised the error is answered with."""
    stopped = bool(options.terminate)
    message = "the run was terminated" if stopped else clean_message(error)
    return ModelError(message, terminated=stopped)


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
