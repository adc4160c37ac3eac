"""In the worker: one process of a model, from its fork to its end."""

import contextlib
import itertools
import json
import select
import socket
import threading
from collections.abc import Sequence
from typing import Final, Protocol

from hasten_worker.engine.isolation.child import OPEN_LANE, TERMINATE
from hasten_worker.engine.isolation.host import Host
from hasten_worker.engine.isolation.lane import Lane, LaneLost
from hasten_worker.engine.isolation.wire import MESSAGE_BYTES_MAX, NUMBER
from hasten_worker.engine.onnx.packing import Member, Packing
from hasten_worker.engine.refusal import GIVEN_UP, ModelRefused
from hasten_worker.model import Array, ModelError, NotBegunError, ProcessLostError

HOW_S_MAX: Final = 5.0
"""For the word how a process ended to come after its end."""
LOOK_S: Final = 0.1


class Watcher(Protocol):
    """Hears, on the host's thread, of a process."""

    def process_looked_at(self, process: "ModelProcess") -> None:
        """Its `memory_bytes` are new."""
        ...

    def process_ended(self, process: "ModelProcess", how: str) -> None:
        """It has ended."""
        ...


class ModelProcess:
    """One process. For all threads.

    Args:
        host: That has it forked.
        number: Its name there.
        control: To talk with it.
        packing: Of its model.
        watcher: Hears of it.

    Attributes:
        pid: Its process id; 0 before that is known.
        memory_bytes: Its private memory, as of the last second.
    """

    def __init__(
        self,
        host: Host,
        number: int,
        control: socket.socket,
        packing: Packing,
        watcher: Watcher,
    ) -> None:
        self.number = number
        self.pid = 0
        self.memory_bytes = 0
        self._host = host
        self._control = control
        self._packing = packing
        self._watcher = watcher
        self._lock = threading.Lock()
        self._lanes: list[Lane] = []
        self._numbers = itertools.count(1)
        self._running: dict[int, bool] = {}
        self._ran_at_end: dict[int, bool] | None = None
        self._how = ""
        self._ended = threading.Event()
        self._retired = False

    # --- told by the host ---------------------------------------------------------------

    def forked(self, pid: int) -> None:
        """See `Forked`."""
        self.pid = pid

    def uses(self, memory_bytes: int) -> None:
        """See `Forked`."""
        self.memory_bytes = memory_bytes
        self._watcher.process_looked_at(self)

    def ended(self, how: str) -> None:
        """See `Forked`."""
        self._how = how
        self._ended.set()
        self._leave_if_idle()
        self._watcher.process_ended(self, how)

    # --- its life -------------------------------------------------------------------------

    def wait_open(self, stop: threading.Event) -> list[str]:
        """Waits until its model is open; the providers that it runs on.

        Raises:
            ModelRefused: It was not opened, or `stop` was set.
        """
        while not select.select([self._control], [], [], LOOK_S)[0]:
            if stop.is_set():
                self.kill()
                raise ModelRefused(GIVEN_UP, passing=True)
        said = b""
        with contextlib.suppress(OSError):
            said = self._control.recv(MESSAGE_BYTES_MAX)
        if not said:
            raise ModelRefused(f"it ended the process that runs it ({self.how()}) while opening")
        answer = json.loads(said)
        if "refused" in answer:
            raise ModelRefused(str(answer["refused"]))
        return [str(name) for name in answer["providers"]]

    def how(self) -> str:
        """How it ended, which may be a moment after it has."""
        self._ended.wait(HOW_S_MAX)
        return self._how or "nobody knows how"

    @property
    def gone(self) -> bool:
        """It has ended."""
        return self._ended.is_set()

    def kill(self) -> None:
        """Ends it, whatever it does."""
        self._host.kill(self.number)

    def retire(self) -> None:
        """Takes no new runs, and ends with the last one."""
        with self._lock:
            self._retired = True
        self._leave_if_idle()

    # --- runs -------------------------------------------------------------------------------

    def begin(self) -> int:
        """A run begins; its number.

        Raises:
            NotBegunError: The process is gone or leaving.
        """
        with self._lock:
            if self._retired or self._ran_at_end is not None or self._ended.is_set():
                raise NotBegunError
            number = next(self._numbers)
            self._running[number] = False
            return number

    def run(
        self, number: int, members: Sequence[Member], padded_rows: int, bindable: tuple[bool, ...]
    ) -> list[dict[str, Array]]:
        """Runs a batch that has begun; blocks.

        Raises:
            ModelError: The model failed, or ProcessLostError.
        """
        lane: Lane | None = None
        try:
            lane = self._lane()
            results = lane.run(number, members, padded_rows, bindable)
        except LaneLost:
            raise self._lost(number) from None
        finally:
            with self._lock:
                self._running.pop(number, None)
                if lane is not None:
                    self._lanes.append(lane)
            self._leave_if_idle()
        return results

    def terminate(self, number: int) -> None:
        """A run is to end soon; harmless when it has."""
        with contextlib.suppress(OSError):
            self._control.send(TERMINATE + NUMBER.pack(number))

    def kill_run(self, number: int) -> None:
        """A run does not heed its termination: ends the process."""
        with self._lock:
            if number not in self._running:
                return
            self._running[number] = True
        self.kill()

    def _lane(self) -> Lane:
        with self._lock:
            if self._lanes:
                return self._lanes.pop()
        try:
            lane = Lane(self._packing)
        except OSError as error:
            raise ModelError(f"no lane to its process could be opened: {error.strerror}") from None
        try:
            lane.hand_over(self._control, OPEN_LANE)
        except OSError:
            lane.close()
            raise LaneLost from None
        return lane

    def _lost(self, number: int) -> ProcessLostError:
        # A lane that ends while the rest goes on is no process to work with either.
        self.kill()
        how = self.how()
        with self._lock:
            if self._ran_at_end is None:
                self._ran_at_end = dict(self._running)
            ran = self._ran_at_end
        killed = [each for each, stubborn in ran.items() if stubborn]
        if killed:
            mine = number in killed
            message = "it did not stop, and its process was ended"
            return ProcessLostError(message, str(self.number), suspects=int(mine), terminated=mine)
        return ProcessLostError(
            f"its process ended ({how})",
            str(self.number),
            suspects=max(1, len(ran)),
            terminated=False,
        )

    def _leave_if_idle(self) -> None:
        """A process that is not needed hears so, and what was shared with it is let go."""
        with self._lock:
            if self._running or not (self._retired or self._ended.is_set()):
                return
            lanes, self._lanes = self._lanes, []
        for lane in lanes:
            lane.close()
        self._control.close()
