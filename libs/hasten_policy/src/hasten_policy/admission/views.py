"""What requests may name, with what admission keeps of each."""

from dataclasses import dataclass, field
from typing import Generic

from hasten_policy.admission.calibration import Theta
from hasten_policy.fleet.models import ModelView
from hasten_policy.ordering.hold_queue import HoldQueue, W
from hasten_policy.prediction.quantile_tracker import QuantileTracker


@dataclass(slots=True, eq=False, repr=False)
class AskedView(ModelView, Generic[W]):
    """A view whose calls are admitted and may wait.

    Attributes:
        theta: The model's calibration.
        held: Calls that wait for a worker's credit.
        latency: 95th percentile of seconds from sending to the answer.
    """

    theta: Theta
    held: HoldQueue[W]
    latency: QuantileTracker = field(init=False, default_factory=lambda: QuantileTracker(0.0, 0.95))

    @property
    def wanted(self) -> bool:
        """As `ModelView.wanted`: a call waits."""
        return bool(self.held)
