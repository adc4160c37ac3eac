"""Decisions judged by what came: was it enough, was it too much."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from hasten_policy.scaling.queueing import at_use
from hasten_policy.scaling.sight import Sight

OPEN_MAX: Final = 64
"""Decisions that wait for their verdict."""
WINDOW_S: Final = 60.0
ENOUGH_USE: Final = 0.9
"""So busy the workers might have been."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a decision, one lead after it.

    Attributes:
        number: Of the decision.
        after_s: Since it.
        load: Busy workers that demand asked for.
        enough: Workers that would have done.
        ready: That served.
        calls: In the minute before.
        refused: Of them, for want of workers.
        late: Of them.
        forecast: Typical load that was forecast for then; None without a forecast.
    """

    number: int
    after_s: float
    load: float
    enough: int
    ready: int
    calls: int
    refused: int
    late: int
    forecast: float | None


class Court:
    """Judges each decision once the workers that it started are ready."""

    def __init__(self) -> None:
        self._open: deque[tuple[int, float, float, float | None]] = deque(maxlen=OPEN_MAX)

    def decided(self, number: int, sight: Sight) -> None:
        """A decision was made, of which this was seen."""
        forecast = sight.forecast.load if sight.forecast is not None else None
        self._open.append((number, sight.now_s, sight.now_s + sight.lead_s, forecast))

    def due(self, sight: Sight) -> list[Verdict]:
        """The verdicts whose time has come, by what is seen now."""
        found: list[Verdict] = []
        while self._open and self._open[0][2] <= sight.now_s:
            number, decided_s, _, forecast = self._open.popleft()
            load = sight.load(WINDOW_S) + sight.queued
            counts = sight.within(WINDOW_S)
            found.append(
                Verdict(
                    number,
                    sight.now_s - decided_s,
                    load,
                    at_use(load, ENOUGH_USE),
                    sight.ready,
                    counts.calls,
                    counts.refused,
                    counts.late,
                    forecast,
                )
            )
        return found
