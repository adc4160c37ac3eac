"""What workers can do, by model, as measured."""

from dataclasses import dataclass
from math import inf

from hasten_policy.load import ModelLoad
from hasten_policy.scaling.queueing import BatchCurve


@dataclass(frozen=True, slots=True)
class Profile:
    """One model.

    Attributes:
        curve: Seconds of its batches on a worker of the pool.
        slack_s: Typical time from the arrival of its calls to their deadline; inf for none.
    """

    curve: BatchCurve
    slack_s: float = inf


def curve_of(model: ModelLoad, lanes: int) -> BatchCurve:
    """The seconds of a model's batches, by what a worker with so many lanes says of it."""
    rows = model.target_rows or model.batch_max
    return BatchCurve(model.alpha_s, model.beta_s, max(1, rows), max(1, lanes))


class Profiles:
    """What is known of the models of a pool."""

    __slots__ = ("_of",)

    def __init__(self) -> None:
        self._of: dict[str, Profile] = {}

    def told(self, model: str, profile: Profile) -> None:
        """A model was measured, or measured again."""
        self._of[model] = profile

    def load(self, model: str, rows: int, workers: int) -> float | None:
        """Seconds of one worker that the rows need in full batches; None without a profile."""
        found = self._of.get(model)
        return None if found is None else rows / found.curve.rows_per_s(found.slack_s, workers)

    def slack_s(self) -> float:
        """The shortest slack of the models; inf where none has a deadline."""
        return min((profile.slack_s for profile in self._of.values()), default=inf)

    def lanes(self) -> int:
        """Batches that a worker runs at once; 1 while nothing is known."""
        return max((profile.curve.lanes for profile in self._of.values()), default=1)
