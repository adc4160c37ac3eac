"""In the process of a model: runs what lies in the shared memory of one lane."""

import json
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, Final

import numpy as np
import onnxruntime as ort

from hasten_worker.engine.isolation.arena import Arena, Places
from hasten_worker.engine.isolation.wire import DONE, Laid, failed, text_from_bytes, text_to_bytes
from hasten_worker.engine.isolation.wire import to_bytes as as_bytes
from hasten_worker.engine.onnx.buffers import Allocate, BufferSet, Place
from hasten_worker.engine.onnx.packing import Packing
from hasten_worker.engine.onnx.runner import OnnxRunner, failure
from hasten_worker.model import Array, ModelError

PREPARED_MAX: Final = 32
"""Sets of sizes for which buffers are kept."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A model that is open.

    Attributes:
        session: The session.
        place: Where its data live.
        packing: How its tensors are laid out.
        runner: For text, which has no fixed size.
    """

    session: ort.InferenceSession
    place: Place
    packing: Packing
    runner: OnnxRunner


@dataclass(slots=True)
class _Prepared:
    """Buffers for one set of sizes, where those of the outputs begin and end, and the reply, if it
    is the same each time.
    """

    buffers: BufferSet
    offsets: list[int | None]
    end: int
    reply: bytes = b""


class Bench:
    """Runs one batch after the other.

    Args:
        model: Open.
        given: Where the worker lays the inputs.
        made: Where the outputs go.
    """

    def __init__(self, model: Opened, given: Arena, made: Arena) -> None:
        self._model = model
        self._given = given
        self._made = made
        self._asked: OrderedDict[bytes, tuple[_Prepared, int]] = OrderedDict()

    def run(self, asked: bytes, options: ort.RunOptions) -> bytes:
        """Runs a batch; the reply. Never raises an Exception."""
        try:
            if self._model.packing.text:
                return self._run_text(json.loads(asked), options)
            return self._run_bound(asked, options)
        except ModelError as error:
            return failed(error)
        except Exception as error:  # noqa: BLE001  (a binding: any type may come)
            return failed(failure(error, options))

    def _run_bound(self, asked: bytes, options: ort.RunOptions) -> bytes:
        known = self._asked.get(asked)
        if known is None:
            known = self._prepare(json.loads(asked))
            if len(self._asked) >= PREPARED_MAX:
                self._asked.popitem(last=False)
            self._asked[asked] = known
        prepared, rows = known
        buffers = prepared.buffers
        outputs = buffers.run(buffers.bound(rows), options)
        if prepared.reply:
            return prepared.reply
        places = Places()
        places.end = prepared.end
        laid: list[Laid] = []
        for offset, output in zip(prepared.offsets, outputs, strict=True):
            if offset is None:
                offset = self._copied(output, places)  # noqa: PLW2901  (its place is known now)
            laid.append(Laid(offset, output.shape))
        reply = DONE + as_bytes([each.to_json() for each in laid])
        if None not in prepared.offsets:
            # All of them are written where they lie, each time.
            prepared.reply = reply
        return reply

    def _prepare(self, asked: dict[str, Any]) -> tuple[_Prepared, int]:
        packing = self._model.packing
        given = [(packing.by_name[name], tuple(sizes)) for name, sizes in asked["given"]]
        outputs = list(zip(packing.outputs, asked["fixed"], strict=True))
        # The worker lays the inputs out in the same way, and has made room for them.
        inputs, made = Places(), Places()
        placed: list[int] = []
        buffers = BufferSet(
            self._model.session,
            self._model.place,
            given,
            outputs,
            asked["rows_max"],
            (self._allocate(self._given, inputs, []), self._allocate(self._made, made, placed)),
        )
        rest = iter(placed)
        offsets = [next(rest) if fixed else None for _, fixed in outputs]
        return _Prepared(buffers, offsets, made.end), asked["rows"]

    @staticmethod
    def _allocate(arena: Arena, places: Places, placed: list[int]) -> Allocate:
        def allocate(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Array:
            offset = places.take(prod(shape) * dtype.itemsize)
            placed.append(offset)
            arena.reserve(places.end)
            return arena.array(offset, shape, dtype)

        return allocate

    def _copied(self, output: Array, places: Places) -> int:
        """Puts an output that onnxruntime has allocated into the shared memory; its offset."""
        offset = places.take(output.nbytes)
        self._made.reserve(places.end)
        np.copyto(self._made.array(offset, output.shape, output.dtype), output)
        return offset

    def _run_text(self, asked: dict[str, Any], options: ort.RunOptions) -> bytes:
        packing = self._model.packing
        self._given.follow(asked["end"])
        member: dict[str, Array] = {}
        for name, value in asked["text"]:
            laid = Laid.from_json(value)
            member[name] = read(self._given, laid, packing.by_name[name].element.dtype)
        (outputs,) = self._model.runner.run([member], asked["rows"], options)
        places = Places()
        given_back = [packing.inner(plan, outputs[plan.name]) for plan in packing.outputs]
        laid_out = write(self._made, places, given_back)
        return DONE + as_bytes([laid.to_json() for laid in laid_out])


def read(arena: Arena, laid: Laid, dtype: np.dtype[np.generic]) -> Array:
    """A tensor that lies in the arena; numbers are a view."""
    if dtype != np.object_:
        return arena.array(laid.offset, laid.shape, dtype)
    content = arena.array(laid.offset, (laid.size_bytes,), np.dtype(np.uint8))
    return text_from_bytes(content.tobytes(), laid.shape)


def write(arena: Arena, places: Places, arrays: Sequence[Array]) -> list[Laid]:
    """Copies tensors into the arena, and says where they lie."""
    laid: list[Laid] = []
    for array in arrays:
        content = None if array.dtype != np.object_ else text_to_bytes(array)
        size_bytes = array.nbytes if content is None else len(content)
        offset = places.take(size_bytes)
        arena.reserve(places.end)
        if content is None:
            np.copyto(arena.array(offset, array.shape, array.dtype), array)
            laid.append(Laid(offset, array.shape))
        else:
            target = arena.array(offset, (size_bytes,), np.dtype(np.uint8))
            target[:] = np.frombuffer(content, np.uint8)
            laid.append(Laid(offset, array.shape, size_bytes))
    return laid
