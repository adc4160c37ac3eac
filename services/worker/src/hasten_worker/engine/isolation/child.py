"""The process of one model: opens its session, and runs what the worker lays into shared memory.

It is a fork of the nursery. One thread listens to the worker, and ends the process when the worker
is gone; each lane that the worker opens has a thread and two arenas of its own.
"""

import os
import socket
import threading
from pathlib import Path
from typing import Final, NoReturn

from hasten_worker.engine.isolation.arena import Arena
from hasten_worker.engine.isolation.bench import Bench, Opened
from hasten_worker.engine.isolation.confine import confine
from hasten_worker.engine.isolation.order import Order
from hasten_worker.engine.isolation.wire import ERROR_CHARS_MAX, MESSAGE_BYTES_MAX, NUMBER, to_bytes
from hasten_worker.engine.onnx.packing import Packing
from hasten_worker.engine.onnx.runner import OnnxRunner, place_of, run_options
from hasten_worker.engine.onnx.session import open_session
from hasten_worker.engine.refusal import ModelRefused

OPEN_LANE: Final = b"L"
"""A lane opens: its socket and its two arenas come with it."""
TERMINATE: Final = b"T"
"""Before the number of a run: it is to end soon."""


class Runs:
    """Which runs are to be terminated; asked from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, object] = {}
        self._stopped: set[int] = set()

    def begin(self, number: int, options: object) -> None:
        """A run begins, and may have been terminated already."""
        with self._lock:
            self._running[number] = options
            if number in self._stopped:
                options.terminate = True  # type: ignore[attr-defined]  # a binding's

    def end(self, number: int) -> None:
        """A run has ended."""
        with self._lock:
            self._running.pop(number, None)
            self._stopped.discard(number)

    def terminate(self, number: int) -> None:
        """A run is to end; harmless when it has."""
        with self._lock:
            options = self._running.get(number)
            if options is not None:
                options.terminate = True  # type: ignore[attr-defined]  # a binding's
            else:
                self._stopped.add(number)


def be_child(order: Path, control: socket.socket) -> NoReturn:
    """Serves the worker at the other end until it goes. Ends the process."""
    try:
        model = _open(order, control)
        if model is not None:
            _listen(model, control)
    finally:
        # No clean-up: the model may have damaged what a clean-up would touch.
        os._exit(0)


def _open(path: Path, control: socket.socket) -> Opened | None:
    try:
        order = Order.read(path)
        confine(on_device=order.plan.device != "cpu", memory_bytes_max=order.memory_bytes_max)
        session = open_session(order.model, order.plan)
        opened = Opened(
            session,
            place_of(order.plan),
            Packing(order.config),
            OnnxRunner(session, order.plan, order.config),
        )
    except ModelRefused as error:
        control.send(to_bytes({"refused": str(error)}))
        return None
    except MemoryError:
        control.send(to_bytes({"refused": "it needs more memory than the limit allows"}))
        return None
    except Exception as error:  # noqa: BLE001  (whatever it is, it is the model's)
        said = f"it could not be opened: {type(error).__name__}: {error}"
        control.send(to_bytes({"refused": said[:ERROR_CHARS_MAX]}))
        return None
    control.send(to_bytes({"providers": session.get_providers()}))
    return opened


def _listen(model: Opened, control: socket.socket) -> None:
    runs = Runs()
    while True:
        said, handles, _, _ = socket.recv_fds(control, MESSAGE_BYTES_MAX, 3)
        if said == OPEN_LANE:
            lane, given, made = handles
            bench = Bench(model, Arena(given), Arena(made))
            threading.Thread(
                target=_work, args=(socket.socket(fileno=lane), bench, runs), daemon=True
            ).start()
        elif said[:1] == TERMINATE:
            runs.terminate(*NUMBER.unpack(said[1:]))
        else:
            return


def _work(lane: socket.socket, bench: Bench, runs: Runs) -> None:
    while asked := lane.recv(MESSAGE_BYTES_MAX):
        (number,) = NUMBER.unpack_from(asked)
        options = run_options()
        runs.begin(number, options)
        reply = bench.run(asked[NUMBER.size :], options)
        runs.end(number)
        lane.send(reply)
    lane.close()
