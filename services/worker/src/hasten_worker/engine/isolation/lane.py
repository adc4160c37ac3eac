"""In the worker: one lane of a model's process, where one batch runs at a time."""

import json
import socket
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import ExitStack
from math import prod
from typing import Final

import numpy as np

from hasten_worker.engine.isolation.arena import Arena, Places
from hasten_worker.engine.isolation.bench import read, write
from hasten_worker.engine.isolation.wire import (
    DONE,
    MESSAGE_BYTES_MAX,
    NUMBER,
    OUTPUT_BYTES_MAX,
    Laid,
    read_failure,
    to_bytes,
)
from hasten_worker.engine.onnx.packing import Given, Member, Packing
from hasten_worker.engine.onnx.session import clean_message
from hasten_worker.model import Array, ModelError

PREPARED_MAX: Final = 32
"""Sets of sizes for which the inputs' places are kept."""
_Prepared = tuple[bytes, list[tuple[str, Array]], int]


class LaneLost(Exception):  # noqa: N818  (what becomes of it is decided elsewhere)
    """The process is gone."""


class Lane:
    """Gathers a batch right into shared memory, and takes the answers out of it.

    Args:
        packing: Of the model.
    """

    def __init__(self, packing: Packing) -> None:
        self._packing = packing
        with ExitStack() as stack:
            # Where descriptors run out, none of these is kept.
            ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stack.callback(ours.close)
            stack.callback(its.close)
            self._given = Arena.new("hasten-inputs")
            stack.callback(self._given.close)
            self._made = Arena.new("hasten-outputs")
            stack.pop_all()
        self._socket = ours
        self._its: socket.socket | None = its
        self._prepared: OrderedDict[tuple[Given, int, tuple[bool, ...]], _Prepared] = OrderedDict()
        self._reply = b""
        self._outputs: list[Array] = []
        self._given_bytes = self._made_bytes = 0

    def hand_over(self, control: socket.socket, word: bytes) -> None:
        """Gives the other end to the process. Raises OSError when it is gone."""
        assert self._its is not None  # noqa: S101  (once)
        with self._its:
            handles = [self._its.fileno(), self._given.handle, self._made.handle]
            socket.send_fds(control, [word], handles)
        self._its = None

    def run(
        self, number: int, members: Sequence[Member], padded_rows: int, bindable: tuple[bool, ...]
    ) -> list[dict[str, Array]]:
        """Runs a batch, which has a number of its own; blocks.

        Raises:
            ModelError: The model failed.
            LaneLost: The process ended, before or meanwhile.
        """
        try:
            asked, sizes = self._gathered(members, padded_rows, bindable)
        except (OSError, MemoryError) as error:
            raise ModelError(f"no shared memory: {error}") from None
        except Exception as error:
            raise ModelError(clean_message(error)) from error
        reply = self._ask(NUMBER.pack(number) + asked)
        if reply[:1] != DONE:
            raise read_failure(reply)
        try:
            results = self._packing.scatter(self._read(reply), sizes, padded_rows)
        except (ValueError, TypeError, OverflowError, RecursionError) as error:
            raise ModelError(f"its process gave outputs that cannot be: {error}") from None
        self._given.trim(self._given_bytes)
        self._made.trim(self._made_bytes)
        return results

    def close(self) -> None:
        """Lets go of it; the process ends its side."""
        self._socket.close()
        if self._its is not None:
            self._its.close()
        self._given.close()
        self._made.close()

    def _gathered(
        self, members: Sequence[Member], padded_rows: int, bindable: tuple[bool, ...]
    ) -> tuple[bytes, list[int]]:
        """Lays the members into shared memory; what to ask, and the rows of each."""
        packing = self._packing
        if packing.text:
            merged, sizes = packing.merged(members, padded_rows)
            return self._laid_text(merged, padded_rows), sizes
        key = (packing.key(members[0]), padded_rows, bindable)
        asked, buffers, self._given_bytes = self._prepared.get(key) or self._prepare(
            key, members[0]
        )
        return asked, packing.fill(buffers, members, padded_rows)

    def _ask(self, message: bytes) -> bytes:
        try:
            self._socket.send(message)
            reply = self._socket.recv(MESSAGE_BYTES_MAX)
        except OSError:
            reply = b""
        if not reply:
            raise LaneLost
        return reply

    def _prepare(self, key: tuple[Given, int, tuple[bool, ...]], member: Member) -> _Prepared:
        _, rows, bindable = key
        packing = self._packing
        given = packing.given(member)
        rows_max = packing.rows_max(rows)
        head = (rows_max,) if rows_max else ()
        places = Places()
        tensors = [((*head, *sizes), packing.by_name[name].element.dtype) for name, sizes in given]
        offsets = places.take_all(tensors)
        self._given.reserve(places.end)
        buffers: list[tuple[str, Array]] = []
        for (name, _), (shape, dtype), offset in zip(given, tensors, offsets, strict=True):
            array = self._given.array(offset, shape, dtype)
            buffers.append((name, array[:rows] if rows_max else array))
        asked = {"given": given, "rows": rows, "rows_max": rows_max, "fixed": bindable}
        if len(self._prepared) >= PREPARED_MAX:
            self._prepared.popitem(last=False)
        known = self._prepared[key] = (to_bytes(asked), buffers, places.end)
        return known

    def _laid_text(self, merged: dict[str, Array], rows: int) -> bytes:
        places = Places()
        laid = write(self._given, places, list(merged.values()))
        self._given_bytes = places.end
        text = [[name, each.to_json()] for name, each in zip(merged, laid, strict=True)]
        return to_bytes({"text": text, "rows": rows, "end": places.end})

    def _read(self, reply: bytes) -> list[Array]:
        """The outputs, in the model's shape."""
        if reply == self._reply:
            return self._outputs
        laid = [Laid.from_json(value) for value in json.loads(reply[1:])]
        outputs: list[Array] = []
        self._made_bytes = 0
        for plan, each in zip(self._packing.outputs, laid, strict=True):
            dtype = plan.element.dtype
            text = dtype == np.object_
            size_bytes = each.size_bytes if text else prod(each.shape) * dtype.itemsize
            end = each.offset + max(1, size_bytes)
            if end > OUTPUT_BYTES_MAX:
                raise ValueError(f"more than {OUTPUT_BYTES_MAX} bytes")
            self._made.follow(end)
            self._made_bytes = max(self._made_bytes, end)
            outputs.append(read(self._made, each, dtype))
        if not self._packing.text:
            self._reply, self._outputs = reply, outputs
        return outputs
