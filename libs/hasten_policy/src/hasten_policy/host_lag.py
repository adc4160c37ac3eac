"""What the host takes from this process, as a margin for admission.

On a node with throttled or stolen CPU a process does nothing for a while, and whoever was promised
an answer in that time gets it late. How long such moments last is measured (`HostLag`); here it is
remembered for as long as it is likely to happen again.
"""

from hasten_policy.load import HostLag

MEMORY_S = 2.0
"""Lag that is older is forgotten; until then it counts less and less."""
MARGIN_S_MAX = 0.25
"""Nobody is refused for more than this: after a process was stopped for a minute it goes on."""


class HostMargin:
    """The margin that the lag of the last seconds asks for. Time never goes back."""

    __slots__ = ("_heard", "_stalled_s", "_stolen", "_stolen_at_s")

    def __init__(self) -> None:
        # (when, lag), older first; each counts for more than all that came after it.
        self._heard: list[tuple[float, float]] = []
        self._stalled_s = float("-inf")
        self._stolen = 0.0
        self._stolen_at_s = float("-inf")

    def heard(self, event: HostLag, now_s: float) -> None:
        """A new measurement. What is no number counts as none."""
        lag_s = min(event.lag_s, MARGIN_S_MAX) if event.lag_s > 0.0 else 0.0
        self._heard = [
            (at_s, known_s)
            for at_s, known_s in self._heard
            if _left_s(known_s, now_s - at_s) > lag_s
        ]
        if lag_s > 0.0:
            self._heard.append((now_s, lag_s))
        if event.stall_s > 0.0:
            self._stalled_s = now_s
        self._stolen = min(event.stolen, 1.0) if event.stolen > 0.0 else 0.0
        self._stolen_at_s = now_s

    def margin_s(self, now_s: float) -> float:
        """Seconds by which this process may be late on top of all else; 0 to MARGIN_S_MAX."""
        worst_s = 0.0
        for at_s, lag_s in self._heard:
            left_s = _left_s(lag_s, now_s - at_s)
            worst_s = max(worst_s, left_s)
        return worst_s

    def stolen(self, now_s: float) -> float:
        """Share of its CPU that others took of late, 0 to 1; 0 once it is forgotten."""
        return self._stolen if now_s - self._stolen_at_s < MEMORY_S else 0.0

    def stood_still_since(self, began_s: float) -> bool:
        """This process stood still after `began_s`: what began then and has ended since took
        longer than it needed.
        """
        return began_s < self._stalled_s


def _left_s(lag_s: float, age_s: float) -> float:
    """What a lag of that age still counts for."""
    return lag_s * max(0.0, 1.0 - age_s / MEMORY_S)
