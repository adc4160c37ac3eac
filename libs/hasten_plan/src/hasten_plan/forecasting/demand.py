"""The forecast of one series of demand: several methods side by side, the best of late speaks."""

from collections import deque
from dataclasses import dataclass
from math import expm1, log1p
from typing import Final

from hasten_plan.forecasting.conformal import Level, Residuals, pinball
from hasten_plan.forecasting.methods import Ewma, HoltWinters, Method, Naive, SeasonalNaive
from hasten_plan.forecasting.ridge import RidgeAr
from hasten_plan.forecasting.series import LeftOutError, Periods

LOSS_KEPT: Final = 0.99
"""Of the rolling loss after another value: about the last hundred count."""
SWITCH_BELOW: Final = 0.97
"""Another method speaks once its loss is that much lower: two alike ones do not take turns."""
LOG_MAX: Final = 30.0


@dataclass(frozen=True, slots=True)
class Forecasted:
    """What demand will be.

    Attributes:
        typical: Most likely, in the unit of what was observed; planned work included.
        upper: Its upper quantile, planned work included.
        method: Which method speaks.
    """

    typical: float
    upper: float
    method: str


class _Runner:
    """A method, its errors and its loss."""

    __slots__ = ("level", "loss", "method", "pending", "residuals", "seen")

    def __init__(self, method: Method, ahead: int, quantile: float) -> None:
        self.method = method
        self.residuals = Residuals()
        self.level = Level(quantile)
        self.pending: deque[tuple[float, float] | None] = deque([None] * ahead)
        self.loss = 0.0
        self.seen = 0.0

    @property
    def mean_loss(self) -> float:
        """Rolling pinball loss; infinite before the first value that it had predicted."""
        return self.loss / self.seen if self.seen else float("inf")


class DemandForecaster:
    """Forecasts one series, `ahead` periods ahead.

    Args:
        period_s: Length of a period.
        ahead: Periods from the last one that was observed to the one that is forecast.
        day: Periods after which demand may come again; 0 for none.
        quantile: Of the upper bound.

    Raises:
        ValueError: An argument is out of range.
    """

    def __init__(
        self, period_s: float, ahead: int = 1, day: int = 0, quantile: float = 0.95
    ) -> None:
        if ahead < 1 or day < 0 or day == 1:
            raise ValueError("ahead must be at least 1, and day 0 or at least 2")
        self._periods = Periods(period_s)
        self._shape = (ahead, day, quantile)
        self._bounds: deque[float | None] = deque([None] * ahead)
        self._level = Level(quantile)
        self._left_out: dict[str, int] = {}
        self._begin()

    def _begin(self) -> None:
        ahead, day, quantile = self._shape
        methods: dict[str, Method] = {
            "ewma": Ewma(),
            "naive": Naive(),
            "ridge": RidgeAr(ahead, day),
        }
        if day:
            methods |= {
                "seasonal_naive": SeasonalNaive(ahead, day),
                "holt_winters": HoltWinters(ahead, day),
            }
        self._runners = {name: _Runner(method, ahead, quantile) for name, method in methods.items()}
        self._speaks = "ewma"
        self._last = 0.0

    @property
    def left_out(self) -> dict[str, int]:
        """Why values were left out, and how many."""
        return dict(self._left_out)

    @property
    def losses(self) -> dict[str, float]:
        """Rolling pinball loss of each method, on log1p; infinite of one that said nothing yet."""
        return {name: runner.mean_loss for name, runner in self._runners.items()}

    def observe(self, at_s: float, value: float) -> None:
        """What was measured in the period that began at `at_s`. What cannot be is left out."""
        try:
            missing = self._periods.missing_before(at_s, value)
        except LeftOutError as why:
            kind = str(why).partition(" ")[0]
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        if missing:
            self._left_out["gap"] = self._left_out.get("gap", 0) + 1
        if missing < 0:
            self._begin()
        for _ in range(missing):
            # Nobody measured: methods go on with what they expected, and nobody is judged.
            self._step(None)
        self._step(log1p(value))

    def forecast(self, planned: float = 0.0) -> Forecasted:
        """What demand will be that many periods ahead.

        Args:
            planned: Demand that is known to come on top, as periodic and held tasks.
        """
        runner = self._runners[self._speaks]
        expected = runner.method.ahead()
        typical = self._last if expected is None else expected
        upper = max(typical, typical + runner.residuals.above(self._level.value))
        return Forecasted(_linear(typical) + planned, _linear(upper) + planned, self._speaks)

    def _step(self, value: float | None) -> None:
        """One period has passed; `value` is its logarithm, or not known."""
        quantile = self._shape[2]
        bound = self._bounds.popleft()
        if value is not None and bound is not None:
            self._level.seen(missed=value > bound)
        for runner in self._runners.values():
            self._judge(runner, value, quantile)
            runner.method.observe(self._expected(runner) if value is None else value)
            expected = runner.method.ahead()
            runner.pending.append(
                None
                if expected is None
                else (expected, expected + runner.residuals.above(runner.level.value))
            )
        if value is not None:
            self._last = value
        self._choose()
        self._bounds.append(log1p(self.forecast().upper))

    @staticmethod
    def _judge(runner: _Runner, value: float | None, quantile: float) -> None:
        said = runner.pending.popleft()
        if said is None or value is None:
            return
        expected, bound = said
        runner.residuals.add(value - expected)
        runner.level.seen(missed=value > bound)
        runner.loss = LOSS_KEPT * runner.loss + pinball(value, bound, quantile)
        runner.seen = LOSS_KEPT * runner.seen + 1.0

    def _expected(self, runner: _Runner) -> float:
        expected = runner.method.ahead()
        return self._last if expected is None else expected

    def _choose(self) -> None:
        best = min(self._runners, key=lambda name: self._runners[name].mean_loss)
        if self._runners[best].mean_loss < SWITCH_BELOW * self._runners[self._speaks].mean_loss:
            self._speaks = best


def _linear(value: float) -> float:
    """Back from log1p; never negative, never infinite."""
    return max(0.0, expm1(min(LOG_MAX, value)))
