"""Buffers and bindings that batches of one shape use one after the other.

A buffer set belongs to one run at a time. Its input buffers are filled, the bound session reads
them and writes bound outputs; whatever leaves is copied, so that the next batch
cannot change it.
"""

import ctypes
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from threading import Lock
from typing import Final, cast

import numpy as np
import onnxruntime as ort

from hasten_worker.engine.onnx.packing import Given
from hasten_worker.engine.onnx.tensor_plan import TensorPlan
from hasten_worker.model import Array

Allocate = Callable[[tuple[int, ...], np.dtype[np.generic]], Array]
"""Makes an array of a shape and a type, whatever is in it."""

BOUND_MAX: Final = 128
"""Row counts for which one buffer set keeps a binding."""
IDLE_MAX: Final = 32
"""Idle buffer sets of one session."""
IDLE_BYTES_MAX: Final = 512 * 2**20
"""Bytes in the idle buffer sets of one session."""
_BFLOAT16: Final = 16


@dataclass(frozen=True, slots=True)
class Place:
    """Where a session's data live.

    Attributes:
        device: "cpu" or "cuda".
        device_id: Which one.
        uploads: Inputs have buffers on the device, filled before each run.
    """

    device: str = "cpu"
    device_id: int = 0
    uploads: bool = False


@dataclass(slots=True)
class Bound:
    """A buffer set, prepared for one number of rows.

    Attributes:
        binding: onnxruntime's.
        inputs: Buffers to fill, in the clients' shape.
        uploads: Device buffer and the host buffer it is filled from, before the run.
        outputs: Every output, in order; None where onnxruntime allocates it anew each time.
        free: Names of the outputs that onnxruntime allocates.
    """

    binding: ort.IOBinding
    inputs: list[tuple[str, Array]]
    uploads: list[tuple[ort.OrtValue, ort.OrtValue]]
    outputs: list[Array | None]
    free: list[str]


class BufferSet:
    """Buffers for one set of input sizes.

    Args:
        session: That will read and write them.
        place: Where it runs.
        inputs: Given inputs with their sizes as clients see them.
        outputs: All outputs, with True for those that may be bound to a buffer because their
            sizes are known.
        rows_max: Rows to make room for; None when the model does not batch.
        allocate: Makes the buffers of inputs, and those of outputs.
    """

    def __init__(
        self,
        session: ort.InferenceSession,
        place: Place,
        inputs: Sequence[tuple[TensorPlan, tuple[int, ...]]],
        outputs: Sequence[tuple[TensorPlan, bool]],
        rows_max: int | None,
        allocate: tuple[Allocate, Allocate] = (np.empty, np.empty),
    ) -> None:
        self._session = session
        self._place = place
        self._inputs = inputs
        self._outputs = outputs
        self._batches = rows_max is not None
        self.rows_max = rows_max or 1
        head = (self.rows_max,) if self._batches else ()
        new_input, new_output = allocate
        self._input_buffers = [
            new_input((*head, *sizes), plan.element.dtype) for plan, sizes in inputs
        ]
        self._output_buffers = [
            new_output((*head, *plan.inner), plan.element.dtype) if fixed else None
            for plan, fixed in outputs
        ]
        held = [
            *self._input_buffers,
            *(buffer for buffer in self._output_buffers if buffer is not None),
        ]
        self.held_bytes = sum(buffer.nbytes for buffer in held)
        self._bound: dict[int, Bound] = {}

    def bound(self, rows: int) -> Bound:
        """The buffers, prepared for this many rows, at most `rows_max`; ready to be filled."""
        bound = self._bound.get(rows)
        if bound is None:
            if len(self._bound) >= BOUND_MAX:
                del self._bound[next(iter(self._bound))]
            bound = self._bound[rows] = self._bind(rows)
        for name in bound.free:
            # Without this the next run would write into the last run's output.
            bound.binding.bind_output(name, "cpu")
        return bound

    def run(self, bound: Bound, options: ort.RunOptions) -> list[Array]:
        """Runs the session; the outputs in order, to be copied before the next run."""
        for device_value, host_value in bound.uploads:
            device_value.update_inplace(host_value)
        self._session.run_with_iobinding(bound.binding, options)
        if self._place.uploads:
            bound.binding.synchronize_outputs()
        if not bound.free:
            return cast("list[Array]", bound.outputs)
        values = bound.binding.get_outputs()
        return [
            _host_array(value, plan) if buffer is None else buffer
            for value, buffer, (plan, _) in zip(values, bound.outputs, self._outputs, strict=True)
        ]

    def _bind(self, rows: int) -> Bound:
        binding = self._session.io_binding()
        inputs: list[tuple[str, Array]] = []
        uploads: list[tuple[ort.OrtValue, ort.OrtValue]] = []
        for (plan, sizes), buffer in zip(self._inputs, self._input_buffers, strict=True):
            part = buffer[:rows] if self._batches else buffer
            inputs.append((plan.name, part))
            head = (rows,) if self._batches else ()
            shaped = part.reshape((*head, *plan.inner_sizes(sizes)))
            value = host_value(shaped)
            if self._place.uploads:
                host, value = value, self._device_value(shaped.shape, plan)
                uploads.append((value, host))
            binding.bind_ortvalue_input(plan.name, value)
        outputs: list[Array | None] = []
        for (plan, _), output_buffer in zip(self._outputs, self._output_buffers, strict=True):
            part_or_none = None
            if output_buffer is not None:
                part_or_none = output_buffer[:rows] if self._batches else output_buffer
                binding.bind_ortvalue_output(plan.name, host_value(part_or_none))
            else:
                binding.bind_output(plan.name, "cpu")
            outputs.append(part_or_none)
        free = [plan.name for (plan, fixed) in self._outputs if not fixed]
        return Bound(binding, inputs, uploads, outputs, free)

    def _device_value(self, shape: tuple[int, ...], plan: TensorPlan) -> ort.OrtValue:
        return ort.OrtValue.ortvalue_from_shape_and_type(
            list(shape), plan.element.onnx, self._place.device, self._place.device_id
        )


class BufferPool:
    """Idle buffer sets by their key, the least recently used dropped first. For all threads."""

    def __init__(self) -> None:
        self._idle: OrderedDict[Given, list[BufferSet]] = OrderedDict()
        self._count = 0
        self._held_bytes = 0
        self._lock = Lock()

    def take(self, key: Given, rows: int) -> BufferSet | None:
        """An idle buffer set with room for the rows, or None."""
        with self._lock:
            idle = self._idle.get(key)
            if not idle or idle[-1].rows_max < rows:
                return None
            self._count -= 1
            buffers = idle.pop()
            self._held_bytes -= buffers.held_bytes
            return buffers

    def give(self, key: Given, buffers: BufferSet) -> None:
        """Takes a buffer set back that no run uses any more."""
        with self._lock:
            self._idle.setdefault(key, []).append(buffers)
            self._idle.move_to_end(key)
            self._count += 1
            self._held_bytes += buffers.held_bytes
            while self._count > IDLE_MAX or (self._held_bytes > IDLE_BYTES_MAX and self._count > 1):
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        key, idle = next(iter(self._idle.items()))
        if idle:
            self._count -= 1
            self._held_bytes -= idle.pop(0).held_bytes
        if not idle:
            del self._idle[key]


def host_value(array: Array) -> ort.OrtValue:
    """A view of a contiguous array in host memory; no copy."""
    if array.dtype.name == "bfloat16":
        return ort.OrtValue.ortvalue_from_numpy_with_onnx_type(array.view(np.uint16), _BFLOAT16)
    return ort.OrtValue.ortvalue_from_numpy(array)


def _host_array(value: ort.OrtValue, plan: TensorPlan) -> Array:
    """The output as an array; BF16, which onnxruntime cannot give to numpy, is copied."""
    if plan.element.onnx != _BFLOAT16:
        return np.asarray(value.numpy())
    shape = tuple(value.shape())
    size_bytes = prod(shape) * plan.element.dtype.itemsize
    content = ctypes.string_at(value.data_ptr(), size_bytes) if size_bytes else b""
    return np.frombuffer(content, plan.element.dtype).reshape(shape)
