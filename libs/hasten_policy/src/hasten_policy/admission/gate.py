"""What a baseline of admission decides, and the two simplest.

A gate takes the place of the plan (`router.plan`): it knows no deadline, it counts or
measures. The hard bounds of the hold queue hold under each of them.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hasten_policy.fleet.models import ModelView
    from hasten_policy.router.calls import CallRecord


class Gate:
    """Admits or refuses, told what becomes of those it admitted. This one admits all."""

    __slots__ = ()

    def judge(self, call: "CallRecord", held: int, now_s: float) -> str:
        """Why the new call is refused; empty to admit it.

        Args:
            call: The call.
            held: Calls that wait in the hold queue, of all models.
            now_s: Now.
        """
        del call, held, now_s
        return ""

    def drops(self, waited_s: float, now_s: float) -> bool:
        """Whether a call that could now be sent is dropped instead.

        Args:
            waited_s: Seconds that it was held; 0 if it never was.
            now_s: Now.
        """
        del waited_s, now_s
        return False

    def answered(self, took_s: float) -> None:
        """A call was answered `took_s` after it arrived."""


class FixedLimit(Gate):
    """At most `factor` full batches a lane in flight: the hand-tuned limit of a proxy.

    Args:
        factor: Batches a lane.
    """

    __slots__ = ("_factor",)

    def __init__(self, factor: float) -> None:
        self._factor = factor

    def judge(self, call: "CallRecord", held: int, now_s: float) -> str:
        """As `Gate.judge`."""
        del now_s
        view = call.view
        limit = self._factor * view.lanes * view.open[0].batch_max
        there = in_flight(view, held)
        return f"{there} calls are in flight, {limit:.0f} may be" if there >= limit else ""


def in_flight(view: "ModelView", held: int) -> int:
    """Calls of this router at the model's open workers, and those that wait."""
    return held + sum(len(entry.worker.calls) for entry in view.open)
