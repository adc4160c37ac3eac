"""What requests may name, with what admission keeps of each."""

from typing import Generic

from hasten_policy.admission.calibration import Theta
from hasten_policy.admission.outflow import Outflow
from hasten_policy.fleet.models import ModelView
from hasten_policy.ordering.hold_queue import HoldQueue, W
from hasten_policy.prediction.quantile_tracker import QuantileTracker


# No dataclass, as mypyc cannot compile one that is generic (its issue 827).
class AskedView(ModelView, Generic[W]):
    """A view whose calls are admitted and may wait.

    Args:
        key: As `ModelView.key`.
        theta: The model's calibration.
        held: Calls that wait for a worker's credit.

    Attributes:
        theta: See the argument.
        held: See the argument.
        latency: 95th percentile of seconds from sending to the answer.
        outflow: How fast calls that wait really go out.
    """

    __slots__ = ("held", "latency", "outflow", "theta")

    def __init__(self, key: str, theta: Theta, held: HoldQueue[W]) -> None:
        super().__init__(key)
        self.theta = theta
        self.held = held
        self.outflow = Outflow()
        self.latency = QuantileTracker(0.0, 0.95)

    @property
    def wanted(self) -> bool:
        """As `ModelView.wanted`: a call waits."""
        return bool(self.held)
