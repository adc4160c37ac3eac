"""The forecast of one term, as the autoscaler keeps and tells it."""

from collections.abc import Sequence

from hasten.autoscaler.v1 import autoscaler_service_pb2 as pb
from hasten_plan.forecasting.foresight import Foresight
from hasten_policy.autoscaler.events import ForecastGiven


class Foreseer:
    """Forecasts demand one start of a worker ahead.

    Args:
        period_s: Length of a period.
        lead_s: Seconds of a start.
        day_s: What comes again after so long; 0 for nothing.
        values: Periods from before, oldest first.
        now_s: Now.
    """

    def __init__(
        self, period_s: float, lead_s: float, day_s: float, values: Sequence[float], now_s: float
    ) -> None:
        self._foresight = Foresight(period_s, lead_s, day_s)
        self._foresight.restore(values, now_s)
        self._given: ForecastGiven | None = None
        self._given_s = 0.0

    def demanded(self, now_s: float, load_s: float) -> ForecastGiven | None:
        """So many worker seconds were asked for until now; a forecast at the end of a period."""
        given = self._foresight.demanded(now_s, load_s)
        if given is not None:
            self._given, self._given_s = given, now_s
        return given

    @property
    def values(self) -> list[float]:
        """For a checkpoint: demand by period."""
        return [round(value, 3) for value in self._foresight.values]

    def to_wire(self, now_s: float) -> pb.ForecastResponse:
        """As it is told."""
        message = pb.ForecastResponse(
            known=self._given is not None,
            periods=self._foresight.periods,
            left_out=self._foresight.left_out,
        )
        if self._given is not None:
            message.typical, message.upper = self._given.load, self._given.upper
            message.method, message.ahead_s = self._foresight.method, self._foresight.ahead_s
            message.age_s = now_s - self._given_s
            message.losses.update(self._foresight.losses)
        return message
