"""Refusals that stand for a moment.

Under overload a router says the same thing thousands of times a second, and each time the machine
looks at the fleet to find it out. A front that reads heads quickly can say it itself for some
milliseconds: until the backlog has gone down so far that such a call would be let in, or a worker
has nothing to do. What the machine then still sees is hardly more than what it lets in.

A bar holds for calls by the moment of their deadline. The backlog goes down by a second in each
second, and so does the time that a call needs: the moment does not move.
"""

from typing import Any, Final

from hasten_policy.admission.gate import Crowded
from hasten_policy.admission.views import AskedView
from hasten_policy.router.events import BarLifted, BarSet, CallArrived, RouterEffect

BAR_S: Final = 0.005
"""A bar falls after this: what it goes by may have been predicted wrongly."""


class Bars:
    """Says what the front may refuse by itself, and lifts it where a worker is idle.

    Args:
        out: Takes the effects.
    """

    __slots__ = ("_out", "_set")

    def __init__(self, out: list[RouterEffect]) -> None:
        self._out = out
        self._set: dict[tuple[str, str], tuple[AskedView[Any], float]] = {}

    def __bool__(self) -> bool:
        """Whether some bar may hold."""
        return bool(self._set)

    def refused(
        self, event: CallArrived, view: AskedView[Any], crowded: Crowded | None, now_s: float
    ) -> None:
        """A call was refused: sets the bar, if that says something of others."""
        # Where the model has a time of its own, a deadline does not say what is left.
        if crowded is None or view.default_timeout_s > 0:
            return
        self._set[event.model, event.version] = (view, now_s + BAR_S)
        self._out.append(
            BarSet(
                event.model,
                event.version,
                event.priority,
                event.rows,
                event.elements,
                crowded.left_s,
                BAR_S,
                crowded.retry_s,
                crowded.retry_left_s,
            )
        )

    def lift(self, now_s: float) -> None:
        """Lifts the bars of the models for which a worker is idle."""
        for key, (view, until_s) in list(self._set.items()):
            if until_s <= now_s:
                del self._set[key]
            elif view.idle() is not None:
                del self._set[key]
                self._out.append(BarLifted(*key))
