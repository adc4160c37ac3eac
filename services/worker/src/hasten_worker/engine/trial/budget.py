"""How long the trials of one model may take."""

import time
from typing import Final

WALL: Final = 10.0
"""Seconds by the clock for each second of processor time: a busy machine must not change what
is found out, and a model that waits for a device uses no processor time."""


class Budget:
    """Seconds of this process's time, from now.

    Args:
        cpu_s: Processor seconds of all threads.
    """

    def __init__(self, cpu_s: float) -> None:
        self._cpu_s = cpu_s
        self._cpu_began_s = time.process_time()
        self._wall_began_s = time.monotonic()

    def left(self, share: float = 1.0) -> bool:
        """Not all of it, or of this share of it, is spent."""
        return (
            time.process_time() - self._cpu_began_s < self._cpu_s * share
            and time.monotonic() - self._wall_began_s < self._cpu_s * WALL * share
        )
