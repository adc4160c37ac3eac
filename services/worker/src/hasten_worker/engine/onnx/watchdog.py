"""Terminates warm-up runs that overstay or that nobody waits for any more."""

import threading
from typing import Final, Self

from hasten_runtime.clock import SystemClock
from hasten_worker.model import Run

CHECK_S: Final = 0.05


class Watchdog:
    """A thread that watches one run after the other, for as long as the context is open.

    It costs a guarded run nothing but two assignments, so that timing one stays honest.

    Args:
        stop: When it is set, the present run is terminated.
    """

    def __init__(self, stop: threading.Event) -> None:
        self._stop = stop
        self._clock = SystemClock()
        self._guarded: tuple[Run, float] | None = None
        self._closed = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="warm-up-watchdog", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._closed.set()
        self._thread.join()

    @property
    def stopped(self) -> bool:
        """Nobody waits for the warm-up any more."""
        return self._stop.is_set()

    def guard(self, run: Run, run_s_max: float) -> None:
        """The run that begins now may take this long."""
        self._guarded = (run, self._clock.now_s() + run_s_max)

    def ended(self) -> None:
        """The guarded run has ended."""
        self._guarded = None

    def _watch(self) -> None:
        while not self._closed.wait(CHECK_S):
            guarded = self._guarded
            if guarded is not None and (self._stop.is_set() or self._clock.now_s() > guarded[1]):
                guarded[0].terminate()
