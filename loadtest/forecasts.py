"""Forecasts of demand against each other on real series; writes docs/evaluation/forecasts.md.

python -m loadtest.forecasts [--to FOLDER]
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import exp, expm1, log, log1p, sqrt
from typing import Final

from hasten_plan.forecasting.conformal import Level, Residuals, pinball
from hasten_plan.forecasting.demand import DemandForecaster
from hasten_plan.forecasting.methods import Ewma, HoltWinters, Method, Naive, SeasonalNaive
from hasten_plan.forecasting.ridge import RidgeAr
from loadtest.evaluation.bench import Bench
from loadtest.evaluation.command import make_alone
from loadtest.evaluation.page import Claim, Page, Written, table
from loadtest.scaling_series import SERIES, values

HORIZONS: Final = (1, 3, 12)
"""Periods ahead."""
QUANTILE: Final = 0.95
TESTED: Final = 0.5
"""The last part of each series counts."""
WORKERS: Final = 4.0
"""Every series is brought to so many busy workers on average."""
MISS_WITHIN: Final = 0.01
NAIVE: Final = "naive"
CHOSEN: Final = "chosen per series"
METHODS: Final[Mapping[str, Callable[[int, int], Method]]] = {
    NAIVE: lambda _ahead, _day: Naive(),
    "seasonal naive (day)": SeasonalNaive,
    "EWMA 0.3": lambda _ahead, _day: Ewma(),
    "Holt-Winters (day)": HoltWinters,
    "AR(12) ridge": lambda ahead, _day: RidgeAr(ahead),
    "AR + day lag + Fourier ridge": RidgeAr,
}
Values = Sequence[float]


@dataclass(frozen=True, slots=True)
class Errors:
    """What a method did on one series, each value predicted before it was seen.

    Attributes:
        rmse: Root of the mean square of the errors, in busy workers.
        mae: Mean of their sizes.
        pinball: Mean pinball loss of the upper quantile.
        missed: Share of the values above it.
    """

    rmse: float
    mae: float
    pinball: float
    missed: float


class _Judge:
    """Adds up what was said of the values that count."""

    def __init__(self) -> None:
        self._square = self._size = self._pinball = 0.0
        self._missed = self._count = 0

    def add(self, value: float, said: float, upper: float) -> None:
        """A value came, of which that had been said."""
        self._count += 1
        self._square += (value - said) ** 2
        self._size += abs(value - said)
        self._pinball += pinball(value, upper, QUANTILE)
        self._missed += value > upper

    def errors(self) -> Errors:
        """The means."""
        count = self._count
        return Errors(
            sqrt(self._square / count),
            self._size / count,
            self._pinball / count,
            self._missed / count,
        )


def judged(method: Method, series: Values, ahead: int) -> Errors:
    """A method alone, with its own conformal bound."""
    residuals, level, judge = Residuals(), Level(QUANTILE), _Judge()
    pending: deque[tuple[float, float] | None] = deque([None] * ahead)
    last = 0.0
    for number, value in enumerate(series):
        seen, said = log1p(value), pending.popleft()
        if said is not None:
            expected, bound = said
            residuals.add(seen - expected)
            level.seen(missed=seen > bound)
            if number >= len(series) * TESTED:
                judge.add(value, _linear(expected), _linear(bound))
        last = seen
        method.observe(seen)
        told = method.ahead()
        # Before it knows enough a method says what it saw last.
        expected = last if told is None else told
        pending.append((expected, expected + residuals.above(level.value)))
    return judge.errors()


def judged_choice(series: Values, ahead: int, day: int) -> Errors:
    """What the autoscaler does: all methods side by side, the best of late speaks."""
    forecaster, judge = DemandForecaster(1.0, ahead, day, QUANTILE), _Judge()
    pending: deque[tuple[float, float] | None] = deque([None] * ahead)
    for number, value in enumerate(series):
        said = pending.popleft()
        if said is not None and number >= len(series) * TESTED:
            judge.add(value, *said)
        forecaster.observe(float(number), value)
        found = forecaster.forecast()
        pending.append((found.typical, found.upper))
    return judge.errors()


def _linear(value: float) -> float:
    return max(0.0, expm1(value))


def measured(
    series: Mapping[str, tuple[Values, int]], horizons: Sequence[int] = HORIZONS
) -> dict[tuple[str, int], list[Errors]]:
    """(Method, horizon) to its errors on each series; a series comes with the length of a day."""
    found: dict[tuple[str, int], list[Errors]] = {}
    for ahead in horizons:
        for name, make_method in METHODS.items():
            found[name, ahead] = [
                judged(make_method(ahead, day), each, ahead) for each, day in series.values()
            ]
        found[CHOSEN, ahead] = [judged_choice(each, ahead, day) for each, day in series.values()]
    return found


def write(
    _bench: Bench,
    series: Mapping[str, tuple[Values, int]] | None = None,
    horizons: Sequence[int] = HORIZONS,
) -> Written:
    """Measures, and compares with the naive method."""
    used = _real() if series is None else series
    found = measured(used, horizons)
    names = [*METHODS, CHOSEN]
    head = ("method", *(f"{ahead} ahead: RMSE / MAE / pinball" for ahead in horizons))
    rows = [(name, *(_relative(found, name, ahead) for ahead in horizons)) for name in names]
    body = TEXT.format(count=len(used)) + table(head, rows) + "\n\n"
    miss_head = ("upper quantile missed", *(f"{ahead} ahead" for ahead in horizons))
    miss_rows = [
        (name, *(f"{_missed(found[name, ahead]):.2%}" for ahead in horizons)) for name in names
    ]
    body += table(miss_head, miss_rows) + "\n\n" + _by_series(found, list(used), horizons)
    worst = max(abs(_missed(found[CHOSEN, ahead]) - (1.0 - QUANTILE)) for ahead in horizons)
    best = min(METHODS, key=lambda name: _loss(found, name, horizons))
    own, least = _loss(found, CHOSEN, horizons), _loss(found, best, horizons)
    return Written(
        body,
        (
            Claim(
                f"the upper quantile that is told is missed by {1.0 - QUANTILE:.0%} of the values, "
                "within one percentage point, at each horizon, mean over the series",
                f"at most {100.0 * worst:.2f} percentage points off",
                worst <= MISS_WITHIN,
            ),
            Claim(
                "the choice per series has at most a tenth more pinball loss than the best single "
                "method, which nobody knows in advance",
                f"{own / least:.2f} times that of {best}",
                own <= 1.1 * least,
            ),
        ),
    )


def _real() -> dict[str, tuple[Values, int]]:
    found: dict[str, tuple[Values, int]] = {}
    for each in SERIES:
        told = values(each.name)
        mean = sum(told) / len(told)
        day = round(each.day_s / each.period_s)
        found[each.name] = ([WORKERS * value / mean for value in told], day)
    return found


def _geometric(ratios: Sequence[float]) -> float:
    return exp(sum(log(max(1e-9, each)) for each in ratios) / len(ratios))


def _relative(found: Mapping[tuple[str, int], list[Errors]], name: str, ahead: int) -> str:
    pairs = list(zip(found[name, ahead], found[NAIVE, ahead], strict=True))
    kinds: tuple[Callable[[Errors], float], ...] = (
        lambda each: each.rmse,
        lambda each: each.mae,
        lambda each: each.pinball,
    )
    return " / ".join(
        f"{_geometric([kind(own) / kind(base) for own, base in pairs]):.2f}" for kind in kinds
    )


def _loss(
    found: Mapping[tuple[str, int], list[Errors]], name: str, horizons: Sequence[int]
) -> float:
    return _geometric(
        [
            own.pinball / base.pinball
            for ahead in horizons
            for own, base in zip(found[name, ahead], found[NAIVE, ahead], strict=True)
        ]
    )


def _missed(errors: Sequence[Errors]) -> float:
    return sum(each.missed for each in errors) / len(errors)


def _by_series(
    found: Mapping[tuple[str, int], list[Errors]], series: Sequence[str], horizons: Sequence[int]
) -> str:
    head = (
        "series",
        *(f"{ahead} ahead: best, its pinball loss, the choice's" for ahead in horizons),
    )
    rows: list[tuple[str, ...]] = []
    for at, name in enumerate(series):
        cells: list[str] = []
        for ahead in horizons:
            best = min(METHODS, key=lambda each: found[each, ahead][at].pinball)
            base = found[NAIVE, ahead][at].pinball
            cells.append(
                f"{best} {found[best, ahead][at].pinball / base:.2f}, "
                f"{found[CHOSEN, ahead][at].pinball / base:.2f}"
            )
        rows.append((name, *cells))
    return table(head, rows) + "\n"


TEXT: Final = """\
{count} real series ([sources and licences](../../loadtest/series/README.md)), each brought to four
busy workers on average. Every value is predicted before it is seen, one, three and twelve periods
ahead; the second half of each series counts. A period is that of the series: 5 minutes to a day.
The tables show the geometric mean over the series relative to the naive method, which says that
demand stays as it is: smaller is better. The pinball loss is that of the upper 95 % quantile, which
each method gets from its own residuals (conformal, steered by its misses). "Chosen per series" is
what the autoscaler does: all methods run side by side, and the one with the least rolling pinball
loss speaks.

"""

PAGE: Final = Page(
    "forecasts",
    "Forecasts of demand against each other",
    "errors of each method on real series, and how often the upper bound is missed",
    "python -m loadtest.forecasts",
    write,
)


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point."""
    make_alone(PAGE, __doc__, arguments)


if __name__ == "__main__":
    main()
