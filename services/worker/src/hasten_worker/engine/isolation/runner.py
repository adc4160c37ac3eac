"""A model's session in a process of its own, which is started anew when it ends."""

import socket
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from hasten_policy.worker.deaths import Deaths
from hasten_runtime import logs
from hasten_runtime.clock import Clock
from hasten_worker.engine.isolation.host import Host
from hasten_worker.engine.isolation.order import ORDER_NAME, Order
from hasten_worker.engine.isolation.process import ModelProcess
from hasten_worker.engine.onnx.packing import Member, Packing
from hasten_worker.engine.refusal import ModelRefused
from hasten_worker.model import Array, Fate, ModelError, NotBegunError, ProcessLostError, Tell

GROWN_LOOKS: Final = 3
"""Looks in a row, one a second, that must find it so."""
CALM_S: Final = 60.0
"""A replacement that has grown as much within this time needs it: the bound is doubled."""
START_S_MIN: Final = 0.05
_log = logs.logger(__name__)


class IsolatedRunner:
    """See `hasten_worker.engine.onnx.port.ModelRunner`. For all threads.

    Args:
        host: Has processes forked.
        order: What they run.
        folder: That holds it.
        clock: Times the starts.
        name: Of the model, for the log.
        growth_bytes_max: A process whose private memory stays so far above that of its start is
            replaced.
        stop: Set to give the first start up.

    Raises:
        ModelRefused: The first process did not come up.
    """

    def __init__(  # noqa: PLR0913  (each is one fact of the process)
        self,
        host: Host,
        order: Order,
        folder: Path,
        clock: Clock,
        *,
        name: str,
        growth_bytes_max: int,
        stop: threading.Event,
    ) -> None:
        self._host = host
        self._folder = folder
        self._order_path = folder / ORDER_NAME.format(device=f"{order.plan.device_id}")
        self._clock = clock
        self._name = name
        self._packing = Packing(order.config)
        self._bindable = (False,) * len(self._packing.outputs)
        self._rehearsal: tuple[Sequence[Member], int] | None = None
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._tell: Tell | None = None
        self._deaths = Deaths()
        self._start_s = START_S_MIN
        self._growth_bytes_max = growth_bytes_max
        self._grown = 0
        self._replaced_s = -CALM_S
        self._base_bytes = 0
        order.write(self._order_path)
        self._process: ModelProcess | None = None
        self._process, self.providers = self._started(stop)

    @property
    def away_s(self) -> float:
        """See the port."""
        return 0.0 if self._process is not None else self._start_s

    @property
    def pid(self) -> int:
        """Of its process; 0 while there is none."""
        process = self._process
        return process.pid if process is not None else 0

    def new_run(self) -> "IsolatedRun":
        """A fresh run."""
        return IsolatedRun(self)

    def settle(self, seen: Sequence[dict[str, Array]]) -> None:
        """See the port."""
        self._bindable = tuple(self._packing.bindable(seen))

    def serve(self, tell: Tell) -> None:
        """See the port."""
        with self._lock:
            self._tell = tell
            lost = self._process is None
        if lost:
            self._begin_again("its process ended")

    def close(self) -> None:
        """See the port."""
        self._closed.set()
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            process.retire()

    # --- runs -------------------------------------------------------------------------------

    def begin(self) -> tuple[ModelProcess, int]:
        """A run begins: in which process, and its number there.

        Raises:
            NotBegunError: There is none now; it is being started.
            ModelError: There is none, and it is not in service.
        """
        while (process := self._process) is not None:
            try:
                return process, process.begin()
            except NotBegunError:
                # Another one has taken its place, or it has ended and that is heard here first.
                if process is self._process:
                    self.process_ended(process, process.how())
        if self._tell is None:
            raise ModelError("its process ended")
        raise NotBegunError

    def run(
        self, process: ModelProcess, number: int, members: Sequence[Member], padded_rows: int
    ) -> list[dict[str, Array]]:
        """Runs a batch that has begun."""
        try:
            results = process.run(number, members, padded_rows, self._bindable)
        except ProcessLostError:
            # Before the answer is told: nothing more is to be begun there.
            self.process_ended(process, process.how())
            raise
        if self._rehearsal is None:
            kept = [{name: array.copy() for name, array in each.items()} for each in members]
            self._rehearsal = kept, padded_rows
        return results

    def check(self, members: Sequence[Member], padded_rows: int) -> int:
        """The rows to run. Raises ModelError when these cannot run together."""
        self._packing.check(members)
        return padded_rows if self._packing.batch_max else 1

    # --- its process ------------------------------------------------------------------------

    def _started(self, stop: threading.Event) -> tuple[ModelProcess, list[str]]:
        """A new process, its model open. Raises ModelRefused."""
        began_s = self._clock.now_s()

        def make(number: int, control: socket.socket) -> ModelProcess:
            return ModelProcess(self._host, number, control, self._packing, self)

        process = self._host.fork(self._order_path, self._folder, make)
        providers = process.wait_open(stop)
        self._start_s = max(START_S_MIN, self._clock.now_s() - began_s)
        self._base_bytes = 0
        return process, providers

    def process_ended(self, process: ModelProcess, how: str) -> None:
        """A process has ended; said by whoever notices first."""
        with self._lock:
            if process is not self._process:
                return
            self._process = None
            serves = self._tell is not None
        if serves and not self._host.shut:
            self._begin_again(f"its process ended ({how})")

    def _begin_again(self, why: str) -> None:
        tell = self._tell
        assert tell is not None  # noqa: S101  (it serves)
        deaths = self._deaths.died(self._clock.now_s())
        _log.error("model.process_ended", model=self._name, reason=why, within_a_minute=deaths)
        tell(Fate("lost", why, self._start_s))
        if self._deaths.too_many:
            tell(Fate("spent", f"{deaths} processes of it ended within a minute; the last: {why}"))
            return
        threading.Thread(target=self._restart, name="model-restart", daemon=True).start()

    def _restart(self) -> None:
        tell = self._tell
        assert tell is not None  # noqa: S101  (it serves)
        try:
            process, _ = self._started(self._closed)
        except (ModelRefused, OSError) as error:
            if not (self._closed.is_set() or self._host.shut):
                self._begin_again(f"it could not be started again: {error}")
            return
        self._rehearse(process)
        if self._take(process):
            _log.info("model.process_started", model=self._name, pid=process.pid)
            tell(Fate("back"))

    def _rehearse(self, process: ModelProcess) -> None:
        """Runs once what ran before, so that the first call meets a warm session."""
        if self._rehearsal is None:
            return
        members, rows = self._rehearsal
        try:
            process.run(process.begin(), members, rows, self._bindable)
        except (ModelError, NotBegunError) as error:
            _log.warning("model.rehearsal_failed", model=self._name, reason=str(error))

    def _take(self, process: ModelProcess) -> bool:
        """Puts a process into service; the one before ends with its last run."""
        with self._lock:
            before = self._process
            closed = self._closed.is_set()
            self._process = None if closed else process
        if before is not None:
            before.retire()
        if closed:
            process.retire()
        if process.gone:
            # It ended before it was in service, so that nobody has heard of it.
            self.process_ended(process, process.how())
        return not closed and not process.gone

    # --- its memory -------------------------------------------------------------------------

    def process_looked_at(self, process: ModelProcess) -> None:
        """Replaces a process that keeps what a large run needed."""
        if process is not self._process or self._tell is None:
            return
        if not self._base_bytes:
            self._base_bytes = process.memory_bytes
        grown_bytes = process.memory_bytes - self._base_bytes
        self._grown = self._grown + 1 if grown_bytes > self._growth_bytes_max else 0
        if self._grown < GROWN_LOOKS:
            return
        self._grown = 0
        now_s = self._clock.now_s()
        if now_s - self._replaced_s < CALM_S:
            self._growth_bytes_max *= 2
            return
        self._replaced_s = now_s
        _log.warning(
            "model.process_replaced",
            model=self._name,
            memory_bytes=process.memory_bytes,
            at_start_bytes=self._base_bytes,
            help="it kept the memory of a large run",
        )
        threading.Thread(target=self._replace, name="model-replace", daemon=True).start()

    def _replace(self) -> None:
        try:
            process, _ = self._started(self._closed)
        except (ModelRefused, OSError) as error:
            _log.warning("model.replacement_failed", model=self._name, reason=str(error))
            return
        self._rehearse(process)
        self._take(process)


class IsolatedRun:
    """One batch in the process of its model. See `hasten_worker.model.Run`."""

    __slots__ = ("_number", "_process", "_runner", "_stopped")

    def __init__(self, runner: IsolatedRunner) -> None:
        self._runner = runner
        self._process: ModelProcess | None = None
        self._number = 0
        self._stopped = False

    def execute(
        self, members: Sequence[Mapping[str, Array]], padded_rows: int
    ) -> list[dict[str, Array]]:
        """See `hasten_worker.model.Run`."""
        if self._stopped:
            raise ModelError("the run was terminated before it began", terminated=True)
        rows = self._runner.check(members, padded_rows)
        process, self._number = self._runner.begin()
        self._process = process
        if self._stopped:
            process.terminate(self._number)
        return self._runner.run(process, self._number, members, rows)

    def terminate(self) -> None:
        """See `hasten_worker.model.Run`."""
        self._stopped = True
        if self._process is not None:
            self._process.terminate(self._number)

    def kill(self) -> bool:
        """See `hasten_worker.model.Run`."""
        if self._process is not None:
            self._process.kill_run(self._number)
        return True
