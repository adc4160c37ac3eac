"""What a gate decides, and the two simplest of those to compare with.

The shipped one is the plan (`hasten_policy.admission.plan`). The others know no deadline: they
count or measure. The hard bounds of the hold queue hold under each of them.
"""

from dataclasses import dataclass
from typing import Any, Final, Protocol

from hasten_policy.admission.policy import AdmissionPolicy
from hasten_policy.admission.views import AskedView
from hasten_policy.admission.way import Way
from hasten_policy.chance import Chance
from hasten_policy.fleet.balancer import Balancer
from hasten_policy.fleet.models import ModelView
from hasten_policy.fleet.workers import ModelEntry
from hasten_policy.reasons import Reason, Refusal

RETRY_S: Final = 0.1
"""A gate that counts cannot say when there will be room."""


class Asking(Protocol):
    """What a gate needs to know of a call that is new.

    Attributes:
        call_id: Its number.
        tenant: Who pays.
        priority: Class, 0 is the most urgent.
        rows: First dimension of its first input.
        elements: Of all its inputs together; 0 when not known.
        affinity: Not empty: only one worker may have it.
        alone: It must share no batch, and not every worker may have it.
        order_s: Its place in the hold queue.
        probe: Set by a gate that lets it through although it should be late.
    """

    call_id: int
    tenant: str
    priority: int
    rows: int
    elements: int
    affinity: str
    alone: bool
    order_s: float
    probe: bool

    @property
    def view(self) -> AskedView[Any]:
        """What it asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a gate may look at.

    Attributes:
        policy: Parameters.
        way: Time that is no worker's.
        balancer: Which worker gets a call.
        rng: Source of random choices.
    """

    policy: AdmissionPolicy
    way: Way
    balancer: Balancer
    rng: Chance


@dataclass(slots=True)
class Crowded:
    """What a refusal says of calls alike that come at the same moment.

    Attributes:
        left_s: With less than so many seconds left they are refused too.
        retry_s: There may be room for them after so many seconds, ...
        retry_left_s: ... if they have so many left.
    """

    left_s: float
    retry_s: float
    retry_left_s: float


class Gate:
    """Admits or refuses, told what becomes of those it admitted. This one admits all."""

    __slots__ = ()

    def judge(
        self, call: Asking, entry: ModelEntry | None, left_s: float, held: int, now_s: float
    ) -> ModelEntry | Refusal | None:
        """Where a new call goes: the worker, None to hold it, or why it is refused.

        Args:
            call: The call.
            entry: The balancer's choice; None when all are full.
            left_s: Seconds until its deadline; math.inf for none.
            held: Calls that wait in the hold queue, of all models.
            now_s: Now.
        """
        del left_s
        why = self.refuses(call, held, now_s)
        if why:
            return Refusal(Reason.OVERLOADED, why, RETRY_S)
        if entry is not None:
            self.drops(0.0, now_s)
        return entry

    def refuses(self, call: Asking, held: int, now_s: float) -> str:
        """Why a gate that counts or measures refuses the call; empty to admit it."""
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

    def crowded(self) -> "Crowded | None":
        """What the last refusal of `judge` says of calls alike; None when it says nothing."""
        return None

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

    def refuses(self, call: Asking, held: int, now_s: float) -> str:
        """As `Gate.refuses`."""
        del now_s
        view = call.view
        limit = self._factor * view.lanes * view.open[0].batch_max
        there = in_flight(view, held)
        return f"{there} calls are in flight, {limit:.0f} may be" if there >= limit else ""


def in_flight(view: ModelView, held: int) -> int:
    """Calls of this router at the model's open workers, and those that wait."""
    return held + sum(len(entry.worker.calls) for entry in view.open)
