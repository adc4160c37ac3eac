"""Fails fast while a store is dead, so that it costs its callers nothing."""

from hasten_runtime.clock import Clock


class Breaker:
    """Closed while calls succeed; after a failure one call in `pause_s` is let through."""

    def __init__(self, clock: Clock, *, pause_s: float = 1.0) -> None:
        self._clock = clock
        self._pause_s = pause_s
        self._probe_s: float | None = None

    def allows(self) -> bool:
        """True if the caller may call now; while open, one caller in pause_s gets True."""
        if self._probe_s is None:
            return True
        now_s = self._clock.now_s()
        if now_s < self._probe_s:
            return False
        self._probe_s = now_s + self._pause_s
        return True

    def succeeded(self) -> None:
        """The store answered: all may call again."""
        self._probe_s = None

    def failed(self) -> None:
        """The store did not answer: the next probe is pause_s away."""
        self._probe_s = self._clock.now_s() + self._pause_s
